package check

import (
	"cmp"
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
	Full   bool   // read every object,
	Subset Subset // of this part
	// Progress is told the bytes read and to be read, from one goroutine at a time; may be nil.
	Progress func(done, total int64)
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
		report: &Report{Full: opts.Full, Subset: opts.Subset.String(), Findings: []Finding{}},
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

// find adds a finding about a file or directory, and the snapshot it belongs to, if any; fix is the
// command that mends it.
func (c *checker) find(kind Kind, id snapshot.ID, path, fix, format string, args ...any) *Finding {
	f := Finding{Kind: kind, Path: c.rel(path), IDs: []snapshot.ID{}, Paths: []string{}, Fix: fix, Detail: fmt.Sprintf(format, args...)}
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
		c.find(KindImage, id, c.store.ImagePath(id), Repair, "%v", err)
		return nil
	}
	c.images[id] = true
	return nil
}

// Repair is the command that makes images and objects again.
const Repair = "larder repair"

func (c *checker) checkImage(ctx context.Context, id snapshot.ID) error {
	if list, err := os.ReadDir(c.store.SnapshotDir(id)); err == nil {
		for _, e := range list {
			if n := e.Name(); !c.known(id, n) {
				c.harmless(KindSnapshot, id, filepath.Join(c.store.SnapshotDir(id), n), "holds %q, which does not belong there", n)
			}
		}
	}
	for _, e := range c.store.SnapshotLayout(id) {
		if err := c.checkEntry(KindSnapshot, id, e); err != nil && !absent(err) {
			return err
		}
	}
	c.checkMark(id)
	if err := c.checkPrivate(ctx, id); err != nil {
		return err
	}
	if err := c.store.CheckPublished(id); err != nil {
		c.find(KindSnapshot, id, c.store.PublishedPath(id), Repair, "%v", err)
	}
	sum, ino, err := snapshot.SumFile(ctx, c.store.ImagePath(id), nil)
	if err != nil {
		return cause(err)
	}
	if snapshot.ID(sum) != id {
		return fmt.Errorf("its %d bytes have digest %s", ino.Size, sum.Short())
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
			c.find(KindImage, id, c.store.ImagePath(id), Repair, "%s is %d bytes of object %s, elsewhere %d", e.Path, e.Size, e.Object, size)
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
		c.find(KindManifest, id, c.store.ImagePath(id), Repair, "%v", err)
		return nil
	}
	defer f.Close()
	switch _, err := snapshot.ParseManifest(f); {
	case errors.Is(err, snapshot.ErrFormat):
		// Another version of this program made it: whole, and of no use to this one.
		f := c.find(KindManifest, id, c.store.ImagePath(id), c.replaceOld(id), "%v", err)
		f.Harmless = true
	case err != nil:
		c.find(KindManifest, id, c.store.ImagePath(id), Repair, "%v", err)
	}
	return nil
}

// replaceOld is how to be rid of a snapshot that another version of this program made.
func (c *checker) replaceOld(id snapshot.ID) string {
	if id == c.current {
		return "larder build"
	}
	return "larder gc --keep 1, once nothing uses it"
}

// name adds to each damaged object the snapshots and paths that use it.
func (c *checker) name(ctx context.Context, ids []snapshot.ID) error {
	if len(c.bad) == 0 {
		return nil
	}
	found := map[snapshot.Object]*Finding{}
	for o, detail := range c.bad {
		f := &Finding{Kind: KindObject, Path: c.rel(c.objectPath(o)), Object: o, IDs: []snapshot.ID{}, Paths: []string{}, Detail: detail, Fix: "larder gc"}
		if size, used := c.sizes[o]; used {
			f.Size, f.Fix = size, Repair
		}
		found[o] = f
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
			if f := found[e.Object]; f != nil && e.Mode.IsRegular() && e.Size > 0 {
				f.use(Use{id, e.Path})
			}
			return ctx.Err()
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
		return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Path, b.Path))
	})
	return nil
}
