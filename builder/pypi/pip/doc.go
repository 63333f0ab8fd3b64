// Package pip writes entries of pip's HTTP cache, so that an unmodified pip
// finds wheels it never downloaded.
//
// pip keeps responses with CacheControl: a file per URL, named by the SHA-224 of
// the URL, below five directories of one hexadecimal digit. Since 23.3 an entry is
// two files, http-v2/…/<hash> (headers) and <hash>.body (the bytes); before, one
// file http/…/<hash> with the body inside. Both are "cc=4," and a msgpack map
// (pip/_vendor/cachecontrol/serialize.py and caches/file_cache.py).
//
// # Promises
//
// An entry depends on nothing but the URL, the size and the SHA-256: the same
// input gives the same bytes, today and in a year. It is fresh for a century
// from a fixed date, since a file named by its digest does not change.
//
// # Limits
//
// pip uses its cache only for https origins and for hosts it was told to trust.
// Index pages are never written: with a long max-age pip 26.2 and later would
// miss new releases. The format is pip's own business and could change; the
// end-to-end tests run one pip of each generation.
package pip
