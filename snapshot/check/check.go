package check

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
	Kind   string        `json:"kind"`             // what is damaged: store, snapshot, image, manifest or object
	Object string        `json:"object,omitempty"` // ab/cdef…
	IDs    []snapshot.ID `json:"snapshots"`
	Paths  []string      `json:"paths"` // in the snapshots, the first few
	More   int           `json:"more"`  // how many paths besides
	Detail string        `json:"detail"`
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
	return b.String()
}

const (
	kindStore    = "store"
	kindSnapshot = "snapshot"
	kindImage    = "image"
	kindManifest = "manifest"
	kindObject   = "object"
)

// Report is what was looked at and found.
type Report struct {
	Full      bool      `json:"full"`
	Snapshots int       `json:"snapshots"`
	Objects   int       `json:"objects"`
	Bytes     int64     `json:"bytes"` // of the objects
	Findings  []Finding `json:"findings"`
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
}

// Run checks the snapshots, or with none given all of them, the pool and the store itself. Its
// error is about the check; damage is in the report.
func Run(ctx context.Context, s *snapshot.Store, ids []snapshot.ID, opts Options) (*Report, error) {
	c := &checker{store: s, opts: opts, owner: uint32(os.Geteuid()),
		report: &Report{Full: opts.Full, Findings: []Finding{}},
		sizes:  map[snapshot.Object]int64{}, bad: map[snapshot.Object]string{}, images: map[snapshot.ID]bool{}}
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

func (c *checker) find(kind string, id snapshot.ID, format string, args ...any) {
	f := Finding{Kind: kind, IDs: []snapshot.ID{}, Paths: []string{}, Detail: fmt.Sprintf(format, args...)}
	if !id.IsZero() {
		f.IDs = append(f.IDs, id)
	}
	c.report.Findings = append(c.report.Findings, f)
}

// checkStore looks at what is not inside a snapshot, and returns the snapshots.
func (c *checker) checkStore() ([]snapshot.ID, error) {
	all, err := c.store.List()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", snapshot.ErrDamaged, err)
	}
	var ids []snapshot.ID
	for _, p := range all {
		ids = append(ids, p.ID)
	}
	if _, err := c.store.Current(); err != nil && (!errors.Is(err, snapshot.ErrNoSnapshot) || len(all) > 0) {
		c.find(kindStore, snapshot.ID{}, "%v", err)
	}
	entries, err := os.ReadDir(filepath.Dir(c.store.SnapshotDir(snapshot.ID{})))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", snapshot.ErrDamaged, err)
	}
	for _, e := range entries {
		if _, err := snapshot.ParseDigest(e.Name()); err != nil || !e.IsDir() {
			c.find(kindStore, snapshot.ID{}, "snapshots/%s is no snapshot", e.Name())
		}
	}
	if _, err := c.store.Leases(); err != nil {
		c.find(kindStore, snapshot.ID{}, "%v", err)
	}
	return ids, nil
}

// checkSnapshot checks one image, and notes which objects it names.
func (c *checker) checkSnapshot(ctx context.Context, id snapshot.ID) error {
	c.report.Snapshots++
	before := len(c.report.Findings)
	err := c.checkImage(ctx, id)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	if _, serr := os.Lstat(c.store.SnapshotDir(id)); errors.Is(serr, os.ErrNotExist) {
		c.report.Findings = c.report.Findings[:before] // gc took it meanwhile
		c.report.Snapshots--
		return nil
	}
	if err != nil {
		c.find(kindImage, id, "%v", err)
		return nil
	}
	c.images[id] = true
	return nil
}

func (c *checker) checkImage(ctx context.Context, id snapshot.ID) error {
	if list, err := os.ReadDir(c.store.SnapshotDir(id)); err == nil {
		for _, e := range list {
			if n := e.Name(); n != "image.erofs" && n != "published.json" {
				c.find(kindSnapshot, id, "holds %q, which does not belong there", n)
			}
		}
	}
	if err := c.store.CheckPublished(id); err != nil {
		c.find(kindSnapshot, id, "%v", err)
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
			c.find(kindImage, id, "%s is %d bytes of object %s, elsewhere %d", e.Path, e.Size, e.Object, size)
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
		c.find(kindManifest, id, "%v", err)
		return nil
	}
	defer f.Close()
	if _, err := snapshot.ParseManifest(f); err != nil {
		c.find(kindManifest, id, "%v", err)
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
		found[o] = &Finding{Kind: kindObject, Object: o.Path(), IDs: []snapshot.ID{}, Paths: []string{}, Detail: detail}
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
