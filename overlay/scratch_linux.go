package overlay

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// scratch is a mount namespace for one call. Before 6.15 an overlay takes no layer of a detached
// mount, only of one in the mount namespace of whoever makes it, and a clone is made of no other;
// before 6.13 it takes layers by name only. So the mounts of a call are put on an empty file system
// in a namespace of a thread's own, and what was made there is cloned out of it, detached.
//
// A name is a descriptor's number: the thread works in /proc/thread-self/fd. It leads nowhere but
// to what was opened, and 500 of them fit into the one page that mount(2) takes.
type scratch struct {
	root *os.File // of the empty file system
	dirs int
	lent []*os.File
}

// inScratch calls f in a scratch namespace.
func inScratch(f func(s *scratch) error) error {
	return OnThread(func() (err error) {
		home, err := os.Open("/proc/thread-self/ns/mnt")
		if err != nil {
			return fmt.Errorf("open mount namespace: %w", err)
		}
		defer home.Close()
		if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
			return newError("unshare", "mount namespace", "", "", err)
		}
		// The way back lets go of all that was mounted before the call returns; the thread's end
		// comes later.
		defer unix.Setns(int(home.Fd()), unix.CLONE_NEWNS)
		s, err := newScratch()
		if err != nil {
			return err
		}
		defer s.root.Close()
		err = f(s)
		if back := s.giveBack(); err == nil {
			err = back
		}
		return err
	})
}

func newScratch() (*scratch, error) {
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return nil, newError("make mounts private", "", "", "", err)
	}
	root, err := newEmpty()
	if err != nil {
		return nil, err
	}
	top, err := os.OpenFile("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		err = Attach(root, top)
		top.Close()
	}
	if err == nil {
		err = unix.Chdir("/proc/thread-self/fd")
	}
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("make scratch namespace: %w", err)
	}
	return &scratch{root: root}, nil
}

// newEmpty makes a detached mount of an empty file system.
func newEmpty() (*os.File, error) {
	c, err := newContext("tmpfs", SourcePrefix+"scratch")
	if err != nil {
		return nil, err
	}
	defer c.close()
	return c.mount(unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC)
}

// mkdir makes a new directory and returns its name.
func (s *scratch) mkdir() (string, error) {
	s.dirs++
	name := strconv.Itoa(s.dirs)
	if err := unix.Mkdirat(fdOf(s.root), name, 0o755); err != nil {
		return "", newError("mkdir", "scratch", "", "", err)
	}
	return name, nil
}

// place puts a detached mount into the namespace. It ends with the call.
func (s *scratch) place(m *os.File) error {
	name, err := s.mkdir()
	if err != nil {
		return err
	}
	_, err = retry(func() (int, error) {
		return 0, unix.MoveMount(fdOf(m), "", fdOf(s.root), name, unix.MOVE_MOUNT_F_EMPTY_PATH)
	})
	if err != nil {
		return newError("move_mount", m.Name(), "scratch", "", err)
	}
	return nil
}

// lend places a mount that its owner goes on with after the call.
func (s *scratch) lend(m *os.File) error {
	if err := s.place(m); err != nil {
		return err
	}
	s.lent = append(s.lent, m)
	return nil
}

// giveBack makes what was lent detached again: a clone, under the same descriptor.
func (s *scratch) giveBack() error {
	for _, m := range s.lent {
		clone, err := Clone(m)
		if err != nil {
			return err
		}
		err = unix.Dup3(fdOf(clone), fdOf(m), unix.O_CLOEXEC)
		clone.Close()
		if err != nil {
			return fmt.Errorf("give back %s: %w", m.Name(), err)
		}
	}
	return nil
}

// name is how an open directory is named to the kernel.
func name(fd int) string { return strconv.Itoa(fd) }

// overlay makes an overlay and returns a detached mount of it.
func (s *scratch) overlay(source string, attrs int, options [][2]string) (*os.File, error) {
	dir, err := s.mkdir()
	if err != nil {
		return nil, err
	}
	data := make([]string, 0, len(options))
	for _, o := range options {
		switch {
		case o[1] == "":
			data = append(data, o[0])
		case strings.ContainsRune(o[1], ','):
			data = append(data, o[0]+`="`+o[1]+`"`)
		default:
			data = append(data, o[0]+"="+o[1])
		}
	}
	at := name(fdOf(s.root)) + "/" + dir
	if err := unix.Mount(source, at, "overlay", 0, strings.Join(data, ",")); err != nil {
		return nil, overlayError("mount", source, "", err)
	}
	m, err := openTree(unix.AT_FDCWD, at, unix.AT_SYMLINK_NOFOLLOW, "overlay "+source)
	if err != nil {
		return nil, err
	}
	if err := Restrict(m, attrs); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}
