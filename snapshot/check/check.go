package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"larder/snapshot"
	"larder/snapshot/image"
)

// Options for a check.
type Options struct {
	Full bool // read every object
	// Progress is told the bytes read and to be read, from one goroutine at a time; may be nil.
	Progress func(done, total int64)
}

// Finding is one thing that is wrong.
type Finding struct {
	Kind   string        `json:"kind"`             // what is damaged: store, snapshot, image, manifest, object or lease
	Object string        `json:"object,omitempty"` // ab/cdef…
	IDs    []snapshot.ID `json:"snapshots"`
	Paths  []string      `json:"paths"` // in the snapshots, the first few
	More   int           `json:"more"`  // how many paths besides
	Detail string        `json:"detail"`
	Mend   string        `json:"mend,omitempty"` // the command that mends it
	// Harmless: nothing that is promised is missing or changed. Something lies in the store that
	// is not its own, or a snapshot is of another version of this program.
	Harmless bool `json:"harmless,omitempty"`
}

// String is the finding as one line.
func (f Finding) String() string {
	var b strings.Builder
	b.WriteString(f.Kind)
	if f.Object != "" {
		b.WriteString(" " + f.Object)
	}
	b.WriteString(": " + f.Detail)
	if f.Kind == kindObject && len(f.IDs) == 0 {
		b.WriteString("; no snapshot uses it")
	}
	for i, id := range f.IDs {
		if i == 0 && f.Kind == kindObject {
			b.WriteString("; used by")
		}
		b.WriteString(" " + id.Short())
	}
	for _, p := range f.Paths {
		b.WriteString(" " + p)
	}
	if f.More > 0 {
		fmt.Fprintf(&b, " and %d more", f.More)
	}
	if f.Mend != "" {
		b.WriteString("; mend: " + f.Mend)
	}
	return b.String()
}

const (
	kindStore    = "store"
	kindSnapshot = "snapshot"
	kindImage    = "image"
	kindManifest = "manifest"
	kindObject   = "object"
	kindLease    = "lease"
)

// Report is what was looked at and found.
type Report struct {
	Full      bool      `json:"full"`
	Snapshots int       `json:"snapshots"`
	Objects   int       `json:"objects"`
	Bytes     int64     `json:"bytes"` // of the objects
	Findings  []Finding `json:"findings"`
}

// Damaged says whether something that a store promises is not there, or not what it was.
func (r *Report) Damaged() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return !f.Harmless })
}

// checker is one check.
type checker struct {
	store  *snapshot.Store
	opts   Options
	owner  uint32
	report *Report
	sizes  map[snapshot.Object]int64 // of the objects that images name
	bad    map[snapshot.Object]string
	images map[snapshot.ID]bool // those that can be read

	current snapshot.ID // zero when there is none
}

// Run checks the snapshots, or with none given all of them, the pool and the store itself. Its
// error is about the check; damage is in the report.
func Run(ctx context.Context, s *snapshot.Store, ids []snapshot.ID, opts Options) (*Report, error) {
	c := &checker{store: s, opts: opts, owner: uint32(os.Geteuid()),
		report: &Report{Full: opts.Full, Findings: []Finding{}},
		sizes:  map[snapshot.Object]int64{}, bad: map[snapshot.Object]string{}, images: map[snapshot.ID]bool{}}
	c.current, _ = s.Current()
	whole := len(ids) == 0
	if whole {
		var err error
		if ids, err = c.checkStore(); err != nil {
			return nil, err
		}
	}
	for _, id := range ids {
		if err := c.checkSnapshot(ctx, id); err != nil {
			return nil, err
		}
	}
	if err := c.checkObjects(ctx, whole); err != nil {
		return nil, err
	}
	if err := c.name(ctx, ids); err != nil {
		return nil, err
	}
	return c.report, nil
}

// find adds a finding; mend is the command that mends it.
func (c *checker) find(kind string, id snapshot.ID, mend, format string, args ...any) *Finding {
	f := Finding{Kind: kind, IDs: []snapshot.ID{}, Paths: []string{}, Mend: mend, Detail: fmt.Sprintf(format, args...)}
	if !id.IsZero() {
		f.IDs = append(f.IDs, id)
	}
	c.report.Findings = append(c.report.Findings, f)
	return &c.report.Findings[len(c.report.Findings)-1]
}

// checkSnapshot checks one image, and notes which objects it names. gc takes a snapshot out of
// sight before it looks for the last time whether somebody uses it, and may put it back: what is
// wrong is looked at again.
func (c *checker) checkSnapshot(ctx context.Context, id snapshot.ID) error {
	before := len(c.report.Findings)
	var err error
	for try := range 3 {
		if try > 0 {
			time.Sleep(5 * time.Millisecond)
		}
		c.report.Findings = c.report.Findings[:before]
		err = c.checkImage(ctx, id)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, serr := os.Lstat(c.store.SnapshotDir(id)); errors.Is(serr, fs.ErrNotExist) {
			c.report.Findings = c.report.Findings[:before] // gc took it meanwhile
			return nil
		}
		if err == nil && len(c.report.Findings) == before {
			break
		}
	}
	c.report.Snapshots++
	if ofHost(err) {
		return fmt.Errorf("check snapshot %s: %w", id.Short(), err)
	}
	if err != nil {
		c.find(kindImage, id, c.remake(id), "%v", err)
		return nil
	}
	c.images[id] = true
	return nil
}

