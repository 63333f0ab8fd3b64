package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	continuity "github.com/containerd/continuity/fs"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"larder/snapshot"
	"larder/snapshot/gc"
)

// storeUsage is what a store takes of its disk, in bytes of its blocks.
type storeUsage struct {
	Snapshots int   `json:"snapshots"`
	Objects   int   `json:"objects"`
	Pool      int64 `json:"object_bytes"`
	Images    int64 `json:"image_bytes"`
	Private   int64 `json:"private_bytes"` // of private images, with what is left of some
	Instances int64 `json:"instance_bytes"`
	Trash     int64 `json:"trash_bytes"`
	Other     int64 `json:"other_bytes"` // pages, rankings, misses, leases, a build under way
	Total     int64 `json:"total_bytes"`
	// FreedByGC is what larder gc would free now: the trash, what no snapshot needs, and what only
	// those need that its rules let go. nil where a snapshot cannot be read: then it sweeps nothing.
	FreedByGC *int64 `json:"freed_by_gc"`
	Free      int64  `json:"free_bytes"` // on its file system, for root
}

func storeUsageOf(c *cli.Context) (*storeUsage, error) {
	s, err := openStore(c)
	if err != nil {
		return nil, err
	}
	all, err := s.List()
	if err != nil {
		return nil, err
	}
	goes, unknown := removable(c, s)
	if unknown != nil {
		warnf("what larder gc would free nobody knows: %v", unknown)
	}
	u := &storeUsage{Snapshots: len(all)}
	if err := u.directories(c.Context, s); err != nil {
		return nil, err
	}
	stays := slices.DeleteFunc(idsOf(all), func(id snapshot.ID) bool { return slices.Contains(goes, id) })
	needs := compareSnapshots(s, stays, func(snapshot.ID, error) {}) // du has told
	freed, err := u.pool(s, needs.Needed)
	if err != nil {
		return nil, err
	}
	private, err := gc.RemovablePrivate(s, stays)
	if err != nil {
		return nil, err
	}
	for _, p := range private {
		freed += blocks(p.ImagePath())
	}
	for _, p := range all {
		images, err := s.Privates(p.ID)
		if err != nil {
			return nil, err
		}
		for _, image := range images {
			n := blocks(image.ImagePath())
			u.Images, u.Private = u.Images-n, u.Private+n
			if slices.Contains(goes, p.ID) {
				freed += n
			}
		}
	}
	for _, id := range goes {
		freed += blocks(s.ImagePath(id))
	}
	if freed += u.Trash; unknown == nil && !slices.Contains(needs.Each, nil) {
		u.FreedByGC = &freed
	}
	u.Total = u.Pool + u.Images + u.Private + u.Instances + u.Trash + u.Other
	var st unix.Statfs_t
	if err := unix.Statfs(s.Dir(), &st); err != nil {
		return nil, &fs.PathError{Op: "statfs", Path: s.Dir(), Err: err}
	}
	u.Free = int64(st.Bfree) * st.Frsize
	return u, nil
}

// removable are the snapshots that larder gc would remove by the configuration in force.
func removable(c *cli.Context, s *snapshot.Store) ([]snapshot.ID, error) {
	opts, _, err := gcOptions(c)
	if err != nil {
		return nil, err
	}
	return gc.Removable(s, opts)
}

// directories counts all but the pool. What goes while it is counted is not there.
func (u *storeUsage) directories(ctx context.Context, s *snapshot.Store) error {
	entries, err := os.ReadDir(s.Dir())
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(s.Dir(), e.Name())
		if path == s.ObjectsDir() {
			continue
		}
		usage, err := continuity.DiskUsage(ctx, path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("count %s: %w", path, err)
		}
		switch path {
		case filepath.Dir(filepath.Dir(s.ImagePath(snapshot.ID{}))):
			u.Images += usage.Size
		case s.InstancesDir():
			u.Instances += usage.Size
		case s.TrashDir():
			u.Trash += usage.Size
		default:
			u.Other += usage.Size
		}
	}
	return nil
}

// pool counts the objects, and what those take that nothing needs.
func (u *storeUsage) pool(s *snapshot.Store, needed func(snapshot.Object) bool) (unneeded int64, err error) {
	for i := range 256 {
		prefix := fmt.Sprintf("%02x", i)
		names, err := os.ReadDir(filepath.Join(s.ObjectsDir(), prefix))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, fmt.Errorf("count objects: %w", err)
		}
		for _, e := range names {
			st, err := lstat(filepath.Join(s.ObjectsDir(), prefix, e.Name()))
			if err != nil {
				continue // swept meanwhile
			}
			u.Pool += st.Blocks * 512
			o, err := snapshot.ParseObject(prefix + "/" + e.Name())
			if err != nil {
				continue
			}
			u.Objects++
			if !needed(o) {
				unneeded += st.Blocks * 512
			}
		}
	}
	return unneeded, nil
}

// blocks are those of a file, in bytes; 0 of none.
func blocks(path string) int64 {
	st, err := lstat(path)
	if err != nil {
		return 0
	}
	return st.Blocks * 512
}

func lstat(path string) (st unix.Stat_t, err error) {
	err = unix.Lstat(path, &st)
	return st, err
}

func (u *storeUsage) print(w io.Writer) error {
	freed := "nobody knows what larder gc would free"
	if u.FreedByGC != nil {
		freed = "larder gc would free " + sizeText(*u.FreedByGC)
	}
	_, err := fmt.Fprintf(w, "store: %s on disk: %d objects %s, %d images %s, private images %s, instances %s, trash %s, other %s\n%s; %s of the disk are free\n",
		sizeText(u.Total), u.Objects, sizeText(u.Pool), u.Snapshots, sizeText(u.Images), sizeText(u.Private), sizeText(u.Instances), sizeText(u.Trash), sizeText(u.Other),
		freed, sizeText(u.Free))
	return err
}
