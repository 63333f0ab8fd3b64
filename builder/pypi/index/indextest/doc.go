// Package indextest is a package index on loopback for tests: it serves what a
// test gives it, as JSON (PEP 691) and HTML (PEP 503), breaks on request, and
// writes down every request. Real pip of any generation works with it (Env).
//
// Pages are at /simple/PROJECT/, files at /files/…/NAME, their metadata beside
// them as NAME.metadata. By default it behaves like the best of indexes:
// content negotiation, sizes, announced metadata, ETags, ranges, long-lived
// files. Options take these away one by one; Mirror takes them all, which is
// what many mirrors look like.
//
// Proxy is a forward proxy that counts; Authority makes certificates.
package indextest
