// Package repository asks a Maven repository for files.
//
// # Promises
//
// A file is fetched only with the strongest checksum that the repository offers beside it: SHA-512, SHA-256 or
// SHA-1; MD5 is none. One without any is refused.
//
// # Limits
//
// Signatures are not looked at. A checksum comes from where the file does: it tells a damaged file from a whole
// one, and a changed release only where somebody remembers what it was.
package repository
