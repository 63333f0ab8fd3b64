package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"larder/snapshot/failpoint"
	"larder/snapshot/trash"
)

// Private is a sealed environment that no build merged: a small image of its own, made at the first run of a
// lock over the objects of one snapshot. It goes with the snapshot, which holds all that it names.
type Private struct {
	Name   string    `json:"-"` // digest of what is in it; one that begins with a dot is nobody's any more, or not yet
	Dir    string    `json:"-"`
	Used   time.Time `json:"-"`
	Image  Digest    `json:"image"` // of its bytes
	Size   int64     `json:"size"`
	Target string    `json:"target"`
	Lock   string    `json:"lock"` // digest of the lock's pins

	// Unreadable is why its note could not be read.
	Unreadable error `json:"-"`
}

const (
	maxPrivateNote = 1 << 16
	// sealWait is how long somebody else may take to seal the same: 180,000 files took 1.2 s on a busy host.
	sealWait = 20 * time.Second
	// usedEvery is how exactly it is known when an image was last used, so that not every attach writes.
	usedEvery = time.Hour
)

// privateLimit bounds the private images of a snapshot, in bytes: containers may bring locks of their own, and
// each one is another image. A thousand images of 3,000 files each.
var privateLimit = int64(1 << 30)

// ImagePath is where the image is.
func (p Private) ImagePath() string { return filepath.Join(p.Dir, imageName) }

// FindPrivate finds a private image of a snapshot and notes that it is used; fs.ErrNotExist: there is none.
func (s *Store) FindPrivate(id ID, name Digest) (Private, error) {
	p := s.readPrivate(id, name.String())
	if p.Unreadable != nil {
		return p, p.Unreadable
	}
	if now := time.Now(); now.Sub(p.Used).Abs() > usedEvery {
		_ = os.Chtimes(filepath.Join(p.Dir, sealedName), now, now) // a store that is read-only by now is no reason not to use it
	}
	return p, nil
}

// readPrivate reads the note of a private image.
func (s *Store) readPrivate(id ID, name string) Private {
	p := Private{Name: name, Dir: filepath.Join(s.PrivateDir(id), name)}
	path := filepath.Join(p.Dir, sealedName)
	b, err := readSmall(path, maxPrivateNote)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err == nil {
		var fi fs.FileInfo
		if fi, err = os.Lstat(path); err == nil {
			p.Used = fi.ModTime()
		}
	}
	if err != nil {
		p.Unreadable = fmt.Errorf("private image %.12s of snapshot %s: %w", strings.TrimPrefix(name, "."), id.Short(), err)
	}
	return p
}

// Privates lists those of a snapshot, and what is left of others: names that begin with a dot.
func (s *Store) Privates(id ID) ([]Private, error) {
	entries, err := os.ReadDir(s.PrivateDir(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list private images: %w", err)
	}
	all := make([]Private, 0, len(entries))
	for _, e := range entries {
		p := s.readPrivate(id, e.Name())
		if p.Unreadable != nil && errors.Is(p.Unreadable, fs.ErrNotExist) && !strings.HasPrefix(p.Name, ".") {
			if _, err := os.Lstat(p.Dir); errors.Is(err, fs.ErrNotExist) {
				continue // it went while we were reading
			}
		}
		all = append(all, p)
	}
	return all, nil
}

// SealPrivate makes a private image durably, unless there is one: of several that come at once one makes it,
// and the others wait for that. Whoever calls it holds a lease on the snapshot.
func (s *Store) SealPrivate(id ID, name Digest, about Private, write func(*os.File) error) (Private, error) {
	dir := s.PrivateDir(id)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return Private{}, s.unsealed(err)
	}
	aside := filepath.Join(dir, tempPrefix+name.String())
	claim, err := s.claimPrivate(aside, filepath.Join(dir, name.String()))
	if err != nil {
		return Private{}, s.unsealed(err)
	}
	if claim == nil {
		return s.FindPrivate(id, name)
	}
	defer claim.Close() // with it goes the lock
	failpoint.Here("seal: claimed")
	if err = s.seal(id, aside, about, write); err == nil {
		err = unix.Renameat2(unix.AT_FDCWD, aside, unix.AT_FDCWD, filepath.Join(dir, name.String()), unix.RENAME_NOREPLACE)
		if err == nil {
			failpoint.Here("seal: in its place")
			return s.FindPrivate(id, name)
		}
	}
	if d, derr := os.Open(dir); derr == nil { // whatever it was, room is made at once
		_ = trash.Remove(d, filepath.Base(aside))
		d.Close()
	}
	return Private{}, s.unsealed(err)
}

