package uvcache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"larder/builder"
	"larder/builder/memory"
	"larder/builder/pypi/wheel"
	"larder/snapshot/image"
	"larder/snapshot/pypi"
	"larder/snapshot/pypi/pep508"
)

// Wheel is a wheel for uv's cache.
type Wheel struct {
	Project, Version, Filename string
	Digest                     string // SHA-256 in hexadecimal
	Size                       int64
	URL, Index                 string // as the index has them
	RequiresPython             string
	Metadata                   bool // the index has a file with its metadata beside it
	Target                     Target
	Open                       func() (builder.Reader, error)
}

// Target is what a uv is told to install for.
type Target struct {
	Tag     pypi.Tag
	Version string // of its Python, in full
	Program string // path of its interpreter; "" is none on this host
}

// Writer has uvs write caches.
type Writer struct {
	programs []program
	warn     func(string)
}

// Open finds the uvs at paths; without any, the one on PATH.
func Open(ctx context.Context, paths []string, warn func(string)) (*Writer, error) {
	programs, err := find(ctx, paths)
	return &Writer{programs, warn}, err
}

// Programs are the names and versions of the uvs.
func (w *Writer) Programs() (names []string) {
	for _, p := range w.programs {
		names = append(names, p.name)
	}
	return names
}

// batchBytes are the wheels whose caches are on disk at once; unpacked they take three to four times
// that.
const batchBytes = 1 << 30

// maxFailures is how many wheels a uv may fail on before it is to blame, and not they.
const maxFailures = 20

// Write has every uv write its cache of the wheels, and puts its files into the pool. dir is for
// temporary files. All wheels of a project are to be there. What cannot be written is warned of and left
// out; an error is the host's.
func (w *Writer) Write(ctx context.Context, dir string, wheels []Wheel, put image.Put) ([]image.Entry, error) {
	s, err := newServer()
	if err != nil {
		return nil, err
	}
	defer s.stop()
	authority := filepath.Join(dir, "authority.pem")
	if err := os.WriteFile(authority, s.authority.pem(), 0o600); err != nil {
		return nil, err
	}
	var all []image.Entry
	have := map[string]bool{}
	for _, batch := range batches(wheels) {
		needs := offer(ctx, s, batch)
		for _, p := range w.programs {
			t := &task{program: p, server: s, dir: filepath.Join(dir, "run"), authority: authority, needs: needs, warn: w.warn}
			entries, err := t.write(ctx, batch, put)
			var form *errForm
			switch {
			case ctx.Err() != nil:
				return nil, context.Cause(ctx)
			case errors.As(err, &form):
				w.warn(fmt.Sprintf("%s is left out of the view uv: %v", p.name, err))
			case err != nil:
				return nil, err
			}
			for _, e := range entries {
				if !have[e.Path] {
					have[e.Path] = true
					all = append(all, e)
				}
			}
		}
	}
	return all, nil
}

// batches parts wheels by projects.
func batches(wheels []Wheel) (all [][]Wheel) {
	slices.SortStableFunc(wheels, func(a, b Wheel) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Digest, b.Digest))
	})
	var size int64
	begin := 0
	for i, x := range wheels {
		if i > 0 && size > batchBytes && x.Project != wheels[i-1].Project {
			all, begin, size = append(all, wheels[begin:i]), i, 0
		}
		size += x.Size
	}
	if begin < len(wheels) {
		all = append(all, wheels[begin:])
	}
	return all
}

// offer gives wheels to the server, and reads what they need.
func offer(ctx context.Context, s *server, wheels []Wheel) (needs map[string][]string) {
	pages := map[string][]wheelFile{}
	needs = map[string][]string{}
	for _, x := range wheels {
		text, names := metadataOf(ctx, x)
		needs[x.Digest] = names
		address, _, _ := strings.Cut(x.URL, "?")
		f := wheelFile{filename: x.Filename, url: address, digest: x.Digest, requires: x.RequiresPython, size: x.Size,
			open: func() (readSeekCloser, error) { return x.Open() }}
		if x.Metadata {
			f.metadata = text
		}
		page := plain(strings.TrimRight(x.Index, "/") + "/" + x.Project + "/")
		pages[page] = append(pages[page], f)
	}
	s.offer(pages)
	return needs
}

// metadataOf reads a wheel's METADATA and the projects that it names. Of a wheel that cannot be read uv
// says what is wrong.
func metadataOf(ctx context.Context, x Wheel) (text []byte, needs []string) {
	giveBack, err := memory.TakeReader(ctx, wheel.Memory(x.Size))
	if err != nil {
		return nil, nil
	}
	defer giveBack()
	r, err := x.Open()
	if err != nil {
		return nil, nil
	}
	defer r.Close()
	opened, err := wheel.Open(r, x.Size, x.Filename)
	if err != nil {
		return nil, nil
	}
	if text, err = opened.MetadataText(); err != nil {
		return nil, nil
	}
	for _, line := range opened.Metadata.RequiresDist {
		if need, err := pep508.ParseRequirement(line); err == nil {
			needs = append(needs, pep508.Normalize(need.Name))
		}
	}
	return text, needs
}
