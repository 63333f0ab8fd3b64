package container

import (
	"fmt"
	"io/fs"
	"os"
	"strings"

	"larder/cmd/internal/config"
	"larder/overlay"
	"larder/overlay/oci"
	"larder/snapshot/ecosystem"
)

// maxLock bounds a lock in a container; the largest seen has 3 MB.
const maxLock = 4 << 20

// namespace is a container's, where the mounts go. It is an [attach.Namespace].
type namespace struct {
	c       *oci.Container
	spec    oci.Spec
	profile config.Profile
	undo    func(func())
	taken   []taken
	mounts  []oci.Mount // made, and not yet attached
}

// taken is a mount point that somebody has.
type taken struct{ name, path string }

func (n *namespace) ReadFile(path string, limit int64) ([]byte, error) {
	return n.c.ReadFile(path, min(limit, maxLock))
}

func (n *namespace) IsDir(path string) bool { return n.c.IsDir(path) }

func (n *namespace) Find(path string) (at string, mode fs.FileMode, err error) { return n.c.Find(path) }

func (n *namespace) Take(size int64) error { return n.c.Reads.Take(size) }

func (n *namespace) Getenv(key string) string { return n.spec.Getenv(key) }

func (n *namespace) Home() (string, error) { return n.spec.Home(n.c.ReadFile) }

func (n *namespace) WorkDir() string { return "/" + n.spec.Cwd }

// Owner is the process's user, or where that is nobody in the container, its root.
func (n *namespace) Owner() overlay.Owner {
	o, err := n.c.Owner(n.spec.UID, n.spec.GID)
	if err != nil {
		o, _ = n.c.Owner(0, 0)
	}
	return o
}

func (n *namespace) Cache(c ecosystem.Client, path string) (*overlay.Point, error) {
	owner, err := n.c.Owner(n.spec.UID, n.spec.GID)
	if err != nil {
		return nil, err
	}
	return n.point(c.Name, path, oci.PointOptions{Make: true, Owner: owner, Keep: true})
}

// View belongs to the container's root, who is the one to have made /mnt.
func (n *namespace) View() (*overlay.Point, error) {
	path := n.profile.ReadOnlyView()
	if path == "" {
		return nil, nil
	}
	owner, err := n.c.Owner(0, 0)
	if err != nil {
		owner, err = n.c.Owner(n.spec.UID, n.spec.GID)
	}
	if err != nil {
		return nil, err
	}
	return n.point("view", path, oci.PointOptions{Make: true, Owner: owner})
}

func (n *namespace) Environment(dir string, alone bool) (*overlay.Point, error) {
	return n.point("env", dir, oci.PointOptions{Make: true, Owner: n.Owner(), Keep: !alone})
}

func (n *namespace) Beside(dir, path string) (*overlay.Point, error) {
	at, err := n.c.Beside(dir, path, oci.PointOptions{Make: true, Owner: n.Owner(), Cover: n.profile.Override})
	if at == nil {
		return nil, err
	}
	return n.take("env", at)
}

// Private is not for containers: they get one where they look for it, or none.
func (n *namespace) Private() (*overlay.Point, error) { return nil, nil }

// Attach collects the mounts: either all are attached or none.
func (n *namespace) Attach(m *os.File, at *overlay.Point) error {
	n.mounts = append(n.mounts, oci.Mount{Mount: m, Point: at})
	return nil
}

// point resolves a mount point for name.
func (n *namespace) point(name, want string, o oci.PointOptions) (*overlay.Point, error) {
	o.Cover = n.profile.Override
	at, err := n.c.Point(want, o)
	if err != nil {
		return nil, err
	}
	return n.take(name, at)
}

// take sees to it that nobody else gets a mount point, and that a failure leaves nothing made.
func (n *namespace) take(name string, at *overlay.Point) (*overlay.Point, error) {
	for _, other := range n.taken {
		if overlaps(at.Path, other.path) {
			at.Abandon()
			return nil, fmt.Errorf("%w %.80q overlaps that of %s", oci.ErrPoint, at.Path, other.name)
		}
	}
	n.taken = append(n.taken, taken{name, at.Path})
	n.undo(at.Abandon)
	return at, nil
}

// overlaps says whether one of two mount points is in the other.
func overlaps(a, b string) bool {
	return a == b || strings.HasPrefix(a, b+"/") || strings.HasPrefix(b, a+"/")
}
