package snapshot

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// MendLayout makes the directories that every store has and that are missing, and gives those that
// are there, and the files of its snapshots, the owner and mode they must have. It returns a line
// for each. It needs no lock: what it makes is empty, and without it nobody gets the lock. A thing
// of another type stays: what it is in the way of, nobody knows.
func (s *Store) MendLayout() (mended []string, err error) {
	all := s.Layout()
	ids, err := s.List()
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
		return nil, err
	}
	for _, p := range ids {
		all = append(all, s.SnapshotLayout(p.ID)...)
	}
	for _, e := range all {
		done, err := s.mendEntry(e)
		if err != nil {
			return mended, s.unwritable("mend "+e.Path, err)
		}
		mended = append(mended, done...)
	}
	return mended, nil
}

func (s *Store) mendEntry(e Entry) (mended []string, err error) {
	name, err := filepath.Rel(s.dir, e.Path)
	if err != nil {
		return nil, err
	}
	fi, err := os.Lstat(e.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && e.Mode.IsDir():
		if err := mkdir(e.Path, e.Mode.Perm()); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		return []string{name + " was missing: made"}, syncDir(filepath.Dir(e.Path))
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return nil, nil // said, or made again, by who knows what was in it
	case err != nil:
		return nil, err
	case fi.Mode().Type() != e.Mode.Type():
		return nil, nil
	}
	f, err := os.OpenFile(e.Path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return mendFile(f, name, e.Mode.Perm())
}

// mendFile gives an open file or directory of the store its owner and mode.
func mendFile(f *os.File, name string, mode fs.FileMode) (mended []string, err error) {
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if uid := fi.Sys().(*syscall.Stat_t).Uid; uid != uint32(os.Geteuid()) {
		if err := f.Chown(os.Geteuid(), os.Getegid()); err != nil {
			return nil, err
		}
		mended = append(mended, fmt.Sprintf("%s was owned by user %d: given back", name, uid))
	}
	const bits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
	if got := fi.Mode() & bits; got != mode {
		if err := f.Chmod(mode); err != nil {
			return mended, err
		}
		mended = append(mended, fmt.Sprintf("%s had mode %v: set to %v", name, got, mode))
	}
	return mended, nil
}

// MendObject gives an object whose bytes are right the owner and mode it must have. ok is false when
// it is missing, no plain file, or holds other bytes. The caller holds the writer lock.
func (s *Store) MendObject(o Object) (ok bool, err error) {
	f, err := os.OpenFile(s.join(objectsName, o.Path()), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if isDamage(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		return false, err
	}
	h := sha256.New()
	switch _, err := io.Copy(h, f); {
	case isDamage(err):
		return false, nil
	case err != nil:
		return false, err
	}
	if Digest(h.Sum(nil)) != o.Digest {
		return false, nil
	}
	_, err = mendFile(f, o.Path(), fs.FileMode(o.Mode()))
	if errors.Is(err, unix.EPERM) {
		return false, nil // it is immutable: another file takes its place
	}
	return err == nil, err
}

// MendCurrent makes current name the newest good snapshot, where it names none that there is. The
// caller holds the writer lock.
func (s *Store) MendCurrent() (id ID, mended bool, err error) {
	_, err = s.Current()
	if err == nil || errors.Is(err, ErrHost) {
		return id, false, err
	}
	all, err := s.List()
	if err != nil {
		return id, false, err
	}
	good := slices.IndexFunc(all, func(p Published) bool { return p.Bad == nil && p.Unreadable == nil })
	if good < 0 {
		return id, false, nil
	}
	if fi, err := os.Lstat(s.CurrentPath()); err == nil && fi.Mode().Type() != fs.ModeSymlink {
		return id, false, nil // a file or directory: not ours to remove
	}
	return all[good].ID, true, s.setCurrent(all[good].ID)
}

// Settle gives the staged objects that are wanted their final names, durably, over what is there;
// it is a publish of objects alone. Whoever has a damaged file open keeps that one. What else was
// staged goes with the stage.
func (st *Stage) Settle(wanted func(Object) bool) error {
	if err := st.keepWaiting(); err != nil {
		return err
	}
	st.mu.Lock()
	for o := range st.staged {
		if !wanted(o) {
			delete(st.staged, o)
		}
	}
	settled := make([]Object, 0, len(st.staged))
	for o := range st.staged {
		settled = append(settled, o)
	}
	st.mu.Unlock()
	p := &publication{Stage: st, dirs: map[string]bool{}}
	for _, step := range []func(*publication) error{(*publication).syncStaged, (*publication).renameObjects, (*publication).syncObjects} {
		if err := step(p); err != nil {
			return spaceError("put objects in their place", st.store.dir, 0, err)
		}
	}
	st.mu.Lock()
	for _, o := range settled {
		delete(st.seen, o)
	}
	st.mu.Unlock()
	return nil
}

// IsImage says whether what is written is the image of a snapshot: whether it has that id.
func (st *Stage) IsImage(id ID, write func(w *os.File) error) (bool, error) {
	path := filepath.Join(st.dir, imageName)
	made, err := writeImage(path, write)
	return made == id, errors.Join(err, removeFile(path))
}

// MendImage puts a snapshot's image in the place of the damaged one, by one rename. What has that
// one mounted keeps it.
func (st *Stage) MendImage(id ID, write func(w *os.File) error) (same bool, err error) {
	path := filepath.Join(st.dir, imageName)
	made, err := writeImage(path, write)
	if err != nil || made != id {
		_ = removeFile(path)
		return false, err
	}
	if err := st.store.replacePlain(path, st.store.ImagePath(id)); err != nil {
		return false, spaceError("put the image in its place", st.store.dir, 0, err)
	}
	return true, syncDir(st.store.SnapshotDir(id))
}

// MendPublished makes published.json of a snapshot again, when it cannot be read: the time is the
// image's, and the number the free one of that time. mended is false where there is none. The
// caller holds the writer lock.
func (s *Store) MendPublished(id ID) (mended bool, err error) {
	if s.CheckPublished(id) == nil {
		return false, nil
	}
	fi, err := os.Lstat(s.ImagePath(id))
	if err != nil {
		return false, nil // the image is the larger damage
	}
	all, err := s.List()
	if err != nil {
		return false, err
	}
	p := published{Sequence: 1, Time: fi.ModTime().UTC().Truncate(time.Second)}
	for _, other := range all { // newest first
		if other.Unreadable != nil {
			continue
		}
		if p.Interpreters == nil {
			p.Interpreters = other.Interpreters
		}
		if !other.Time.After(p.Time) {
			p.Sequence = max(p.Sequence, other.Sequence+1)
		}
	}
	if slices.ContainsFunc(all, func(other Published) bool { return other.Sequence == p.Sequence && other.Unreadable == nil }) {
		return false, nil
	}
	b, err := json.Marshal(p)
	if err != nil {
		return false, err
	}
	return true, s.putFile(s.PublishedPath(id), append(b, '\n'))
}
