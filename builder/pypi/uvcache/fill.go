package uvcache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
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
	URL, Index                 string // as the index has them: of a built wheel, those of its source
	RequiresPython             string
	Metadata                   bool    // the index has a file with its metadata beside it
	Built                      *Source // what it was built from; nil: the index has the wheel itself
	Listed                     bool    // it is on pages only: another cache has it
	Target                     Target
	Open                       func() (builder.Reader, error)
}

// Target is what a uv is told to install for.
type Target struct {
	Tag     pypi.Tag
	Version string // of its Python, in full
	Program string // path of its interpreter; "" is none on this host
}

// Writer has uvs write the caches of a view.
type Writer struct {
	view     string
	programs []program
	warn     func(string)
}

// Open finds the uvs at paths; without any, the one on PATH.
func Open(ctx context.Context, view string, paths []string, warn func(string)) (*Writer, error) {
	programs, err := find(ctx, paths)
	return &Writer{view, programs, warn}, err
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
// temporary files. All wheels of a project are to be there, and either all that are not Listed are built,
// or none is. What cannot be written is warned of and left out; an error is the host's.
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
		entries, err := w.batch(ctx, s, dir, authority, batch, put)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if !have[e.Path] {
				have[e.Path] = true
				all = append(all, e)
			}
		}
	}
	return all, nil
}

// batch has every uv write its cache of some wheels.
func (w *Writer) batch(ctx context.Context, s *server, dir, authority string, wheels []Wheel, put image.Put) (all []image.Entry, err error) {
	sources := filepath.Join(dir, "sources")
	defer os.RemoveAll(sources)
	wheels, standIns, err := w.standIns(sources, wheels)
	if err != nil {
		return nil, err
	}
	t := &task{server: s, view: w.view, dir: filepath.Join(dir, "run"), authority: authority, standIns: standIns, warn: w.warn}
	t.needs = offer(ctx, s, wheels, standIns)
	for _, p := range w.programs {
		one := *t
		one.program = p
		entries, err := one.write(ctx, wheels, put)
		var form *errForm
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.As(err, &form):
			w.warn(fmt.Sprintf("%s is left out of the view %s: %v", p.name, w.view, err))
		case err != nil:
			return nil, err
		}
		all = append(all, entries...)
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
		if !x.Listed {
			size += x.Size
		}
	}
	if begin < len(wheels) {
		all = append(all, wheels[begin:])
	}
	return all
}

// offer gives wheels to the server, and in place of sources what stands in for them. It reads what the
// wheels need.
func offer(ctx context.Context, s *server, wheels []Wheel, standIns map[string]standIn) (needs map[string][]string) {
	pages := map[string][]indexFile{}
	needs = map[string][]string{}
	for _, x := range wheels {
		f := x.onPage()
		if !x.Listed {
			f.metadata, needs[x.Digest] = metadataOf(ctx, x)
			f.length, f.open = x.Size, func() (readSeekCloser, error) { return x.Open() }
			if x.Built != nil {
				i := standIns[x.Digest]
				f.length, f.open = i.size, i.open
			}
			f.hasMetadata = f.hasMetadata && f.metadata != nil
		}
		page := plain(strings.TrimRight(x.Index, "/") + "/" + x.Project + "/")
		if !slices.ContainsFunc(pages[page], func(g indexFile) bool { return g.url == f.url }) { // a source can have several wheels
			pages[page] = append(pages[page], f)
		}
	}
	s.offer(pages)
	return needs
}

// onPage is what the index says of a wheel, or of the source that it was built from.
func (x Wheel) onPage() indexFile {
	f := indexFile{project: x.Project, filename: x.Filename, url: x.address(), digest: x.Digest, requires: x.RequiresPython, size: x.Size, hasMetadata: x.Metadata}
	if x.Built != nil {
		f.filename, f.digest, f.size, f.hasMetadata = path.Base(plain(f.url)), x.Built.Digest, x.Built.Size, false
	}
	return f
}

// address is without a query, which may be a secret.
func (x Wheel) address() string {
	address, _, _ := strings.Cut(x.URL, "?")
	return address
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
