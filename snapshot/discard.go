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
// build or gc removes it.
func (s *Store) Trash(path string) error {
	_, err := s.trash(path)
	return err
}

// Destroy trashes a path of the store and removes it, and leaves alone what others have in the
// trash: a run does not pay for a container's million files.
func (s *Store) Destroy(path string) error {
	name, err := s.trash(path)
	if err != nil {
		return err
	}
	d, err := os.Open(s.join(trashName))
	if err != nil {
		return fmt.Errorf("remove from trash: %w", err)
	}
	defer d.Close()
	if err := trash.Remove(d, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove from trash: %w", err)
	}
	return nil
}

// trash returns the path's name in trash/.
func (s *Store) trash(path string) (name string, err error) {
	rel, err := filepath.Rel(s.dir, path)
	if err != nil || rel == "." || !filepath.IsLocal(rel) || !strings.Contains(rel, "/") {
		return "", fmt.Errorf("trash %q: not inside the store %q", path, s.dir)
	}
	for n := 0; ; n++ {
		name := strconv.FormatInt(time.Now().UnixNano(), 36) + "-" + strconv.Itoa(os.Getpid()) + "-" + strconv.Itoa(n)
		err := unix.Renameat2(unix.AT_FDCWD, path, unix.AT_FDCWD, s.join(trashName, name), unix.RENAME_NOREPLACE)
		if err == nil {
			return name, nil
		}
		if !errors.Is(err, unix.EEXIST) || n > 100 {
			return "", &fs.PathError{Op: "trash", Path: path, Err: err}
		}
	}
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
