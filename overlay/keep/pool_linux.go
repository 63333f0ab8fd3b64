package keep

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// poolID names a pool for good: another directory at the same path, even with
// the same inode number, was born at another time.
func poolID(objects string) (string, error) {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, objects, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_BTIME, &st); err != nil {
		return "", fmt.Errorf("stat pool: %w", &os.PathError{Op: "statx", Path: objects, Err: err})
	}
	return fmt.Sprintf("%d:%d:%d:%d.%d", st.Dev_major, st.Dev_minor, st.Ino, st.Btime.Sec, st.Btime.Nsec), nil
}

// record is what the link called pool says: which pool, and where it was. The
// path is for a store that is gone, whose mounts somebody has to let go of.
func record(id, objects string) string { return id + " " + filepath.Clean(objects) }

// recorded reads the record of a kept snapshot, "" and "" when it has none.
func (d Dir) recorded(id string) (pool, path string) {
	text, err := os.Readlink(filepath.Join(d.snapshot(id), "pool"))
	if err != nil {
		return "", ""
	}
	pool, path, _ = strings.Cut(text, " ")
	return pool, path
}

// owns says whether a kept snapshot is over the pool at objects, or over one
// that was there before. What was left half made names no pool: it is anybody's.
func (d Dir) owns(id, objects string) bool {
	had, path := d.recorded(id)
	if had == "" || path == filepath.Clean(objects) {
		return true
	}
	pool, err := poolID(objects)
	return err == nil && pool == had
}

// claim makes the snapshot's directory. Two stores can hold the same snapshot,
// and one of them may be gone: mounts over another pool than s's are let go.
func (d Dir) claim(s Snapshot) error {
	want, err := poolID(s.Objects)
	if err != nil {
		return fmt.Errorf("keep snapshot %.12s: %w", s.ID, err)
	}
	dir := d.snapshot(s.ID)
	if had, _ := d.recorded(s.ID); had == want {
		return nil
	}
	if err := d.unmount(s.ID); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("keep snapshot: %w", err)
	}
	if err := os.Symlink(record(want, s.Objects), filepath.Join(dir, "pool")); err != nil {
		return fmt.Errorf("keep snapshot: %w", err)
	}
	return nil
}

// keeps says whether what is kept under the snapshot's id is over its pool.
func (d Dir) keeps(s Snapshot) bool {
	if !isID(s.ID) {
		return false
	}
	had, _ := d.recorded(s.ID)
	id, err := poolID(s.Objects)
	return err == nil && id == had
}
