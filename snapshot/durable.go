package snapshot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"larder/snapshot/trash"
)

// writeFile writes a whole new file and syncs it. It does not sync the directory.
func writeFile(path string, b []byte, mode os.FileMode) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	if _, err := f.Write(b); err != nil {
		return err
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	return f.Sync()
}

// replaceFile puts b under its final name by one rename, durably: readers see the old file or
// the new one, whole, also after a power cut.
func replaceFile(path string, b []byte, mode os.FileMode) error {
	if err := replace(path, b, mode, (*os.File).Sync); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// WriteFile puts b under its final name by one rename: readers see the old file or the new one,
// whole. It is not durable: after a power cut the file may be either, or empty. A file that was
// being written by a process that was killed is swept away with the store's others.
func WriteFile(path string, b []byte, mode os.FileMode) error {
	return replace(path, b, mode, func(*os.File) error { return nil })
}

// WriteFileDurably is WriteFile, and the file is still the new one, whole, after a power cut.
func WriteFileDurably(path string, b []byte, mode os.FileMode) error {
	return replaceFile(path, b, mode)
}

// putFile gives a file of the store new content, durably, by one rename. It is written in staging/
// first: a kill leaves nothing beside its place. The caller holds the writer lock.
func (s *Store) putFile(path string, text []byte) error {
	staged := s.join(stagingName, filepath.Base(path))
	if err := removeFile(staged); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeFile(staged, text, 0o444); err != nil {
		return err
	}
	if err := s.replacePlain(staged, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// replacePlain gives a file of the store its final name, over what may be there. A directory is in a
// rename's way, and so is a file with the immutable attribute.
func (s *Store) replacePlain(from, to string) error {
	err := os.Rename(from, to)
	if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EEXIST) || errors.Is(err, unix.EPERM) {
		if err := removeFile(to); err != nil {
			return err
		}
		err = os.Rename(from, to)
	}
	return err
}

func replace(path string, b []byte, mode os.FileMode, sync func(*os.File) error) error {
	tmp, err := newTemp(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer tmp.Close() // last: with it goes the lock that keeps a sweep away
	_, err = tmp.Write(b)
	err = errors.Join(err, tmp.Chmod(mode), sync(tmp))
	if err == nil {
		if err = os.Rename(tmp.Name(), path); err == nil {
			return nil
		}
	}
	_ = removeFile(tmp.Name()) // never after the rename: the name would be somebody else's
	return err
}

// removeFile takes one file of the store away, through the one deleter.
func removeFile(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	return trash.Remove(d, filepath.Base(path))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync %q: %w", path, errno(err))
	}
	return nil
}

// errno strips the call and the path the os package puts around an error, for messages that
// name the path themselves.
func errno(err error) error {
	var e unix.Errno
	if errors.As(err, &e) {
		return e
	}
	return err
}

// spaceError turns "no space left" into a line that says how much is there, and leaves any other
// error as it is, wrapped once. need is 0 when nobody knows.
func spaceError(op, dir string, need int64, err error) error {
	if !isSpace(err) {
		return fmt.Errorf("%s: %w", op, err)
	}
	msg := op
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) == nil {
		free := int64(st.Bavail) * st.Bsize
		switch {
		case st.Files > 0 && st.Ffree == 0:
			msg += ": no inodes left, though " + size(free) + " are free"
		case need > 0:
			msg += ": need about " + size(need) + ", free " + size(free)
		default:
			msg += ": free " + size(free)
		}
	}
	return &problem{kind: ErrSpace, msg: msg, err: errno(err),
		hint: "larder gc frees what no snapshot needs; a smaller --top or --budget needs less; what was published is unchanged"}
}

func size(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	default:
		return fmt.Sprintf("%d KiB", n>>10)
	}
}