// remake is how to get a snapshot back that is damaged.
func (c *checker) remake(id snapshot.ID) string {
	if id == c.current {
		return "larder build"
	}
	return "larder gc --keep 1, once nothing uses it"
}

func (c *checker) checkImage(ctx context.Context, id snapshot.ID) error {
	if list, err := os.ReadDir(c.store.SnapshotDir(id)); err == nil {
		for _, e := range list {
			if n := e.Name(); !slices.ContainsFunc(c.store.SnapshotLayout(id), func(known snapshot.Entry) bool { return filepath.Base(known.Path) == n }) {
				c.harmless(kindSnapshot, id, filepath.Join(c.store.SnapshotDir(id), n), "holds %q, which does not belong there", n)
			}
		}
	}
	for _, e := range c.store.SnapshotLayout(id) {
		if err := c.checkEntry(kindSnapshot, id, e); err != nil && !absent(err) {
			return err
		}
	}
	if err := c.store.CheckPublished(id); err != nil {
		c.find(kindSnapshot, id, "mv "+shell(c.store.SnapshotDir(id))+" aside, then larder build", "%v", err)
	}
	sum, n, err := digest(ctx, c.store.ImagePath(id), nil)
	if err != nil {
		return err
	}
	if snapshot.ID(sum) != id {
		return fmt.Errorf("its %d bytes have digest %s", n, sum.Short())
	}
	img, err := image.OpenSnapshot(c.store, id)
	if err != nil {
		return err
	}
	defer img.Close()
	err = img.Walk("", func(e image.Entry) error {
		if !e.Mode.IsRegular() || e.Size == 0 {
			return ctx.Err()
		}
		if size, ok := c.sizes[e.Object]; ok && size != e.Size {
			c.find(kindImage, id, c.remake(id), "%s is %d bytes of object %s, elsewhere %d", e.Path, e.Size, e.Object, size)
		} else if !ok {
			c.sizes[e.Object] = e.Size
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	return c.checkManifest(img, id)
}

func (c *checker) checkManifest(img *image.Image, id snapshot.ID) error {
	f, err := img.Open(snapshot.ManifestPath)
	if err != nil {
		c.find(kindManifest, id, c.remake(id), "%v", err)
		return nil
	}
	defer f.Close()
	switch _, err := snapshot.ParseManifest(f); {
	case errors.Is(err, snapshot.ErrFormat):
		// Another version of this program made it: whole, and of no use to this one.
		f := c.find(kindManifest, id, c.remake(id), "%v", err)
		f.Harmless = true
	case err != nil:
		c.find(kindManifest, id, c.remake(id), "%v", err)
	}
	return nil
}

// name adds to each damaged object the snapshots and paths that use it.
func (c *checker) name(ctx context.Context, ids []snapshot.ID) error {
	if len(c.bad) == 0 {
		return nil
	}
	const few = 3
	found := map[snapshot.Object]*Finding{}
	for o, detail := range c.bad {
		found[o] = &Finding{Kind: kindObject, Object: o.Path(), IDs: []snapshot.ID{}, Paths: []string{}, Detail: detail, Mend: "larder gc"}
		if _, used := c.sizes[o]; used {
			found[o].Mend = "larder build, if its inputs are still the same"
		}
	}
	for _, id := range ids {
		if !c.images[id] {
			continue
		}
		img, err := image.OpenSnapshot(c.store, id)
		if err != nil {
			continue // collected meanwhile
		}
		err = img.Walk("", func(e image.Entry) error {
			f := found[e.Object]
			if f == nil || !e.Mode.IsRegular() || e.Size == 0 {
				return ctx.Err()
			}
			if !slices.Contains(f.IDs, id) {
				f.IDs = append(f.IDs, id)
			}
			if len(f.Paths) < few {
				f.Paths = append(f.Paths, e.Path)
			} else {
				f.More++
			}
			return nil
		})
		img.Close()
		if err != nil {
			return err
		}
	}
	for o, f := range found {
		_, used := c.sizes[o]
		if used && len(f.IDs) == 0 {
			continue // every snapshot that used it is gone by now
		}
		c.report.Findings = append(c.report.Findings, *f)
	}
	slices.SortStableFunc(c.report.Findings, func(a, b Finding) int {
		return strings.Compare(a.Kind+a.Object, b.Kind+b.Object)
	})
	return nil
}
