// Package pagecache keeps index pages for conditional requests, and the sizes of
// files that only a HEAD could tell.
//
// It is a cache only: every damage reads as a miss, nothing in it is needed, and
// failures to write are silent. Several processes may share one directory; the
// oldest pages go when it grows past its bound. It holds what a private index
// said, so it is private to its owner; URLs with a query, which may be secrets,
// are kept only as a hash (of files) or not at all (of pages).
package pagecache
