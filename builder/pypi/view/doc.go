// Package view writes PyPI's views: pip's caches, Poetry's and a static index.
//
// pip looks every link up in its cache of built wheels, links to wheels too, and opens what it finds
// where it lies: nothing is written, nothing hashed. A wheel lies in a directory named by a digest of
// its link and of the interpreter (pypi.WheelDir): for every Python that a snapshot is for and the
// wheel's name allows, once with the link's hash in the digest and once without, which pip 22.2 to
// 22.3.1 asks for on JSON pages, and every pip for a link without a hash.
//
// A wheel that was built from a source is in a view of its own, pip-built or, with machine code,
// pip-built-native: in pip's cache of built wheels, under the source's link.
//
// pip keeps responses with CacheControl: a file per URL, named by the SHA-224 of
// the URL, below five directories of one hexadecimal digit. Since 23.3 an entry is
// two files, http-v2/…/<hash> (headers) and <hash>.body (the bytes); before, one
// file http/…/<hash> with the body inside. Both are "cc=4," and a msgpack map
// (pip/_vendor/cachecontrol/serialize.py and caches/file_cache.py).
//
// uv's cache is written by uv itself, in one view for what is as indexes publish it and two for what was
// built from sources: see package uvcache.
//
// # Promises
//
// An entry depends on nothing but the URL, the size and the SHA-256: the same
// input gives the same bytes, today and in a year. It is fresh for a century
// from a fixed date, since a file named by its digest does not change.
//
// Poetry keeps what it downloads below artifacts/, in a directory named by a digest of the link
// (pypi.ArtifactDir), and compares what it finds there with the lock's hash.
//
// # Limits
//
// pip before 23.1 asks its cache of built wheels for nothing when hashes are required. There is no
// origin.json beside a wheel: pip then takes the link's own hash for the wheel's, which it is, and
// records URL and hash as if it had downloaded. Where a JSON page gives another hash before the
// SHA-256, that one is in pip's digest, and the wheel is found in the download cache only.
//
// Links are known as pip quotes them: of those on a page that has "~" or another such character quoted,
// or one bare that pip quotes, Poetry's digest is another one, but for "+".
//
// pip uses its cache only for https origins and for hosts it was told to trust.
// Index pages are never written: with a long max-age pip 26.2 and later would
// miss new releases. The format is pip's own business and could change; the
// end-to-end tests run one pip of each generation.
package view

import (
	"slices"

	"larder/builder"
	"larder/snapshot"
	"larder/snapshot/pypi"
)

// All are the views that builds write.
var All = []builder.View{
	{Name: pypi.ViewWheels, Entries: wheelsEntries},
	{Name: pypi.ViewPip, Entries: pipEntries},
	{Name: pypi.ViewPipOld, Entries: pipOldEntries, Copies: true},
	{Name: pypi.ViewPipBuilt, Built: snapshot.PureBuilt, Entries: builtEntries},
	{Name: pypi.ViewPipBuiltNative, Built: snapshot.AllBuilt, Entries: builtEntries},
	uvView(pypi.ViewUV, snapshot.NoBuilt),
	uvView(pypi.ViewUVBuilt, snapshot.PureBuilt),
	uvView(pypi.ViewUVBuiltNative, snapshot.AllBuilt),
	{Name: pypi.ViewPoetry, Entries: poetryEntries},
	{Name: pypi.ViewSimple, Entries: simpleEntries, Pages: simplePages},
}

// Wheel is what views serve of a wheel besides its bytes: an Item's Parts.
type Wheel struct {
	pypi.Wheel
	Pythons      []string // of the targets that accept it, sorted: 3.11
	MetadataSize int64    // of METADATA, an object when pip's view serves it; 0 when the index has no such file
	MetadataText []byte   // until the view of old pips has it
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
