package gc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"larder/snapshot"
	"larder/snapshot/failpoint"
	"larder/snapshot/image"
	"larder/snapshot/trash"
)

// sweep removes the objects that no surviving snapshot names. There is no build in progress:
// gc has the writer lock, and a dead build's stage was cleared when it was taken.
func (r *run) sweep(ctx context.Context, survivors []snapshot.ID) error {
	live := map[snapshot.Object]struct{}{}
	for _, id := range survivors {
		if err := r.mark(ctx, id, live); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("snapshot %s cannot be read, so no object was removed: %w", id.Short(), err)
		}
	}
	failpoint.Here("gc: images read")
	for i := range 256 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.sweepDir(fmt.Sprintf("%02x", i), live); err != nil {
			return err
		}
	}
	return nil
}

// mark adds the objects of a snapshot. Its digest is checked first: a damaged image may read
// well and name other objects than the ones its containers have.
func (r *run) mark(ctx context.Context, id snapshot.ID, live map[snapshot.Object]struct{}) error {
	if err := r.store.CheckImage(id); err != nil {
		return err
	}
	img, err := image.OpenSnapshot(r.store, id)
	if err != nil {
		return err
	}
	defer img.Close()
	return img.Walk("", func(e image.Entry) error {
		if e.Mode.IsRegular() && e.Size > 0 {
			live[e.Object] = struct{}{}
		}
		return ctx.Err()
	})
}

func (r *run) sweepDir(name string, live map[snapshot.Object]struct{}) error {
	dir, err := r.store.OpenDir("objects/" + name)
	if errors.Is(err, fs.ErrNotExist) {
		r.warn("objects/%s is missing", name)
		return nil
	}
	if err != nil {
		return fmt.Errorf("sweep objects: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("sweep objects: %w", err)
	}
	for _, n := range names {
		o, err := snapshot.ParseObject(name + "/" + n)
		if err != nil {
			r.warn("objects/%s/%s is no object: left alone", name, n)
			continue
		}
		if _, ok := live[o]; ok {
			continue
		}
		fi, err := os.Lstat(filepath.Join(dir.Name(), n))
		if err != nil {
			continue
		}
		if !r.opts.DryRun {
			if err := trash.Remove(dir, n); err != nil && !errors.Is(err, fs.ErrNotExist) {
				r.warn("%v", err)
				continue
			}
			failpoint.Here("gc: object removed")
		}
		r.report.Objects++
		if fi.Mode().IsRegular() {
			r.report.Bytes += fi.Size()
		}
	}
	return nil
}
