package oci

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/snapshot/failpoint"
)

// Mount is a detached mount and where it goes.
type Mount struct {
	Mount *os.File
	Point *overlay.Point
}

// Attach puts every mount on its point, or none: when one cannot be attached,
// those before it are detached again.
func (c *Container) Attach(mounts []Mount) error {
	c.table = nil
	return c.inside(func() error { return attachHere(mounts) })
}

// attachHere attaches in the calling thread's namespace.
func attachHere(mounts []Mount) error {
	for i, m := range mounts {
		if err := overlay.Attach(m.Mount, m.Point.Dir); err != nil {
			for _, done := range mounts[:i] {
				detach(done.Mount)
			}
			return attachError(m.Point.Path, err)
		}
		failpoint.Here("hook: mount attached")
	}
	return nil
}

// attachError says what the kernel means by "no space": not a disk.
func attachError(at string, err error) error {
	if errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("attach at %.80q: limit of mounts reached (sysctl fs.mount-max): %w", at, err)
	}
	return fmt.Errorf("attach at %.80q: %w", at, err)
}

// detach unmounts by descriptor: the thread goes to the mount's root, and "."
// is then that root whatever the paths say.
func detach(m *os.File) {
	if unix.Fchdir(int(m.Fd())) == nil {
		_ = unix.Unmount(".", unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	}
	_ = unix.Chdir("/")
}
