// Package pipconfig asks pip where its indexes are and how they are reached, and
// keeps the credentials it learns from being printed.
//
// FromPip starts the interpreter once and lets the parser of pip's own install
// command answer (askpip.py). Config is that answer. URLs are shown with Clean
// only; errors of net/url are never wrapped, because they quote what they could
// not parse.
//
// find-links, keyring and indexes of scheme file are not supported: the first
// two are passed over, the third is an error.
package pipconfig
