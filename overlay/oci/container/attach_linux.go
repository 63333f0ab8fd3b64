package container

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"larder/overlay"
)

// Mount is a detached mount and where it goes.
type Mount struct {
	Mount *os.File
	Point *Point
}

// Attach puts every mount in its place, or none: when one cannot be attached,
// those before it are detached again.
func (c *Container) Attach(mounts []Mount) error {
	return c.inside(func() error {
		for i, m := range mounts {
			if err := overlay.Attach(m.Mount, m.Point.dir); err != nil {
				for _, done := range mounts[:i] {
					detach(done.Mount)
				}
				return fmt.Errorf("attach at %.80q: %w", m.Point.Path, err)
			}
		}
		return nil
	})
}

// detach unmounts by descriptor: the thread goes to the mount's root, and "."
// is then that root whatever the paths say.
func detach(m *os.File) {
	if unix.Fchdir(int(m.Fd())) == nil {
		_ = unix.Unmount(".", unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	}
	_ = unix.Chdir("/")
}
