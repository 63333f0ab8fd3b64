package keep

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// fileID names a file or directory for good: another one at the same path, even with
// the same inode number, was born at another time.
func fileID(path string) (string, error) {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_BTIME, &st); err != nil {
		return "", fmt.Errorf("stat what is kept: %w", &os.PathError{Op: "statx", Path: path, Err: err})
	}
	return fmt.Sprintf("%d:%d:%d:%d.%d", st.Dev_major, st.Dev_minor, st.Ino, st.Btime.Sec, st.Btime.Nsec), nil
}

// sourceName is a link that names the file of the image which is mounted.
const sourceName = "source"

// fromImage says whether the mounted image is the snapshot's: a build that finds
// the image damaged puts a good file in its place, and what was mounted stays bad.
func (d Dir) fromImage(s Snapshot) bool {
	had, err := os.Readlink(filepath.Join(d.snapshot(s.ID), sourceName))
	if err != nil {
		return false
	}
	id, err := fileID(s.Image)
	return err == nil && id == had
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
	pool, err := fileID(objects)
	return err == nil && pool == had
}

// claim makes the snapshot's directory. Two stores can hold the same snapshot,
// and one of them may be gone: mounts over another pool than s's, or of another
// image, are let go.
func (d Dir) claim(s Snapshot) error {
	want, err := fileID(s.Objects)
	if err != nil {
		return fmt.Errorf("keep snapshot %.12s: %w", s.ID, err)
	}
	dir := d.snapshot(s.ID)
	if had, _ := d.recorded(s.ID); had == want && d.fromImage(s) {
		return nil
	}
	image, err := fileID(s.Image)
	if err != nil {
		return fmt.Errorf("keep snapshot %.12s: %w", s.ID, err)
	}
	if err := d.unmount(s.ID); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("keep snapshot: %w", err)
	}
	for name, text := range map[string]string{"pool": record(want, s.Objects), sourceName: image} {
		if err := os.Symlink(text, filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("keep snapshot: %w", err)
		}
	}
	return nil
}

// keeps says whether what is kept under the snapshot's id is its image, over its pool.
func (d Dir) keeps(s Snapshot) bool {
	if !isID(s.ID) {
		return false
	}
	had, _ := d.recorded(s.ID)
	id, err := fileID(s.Objects)
	return err == nil && id == had && d.fromImage(s)
}
