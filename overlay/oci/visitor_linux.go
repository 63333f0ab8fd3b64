package oci

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// visitor is a thread that goes into a container's mount namespace and comes back.
type visitor struct {
	home, there *os.File // mount namespaces
	root        *os.File // at home, where the thread may be in a chroot(2)
}

// prepare enters the container's namespace a first time, to have it open, and comes back.
func (v *visitor) prepare(c *Container) (err error) {
	if v.root, err = openPath("/"); err != nil {
		return err
	}
	if v.home, err = c.namespace("thread-self"); err != nil {
		return err
	}
	if err := unshare(); err != nil {
		return err
	}
	v.there, err = c.setns(v.home)
	v.leave()
	return err
}

// visit runs f in the container's namespace.
func (v *visitor) visit(f func() error) error {
	if err := unix.Setns(int(v.there.Fd()), unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("%w: enter its mount namespace: %w", ErrContainer, err)
	}
	defer v.leave()
	return f()
}

// leave comes back. There is no going on without: the paths that follow are the host's. The kernel may
// lack memory for a moment; who was allowed to go in is allowed to come back.
func (v *visitor) leave() {
	var err error
	for range leaveTries {
		if err = v.goHome(); err == nil {
			return
		}
		time.Sleep(leavePause)
	}
	panic(fmt.Sprintf("the thread cannot leave the container's mount namespace: %v", err))
}

// A second in all: a hook has ten.
const (
	leaveTries = 50
	leavePause = 20 * time.Millisecond
)

func (v *visitor) goHome() error {
	if err := unix.Setns(int(v.home.Fd()), unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Fchdir(int(v.root.Fd())); err != nil {
		return err
	}
	return unix.Chroot(".")
}

func (v *visitor) close() {
	for _, f := range []*os.File{v.home, v.there, v.root} {
		if f != nil {
			f.Close()
		}
	}
}
