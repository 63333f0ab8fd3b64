package keep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mount"
	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/snapshot/failpoint"
)

// Unmount lets go of a snapshot's mounts over the pool at objects. One that is
// not kept, or over another pool, is no error.
func (d Dir) Unmount(ctx context.Context, id, objects string) error {
	if !isID(id) {
		return fmt.Errorf("let go of snapshot %q: not an id", id)
	}
	return d.unmountThose(ctx, objects, func(kept string) bool { return kept == id })
}

// UnmountAll lets go of every snapshot that is kept over the pool at objects.
// The pool itself may be gone.
func (d Dir) UnmountAll(ctx context.Context, objects string) error {
	return d.unmountThose(ctx, objects, func(string) bool { return true })
}

func (d Dir) unmountThose(ctx context.Context, objects string, wanted func(id string) bool) error {
	unlock, err := d.lock(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	ids, err := d.List(objects)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		if wanted(id) {
			errs = append(errs, d.unmount(id))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	failpoint.Here("unmount: snapshots let go")
	// With the last one go the mounts they were on.
	if all, err := d.ids(); err != nil || len(all) > 0 {
		return err
	}
	return errors.Join(unmountAll(d.users()), unmountAll(d.snapshots()))
}

func (d Dir) unmount(id string) error {
	if err := d.unshare(id); err != nil {
		return err
	}
	dir := d.snapshot(id)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("let go of snapshot %.12s: %w", id, err)
	}
	// Trees before the image, so that a kill between them leaves no tree
	// that Mount would have to make again for a missing image.
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(b.Name(), a.Name()) })
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.Name() == "pool" || e.Name() == sourceName || e.Name() == stayName {
			if err := os.Remove(path); err != nil {
				return fmt.Errorf("let go of snapshot %.12s: %w", id, err)
			}
			continue
		}
		if !e.IsDir() {
			return fmt.Errorf("let go of snapshot %.12s: %s is not ours", id, path)
		}
		// Lazy on purpose: containers work on clones, which stay.
		if err := unmountAll(path); err != nil {
			return fmt.Errorf("let go of snapshot %.12s: %w", id, err)
		}
		failpoint.Here("unmount: unmounted")
		if err := unix.Rmdir(path); err != nil {
			return fmt.Errorf("let go of snapshot %.12s: remove %s: %w", id, path, err)
		}
	}
	if err := unix.Rmdir(dir); err != nil {
		return fmt.Errorf("let go of snapshot %.12s: remove %s: %w", id, dir, err)
	}
	return nil
}

// unmountAll unmounts whatever is stacked on a path. mount.Unmount answers nil
// for what was not mounted, so it is asked of the kernel when to stop.
func unmountAll(path string) error {
	for {
		dir, err := os.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		mounted, err := overlay.IsMountPoint(dir)
		dir.Close()
		if err != nil || !mounted {
			return err
		}
		if err := mount.Unmount(path); err != nil {
			return err
		}
	}
}
