package view

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"larder/builder"
	"larder/snapshot"
	"larder/snapshot/pypi"
)

// wheelType is the Content-Type of a wheel's cache entry.
const wheelType = "application/octet-stream"

// wheelsEntries are the wheel where pip looks for one it has built, by its own link.
func wheelsEntries(it *builder.Item) (entries []builder.ViewEntry) {
	return inWheels(it, it.Digest, wheelOf(it).Pythons)
}

// builtEntries are a wheel that was built, where pip looks for what it would build of the same source. It
// is there for the Pythons that it was built for: for another one pip would build it anew.
func builtEntries(it *builder.Item) []builder.ViewEntry {
	var pythons []string
	for _, p := range it.Picks {
		if tag, err := pypi.ParseTag(p.Target); err == nil {
			pythons = append(pythons, tag.Python())
		}
	}
	slices.Sort(pythons)
	return inWheels(it, it.Built.Source.String(), slices.Compact(pythons))
}

// inWheels are an item in pip's cache of built wheels: by its link with and without the link's hash,
// for each Python. The first is the file; the others are links to it, as each more file would cost the
// image 8 bytes for 4 KiB of it.
func inWheels(it *builder.Item, digest string, pythons []string) (entries []builder.ViewEntry) {
	for _, python := range pythons {
		for _, sum := range []string{digest, ""} {
			e := builder.ViewEntry{Path: pypi.WheelDir(it.URL, sum, python) + "/" + it.Filename, Object: it.Object, Size: it.Size}
			if len(entries) > 0 {
				e = builder.ViewEntry{Path: e.Path, Link: entries[0].Path}
			}
			entries = append(entries, e)
		}
	}
	return entries
}

// poetryEntries are the wheel where Poetry looks for what it has downloaded, by its link with and
// without the hash: a dependency that is an address has none. Poetry leaves a "+" as the page has it.
func poetryEntries(it *builder.Item) []builder.ViewEntry {
	entries := []builder.ViewEntry{{Path: pypi.ArtifactDir(it.URL, it.Digest) + "/" + it.Filename, Object: it.Object, Size: it.Size}}
	for _, url := range slices.Compact([]string{it.URL, strings.ReplaceAll(it.URL, "%2B", "+")}) {
		for _, sum := range []string{it.Digest, ""} {
			if path := pypi.ArtifactDir(url, sum) + "/" + it.Filename; path != entries[0].Path {
				entries = append(entries, builder.ViewEntry{Path: path, Link: entries[0].Path})
			}
		}
	}
	return entries
}

// pipEntries are what pip >= 23.3 keeps of a download: headers and bytes, of the wheel and of the
// METADATA beside it.
func pipEntries(it *builder.Item) []builder.ViewEntry {
	p := Path(it.URL)
	entries := []builder.ViewEntry{
		{Path: p, Bytes: Entry(wheelType, it.Size, it.Digest)},
		{Path: p + ".body", Object: it.Object, Size: it.Size},
	}
	if w := wheelOf(it); w.MetadataSize > 0 {
		p := Path(it.URL + ".metadata")
		entries = append(entries,
			builder.ViewEntry{Path: p, Bytes: Entry(wheelType, w.MetadataSize, w.MetadataSHA256.String())},
			builder.ViewEntry{Path: p + ".body", Object: snapshot.Object{Digest: w.MetadataSHA256}, Size: w.MetadataSize})
	}
	return entries
}

// pipOldEntries are the same for older pips, whose entries hold their body.
func pipOldEntries(it *builder.Item) []builder.ViewEntry {
	entries := []builder.ViewEntry{{Path: OldPath(it.URL), Make: func(wheel io.Reader) (io.Reader, error) {
		if r, ok := OldEntry(wheelType, it.Size, it.Digest, wheel); ok {
			return r, nil
		}
		return nil, fmt.Errorf("%s is too large for the cache format of pip before 23.3; such a pip will download it", it.Filename)
	}}}
	if w := wheelOf(it); w.Metadata {
		entries = append(entries, builder.ViewEntry{Path: OldPath(it.URL + ".metadata"), Make: func(io.Reader) (io.Reader, error) {
			text := bytes.NewReader(w.MetadataText)
			w.MetadataText = nil
			r, _ := OldEntry(wheelType, text.Size(), w.MetadataSHA256.String(), text)
			return r, nil
		}})
	}
	return entries
}
