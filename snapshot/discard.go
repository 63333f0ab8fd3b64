package snapshot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"larder/snapshot/trash"
)

// Trash moves a path of the store into trash/, in constant time whatever is below it. The next
// build, run or gc removes it.
func (s *Store) Trash(path string) error {
	rel, err := filepath.Rel(s.dir, path)
	if err != nil || rel == "." || !filepath.IsLocal(rel) || !strings.Contains(rel, "/") {
		return fmt.Errorf("trash %q: not inside the store %q", path, s.dir)
	}
	for n := 0; ; n++ {
		to := s.join(trashName, strconv.FormatInt(time.Now().UnixNano(), 36)+"-"+strconv.Itoa(os.Getpid())+"-"+strconv.Itoa(n))
		err := unix.Renameat2(unix.AT_FDCWD, path, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EEXIST) || n > 100 {
			return &fs.PathError{Op: "trash", Path: path, Err: err}
		}
	}
}

// PutInstanceAway takes a container's instance out of its name, in constant time. It goes to the
// trash, unless mounted says that something may still need it: then to a name of no container,
// where every gc looks at it again. None is not an error.
func (s *Store) PutInstanceAway(container string, mounted func(dir string) (bool, error)) error {
	dir := s.InstanceDir(container)
	used, err := mounted(dir)
	if used || err != nil {
		to := dir + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
		err = unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	} else {
		err = s.Trash(dir)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("put instance away: %w", err)
	}
	return nil
}

// EmptyTrash removes what is in trash/. Any process may call it at any time.
func (s *Store) EmptyTrash() error {
	d, err := os.Open(s.join(trashName))
	if err != nil {
		return fmt.Errorf("empty trash: %w", err)
	}
	defer d.Close()
	if _, _, err := trash.Empty(d); err != nil {
		return fmt.Errorf("empty trash: %w", err)
	}
	return nil
}

// SetAside takes a snapshot out of sight, for gc, which holds the writer lock: nobody can look it
// up any more. Restore brings it back, Discard trashes it.
func (s *Store) SetAside(id ID) error {
	if err := os.Rename(s.SnapshotDir(id), s.aside(id)); err != nil {
		return fmt.Errorf("set snapshot aside: %w", err)
	}
	return syncDir(s.join(snapshotsName))
}

// Restore undoes SetAside.
func (s *Store) Restore(id ID) error {
	if err := unix.Renameat2(unix.AT_FDCWD, s.aside(id), unix.AT_FDCWD, s.SnapshotDir(id), unix.RENAME_NOREPLACE); err != nil {
		return fmt.Errorf("restore snapshot: %w", err)
	}
	return syncDir(s.join(snapshotsName))
}

// Discard trashes a snapshot that was set aside, for good: once it returns, no power cut brings
// it back, so its objects may go.
func (s *Store) Discard(id ID) error {
	if err := s.Trash(s.aside(id)); err != nil {
		return err
	}
	return syncDir(s.join(stagingName))
}

func (s *Store) aside(id ID) string { return s.join(stagingName, gonePrefix+id.String()) }
