// Package pypitest makes what tests of PyPI's clients and builds need: wheels, and a
// package index on loopback that serves them.
//
// # Wheels
//
// A Wheel is described by what is in it; the fields left zero take the form a
// usual build tool gives them. Bytes are the same for the same description, on
// every machine with the same Go. An Archive is a zip file described header by
// header, so that each can be wrong alone; Bad is a list of them, one or more for
// each row of the bad-input table, with the rule a reader should name. OddRecords are
// wheels that pip installs whatever their RECORD says. Real are wheels of popular
// projects.
//
// # The index
//
// An Index serves what a test gives it, as JSON (PEP 691) and HTML (PEP 503), breaks on
// request (Fault), and writes down every request. Real pip of any generation works with
// it (Env). Pages are at /simple/PROJECT/, files at /files/…/NAME, their metadata beside
// them as NAME.metadata. By default it behaves like the best of indexes: content
// negotiation, sizes, announced metadata, ETags, ranges, long-lived files. Options take
// these away one by one; Mirror takes away all that many mirrors lack.
//
// Proxy is a forward proxy that counts; Authority makes certificates.
//
// Of ours it uses only the starter ranking and the normalising of names: what it makes
// is an independent witness.
package pypitest
