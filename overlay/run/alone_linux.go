package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"larder/overlay"
)

// place is a directory in the user's files that something is mounted on for as long as the command runs. Every
// run that has it holds a shared lock on it: to remove it would unmount what another one has there.
type place struct {
	parent *os.File // O_PATH; nil: it was there before
	name   string
	lock   *os.File
}

// alonePoint is the mount point of an environment that hides what is there. Where nothing is, it is made, and
// removed after the run.
func (n namespace) alonePoint(dir string) (*overlay.Point, error) {
	for range 3 { // another run may be removing it
		p, err := openPoint(dir, n.User, false, n.Locks.Flag)
		made := errors.Is(err, fs.ErrNotExist) && isDir(filepath.Dir(dir))
		if made {
			p, err = openPoint(dir, n.User, true, n.Locks.Flag)
		}
		if made && errors.Is(err, fs.ErrPermission) {
			err = &overlay.Problem{Kind: overlay.ErrRefused, Text: fmt.Sprintf("mount point %s is not there, and user %d may not make it: permission denied", dir, n.User.Owner.UID),
				Advice: "make it for that user, or name another directory with " + n.Locks.Flag}
		}
		if err != nil {
			return nil, err
		}
		p.Below.Close()
		p.Below = nil
		if made {
			p.Mode = 0o755
		}
		switch there, err := n.take(p, made); {
		case err != nil:
			p.Close()
			return nil, err
		case there:
			return p, nil
		}
		p.Close()
	}
	return nil, fmt.Errorf("mount point %s is made and removed by others all the time", dir)
}

// besidePoint is one at a path below a directory, in which no link is followed; nil: the directory that it goes
// into is not there.
func (n namespace) besidePoint(dir, path string) (*overlay.Point, error) {
	base, err := walk(dir, n.User, false, n.Locks.Flag)
	if err != nil {
		return nil, err
	}
	defer base.Close()
	in, err := overlay.Beside(base, filepath.Dir(path), filepath.Join(dir, filepath.Dir(path)))
	if in == nil {
		return nil, err
	}
	defer in.Close()
	var st unix.Stat_t
	name := filepath.Base(path)
	if err := unix.Fstatat(int(in.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return nil, overlay.ThroughLink(filepath.Join(dir, path))
	}
	real, err := os.Readlink("/proc/thread-self/fd/" + strconv.Itoa(int(in.Fd())))
	if err != nil {
		return nil, fmt.Errorf("name mount point: %w", err)
	}
	p, err := n.alonePoint(filepath.Join(real, name))
	if err == nil && p.Path != filepath.Join(real, name) { // exchanged meanwhile
		p.Abandon()
		return nil, overlay.ThroughLink(filepath.Join(dir, path))
	}
	return p, err
}

// take locks a point's directory, and says whether it is still there.
func (n namespace) take(p *overlay.Point, made bool) (there bool, err error) {
	at := place{name: filepath.Base(p.Path)}
	if at.lock, err = os.Open("/proc/thread-self/fd/" + strconv.Itoa(int(p.Dir.Fd()))); err != nil {
		return false, err
	}
	if err := unix.Flock(int(at.lock.Fd()), unix.LOCK_SH|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		at.lock.Close()
		return false, nil // somebody removes it
	}
	parent, err := walk(filepath.Dir(p.Path), n.User, false, n.Locks.Flag)
	if err != nil {
		at.lock.Close()
		return false, err
	}
	var had, now unix.Stat_t
	err = errors.Join(unix.Fstat(int(at.lock.Fd()), &had), unix.Fstatat(int(parent.Fd()), at.name, &now, unix.AT_SYMLINK_NOFOLLOW))
	if err != nil || had.Ino != now.Ino || had.Dev != now.Dev {
		at.lock.Close()
		parent.Close()
		return false, nil
	}
	if made {
		at.parent = parent
	} else {
		parent.Close()
	}
	n.places = append(n.places, at)
	p.Undo = func() {
		if i := slices.Index(n.places, at); i >= 0 {
			n.places = slices.Delete(n.places, i, i+1)
			n.leavePlace(at)
		}
	}
	return true, nil
}

// leave lets go of what was taken, and removes what was made of it as far as that is empty and nobody
// else's.
func (s *session) leave() {
	for _, at := range s.places {
		s.leavePlace(at)
	}
	s.places = nil
}

func (s *session) leavePlace(at place) {
	if at.parent != nil && len(s.report.Left) == 0 && unix.Flock(int(at.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		_ = unix.Unlinkat(int(at.parent.Fd()), at.name, unix.AT_REMOVEDIR)
	}
	at.lock.Close()
	if at.parent != nil {
		at.parent.Close()
	}
}
