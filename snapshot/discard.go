package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"larder/snapshot/trash"
)

// Trash moves a path of the store into trash/, in constant time whatever is below it. Clear, the
// next build or gc removes it.
func (s *Store) Trash(path string) error {
	_, err := s.Park(path)
	return err
}

// Destroy trashes a path of the store and removes it, and leaves alone what others have in the
// trash: a run does not pay for a container's million files.
func (s *Store) Destroy(path string) error {
	name, err := s.Park(path)
	if err != nil {
		return err
	}
	return s.Clear(context.Background(), name)
}

// Clear removes an entry of trash/ as long as ctx lasts. One that somebody else removed is no error.
func (s *Store) Clear(ctx context.Context, name string) error {
	d, err := s.OpenDir(trashName)
	if err != nil {
		return fmt.Errorf("remove from trash: %w", err)
	}
	defer d.Close()
	if err := trash.RemoveWithin(ctx, d, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove from trash: %w", err)
	}
	return nil
}

// maxStale entries of trash/ are looked at by Stale, however many there are.
const maxStale = 1000

// Stale lists entries of trash/ that nobody has touched for a time, by their change times: those that
// somebody is removing are not among them.
func (s *Store) Stale(untouched time.Duration) (names []string, err error) {
	d, err := s.OpenDir(trashName)
	if err != nil {
		return nil, fmt.Errorf("look through trash: %w", err)
	}
	defer d.Close()
	all, err := d.Readdirnames(maxStale)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("look through trash: %w", err)
	}
	before := time.Now().Add(-untouched)
	for _, name := range all {
		var st unix.Stat_t
		if unix.Fstatat(int(d.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && time.Unix(st.Ctim.Unix()).Before(before) {
			names = append(names, name)
		}
	}
	return names, nil
}

// Park is Trash, and tells the name that the path has in trash/.
func (s *Store) Park(path string) (name string, err error) {
	rel, err := filepath.Rel(s.dir, path)
	if err != nil || rel == "." || !filepath.IsLocal(rel) || !strings.Contains(rel, "/") {
		return "", fmt.Errorf("trash %q: not inside the store %q", path, s.dir)
	}
	for n := 0; ; n++ {
		name := strconv.FormatInt(time.Now().UnixNano(), 36) + "-" + strconv.Itoa(os.Getpid()) + "-" + strconv.Itoa(n)
		err := s.move(path, s.join(trashName, name))
		if err == nil {
			return name, nil
		}
		if !errors.Is(err, unix.EEXIST) || n > 100 {
			return "", &fs.PathError{Op: "trash", Path: path, Err: err}
		}
	}
}

// PutInstanceAway takes a holder's instance out of its name: with discard (Trash, in constant
// time, or Destroy), unless mounted says that something may still need it. Then it gets a name of
// no container, where every gc looks at it again, and kept says why. None is not an error.
func (s *Store) PutInstanceAway(holder string, mounted func(dir string) (bool, error), discard func(path string) error) (kept string, err error) {
	dir := s.InstanceDir(holder)
	used, err := mounted(dir)
	switch {
	case err != nil:
		kept = fmt.Sprintf("whether a mount needs its instance cannot be told (%v)", err)
	case used:
		kept = "a process it left behind still uses its instance"
	}
	if kept != "" {
		err = s.move(dir, dir+"-"+strconv.FormatInt(time.Now().UnixNano(), 36))
	} else {
		err = discard(dir)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("put instance away: %w", err)
	}
	return kept, nil
}

// EmptyTrash removes what is in trash/, as long as ctx lasts. Any process may call it at any time.
func (s *Store) EmptyTrash(ctx context.Context) error {
	d, err := s.OpenDir(trashName)
	if err != nil {
		return fmt.Errorf("empty trash: %w", err)
	}
	defer d.Close()
	if _, _, err := trash.Empty(ctx, d); err != nil {
		return fmt.Errorf("empty trash: %w", err)
	}
	return nil
}

// SetAside takes a snapshot out of sight, for gc, which holds the writer lock: nobody can look it
// up any more. It is one rename, since others may wait for its end. Restore brings the snapshot
// back, Discard trashes it; a gc that died before either is ended by the next Lock.
func (s *Store) SetAside(id ID) error {
	if err := s.move(s.SnapshotDir(id), s.aside(id)); err != nil {
		return fmt.Errorf("set snapshot aside: %w", err)
	}
	return nil
}

// Restore undoes SetAside.
func (s *Store) Restore(id ID) error {
	if err := s.move(s.aside(id), s.SnapshotDir(id)); err != nil {
		return fmt.Errorf("restore snapshot: %w", err)
	}
	return syncDir(s.join(snapshotsName))
}

// Discard trashes a snapshot that was set aside, for good: once it returns, no power cut brings
// it back, so its objects may go.
func (s *Store) Discard(id ID) error {
	if err := syncDir(s.join(snapshotsName)); err != nil {
		return err
	}
	if err := s.Trash(s.aside(id)); err != nil {
		return err
	}
	return syncDir(s.join(stagingName))
}

func (s *Store) aside(id ID) string { return s.join(stagingName, gonePrefix+id.String()) }

// move renames a path of the store to another where nothing is.
func (s *Store) move(from, to string) error {
	root, err := s.open()
	if err != nil {
		return err
	}
	defer root.Close()
	at := int(root.Fd())
	return unix.Renameat2(at, strings.TrimPrefix(from, s.dir+"/"), at, strings.TrimPrefix(to, s.dir+"/"), unix.RENAME_NOREPLACE)
}

// OpenDir opens a directory of the store, by its path in it, to read or to delete there. No link
// and no mount is followed on the way.
func (s *Store) OpenDir(name string) (*os.File, error) {
	root, err := s.open()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	fd, err := unix.Openat2(int(root.Fd()), name, &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: s.join(name), Err: err}
	}
	return os.NewFile(uintptr(fd), s.join(name)), nil
}

// open opens the directory that Open checked, for one operation that deletes or takes out of
// sight: whatever the path means by then, it is done there or not at all. It is not kept open,
// since that would keep the store's disk busy for as long as a command of larder run lasts.
func (s *Store) open() (*os.File, error) {
	root, err := os.OpenFile(s.dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open store %q: %w", s.dir, errno(err))
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(root.Fd()), &st); err != nil || st.Dev != s.dev || st.Ino != s.ino {
		root.Close()
		return nil, &problem{kind: ErrStore, msg: fmt.Sprintf("store %q is another directory than it was a moment ago", s.dir), err: err,
			hint: "was its disk unmounted, or the directory exchanged?"}
	}
	return root, nil
}
