// Package wheeltest makes wheels for tests: well-formed ones that real pip
// installs, and every broken kind.
//
// A Wheel is described by what is in it; the fields left zero take the form a
// usual build tool gives them. Bytes are the same for the same description, on
// every machine with the same Go. An Archive is a zip file described header by
// header, so that each can be wrong alone; Bad is a list of them, one or more for
// each row of the bad-input table, with the rule a reader should name.
//
// The package imports nothing of ours: what it makes is an independent witness.
package wheeltest