func (s *Store) unsealed(err error) error {
	if errors.Is(err, ErrSpace) || errors.Is(err, ErrBusy) {
		return err
	}
	return s.unwritable("seal a private image", err)
}

// claimPrivate makes the directory in which an image is written, and locks it; nil: the image is there by now.
// One that a killed process left is emptied and gone on with.
func (s *Store) claimPrivate(aside, final string) (*os.File, error) {
	for end := time.Now().Add(sealWait); ; time.Sleep(2 * time.Millisecond) {
		if _, err := os.Lstat(final); err == nil {
			return nil, nil
		}
		if err := os.Mkdir(aside, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		f, err := os.OpenFile(aside, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has its name now, or was swept
		}
		if err != nil {
			return nil, err
		}
		switch err = lockFile(f); {
		case err == nil && sameFile(f, aside):
			if _, err := os.Lstat(final); err == nil { // between the look and the directory
				_ = removeFile(aside)
				f.Close()
				return nil, nil
			}
			for _, left := range []string{imageName, sealedName} {
				if err := removeFile(filepath.Join(aside, left)); err != nil && !errors.Is(err, fs.ErrNotExist) {
					f.Close()
					return nil, err
				}
			}
			return f, nil
		case err != nil && !errors.Is(err, unix.EWOULDBLOCK):
			f.Close()
			return nil, err
		}
		f.Close()
		if time.Now().After(end) {
			return nil, &problem{kind: ErrBusy, msg: fmt.Sprintf("another process has been sealing the same private image for %v", sealWait),
				hint: "try again; larder build --lock merges it into a snapshot"}
		}
	}
}

// sameFile says whether an open file is the one at a path.
func sameFile(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Lstat(path)
	return err == nil && os.SameFile(a, b)
}

// seal writes the image and its note into a directory, on disk before it gets its name.
func (s *Store) seal(id ID, aside string, p Private, write func(*os.File) error) error {
	all, err := s.Privates(id)
	if err != nil {
		return err
	}
	var had int64
	for _, other := range all {
		had += other.Size
	}
	if had >= privateLimit {
		return &problem{kind: ErrSpace, msg: fmt.Sprintf("seal a private image: those of snapshot %s take %s, and %s is the limit", id.Short(), size(had), size(privateLimit)),
			hint: "larder build --lock merges a lock into the snapshot; larder gc takes private images that nobody used for two weeks"}
	}
	path := filepath.Join(aside, imageName)
	sum, err := writeImage(path, write)
	if err != nil {
		return err
	}
	fi, err := os.Lstat(path)
	if err != nil {
		return err
	}
	p.Image, p.Size = Digest(sum), fi.Size()
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(aside, sealedName), append(b, '\n'), 0o444); err != nil {
		return err
	}
	failpoint.Here("seal: written")
	return syncDir(aside)
}

// RetirePrivate gives a private image a name under which nobody finds it. What has it mounted keeps it, and
// whoever removes the snapshot or the image still sees that.
func (s *Store) RetirePrivate(p Private) (Private, error) {
	dir := filepath.Dir(p.Dir)
	for n := 0; ; n++ {
		name := fmt.Sprintf("%s%s-%d", oldPrefix, p.Name, n)
		err := unix.Renameat2(unix.AT_FDCWD, p.Dir, unix.AT_FDCWD, filepath.Join(dir, name), unix.RENAME_NOREPLACE)
		if err == nil {
			p.Name, p.Dir = name, filepath.Join(dir, name)
			return p, syncDir(dir)
		}
		if !errors.Is(err, unix.EEXIST) || n > 1000 {
			return p, fmt.Errorf("retire private image %.12s: %w", p.Name, err)
		}
	}
}

// DropPrivate trashes what has no name any more, unless somebody is at work on it. That nothing has it mounted
// is for the caller to know, who holds the writer lock.
func (s *Store) DropPrivate(p Private) (done bool, err error) {
	f, err := os.OpenFile(p.Dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	if err := lockFile(f); errors.Is(err, unix.EWOULDBLOCK) || err == nil && !sameFile(f, p.Dir) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return true, s.Trash(p.Dir)
}

// Gone says that nobody finds the image by its name any more, or not yet.
func (p Private) Gone() bool { return strings.HasPrefix(p.Name, ".") }
