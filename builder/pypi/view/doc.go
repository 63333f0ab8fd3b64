// Package view writes PyPI's views: pip's caches and a static index.
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
package view

import (
	"slices"

	"larder/builder"
	"larder/snapshot/pypi"
)

// All are the views that builds write.
var All = []builder.View{
	{Name: pypi.ViewPip, Entries: pipEntries},
	{Name: pypi.ViewPipOld, Entries: pipOldEntries, Copies: true},
	{Name: pypi.ViewSimple, Entries: simpleEntries, Pages: simplePages},
}

// Wheel is what views serve of a wheel besides its bytes: an Item's Parts.
type Wheel struct {
	pypi.Wheel
	MetadataSize int64  // of METADATA, an object when pip's view serves it; 0 when the index has no such file
	MetadataText []byte // until the view of old pips has it
}

// Metadata says what the named views need of METADATA: that it is an object in the pool, that its text
// is at hand while a wheel is open.
func Metadata(views []string) (object, text bool) {
	return slices.Contains(views, pypi.ViewPip), slices.Contains(views, pypi.ViewPipOld)
}

func wheelOf(it *builder.Item) *Wheel {
	if w, ok := it.Parts.(*Wheel); ok {
		return w
	}
	return &Wheel{} // not looked into yet
}
