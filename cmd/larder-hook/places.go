package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"larder/cmd/internal/config"
	"larder/overlay"
	"larder/overlay/oci"
	"larder/overlay/oci/container"
	"larder/snapshot/ecosystem"
)

// maxLock bounds a lock in a container; the largest seen has 3 MB.
const maxLock = 4 << 20

// places is where the mounts of a container go. It is an attach.Places.
type places struct {
	c       *container.Container
	spec    oci.Spec
	profile config.Profile
	undo    func(func())
	taken   []taken
	mounts  []container.Mount // made, and not yet attached
}

// taken is a mount point that somebody has.
type taken struct{ name, path string }

func (p *places) ReadFile(path string, limit int64) ([]byte, error) {
	return p.c.ReadFile(path, min(limit, maxLock))
}

func (p *places) IsDir(path string) bool { return p.c.IsDir(path) }

func (p *places) Take(n int64) error { return p.c.Reads.Take(n) }

func (p *places) Getenv(key string) string { return p.spec.Getenv(key) }

func (p *places) Home() (string, error) { return p.spec.Home(p.c.ReadFile) }

func (p *places) WorkDir() string { return "/" + p.spec.Cwd }

// Owner is the process's user, or where that is nobody in the container, its root.
func (p *places) Owner() overlay.Owner {
	o, err := p.c.Owner(p.spec.UID, p.spec.GID)
	if err != nil {
		o, _ = p.c.Owner(0, 0)
	}
	return o
}

func (p *places) Cache(c ecosystem.Client, path string) (*overlay.Point, error) {
	owner, err := p.c.Owner(p.spec.UID, p.spec.GID)
	if err != nil {
		return nil, err
	}
	return p.point(c.Name, path, container.PointOptions{Make: true, Owner: owner, Keep: true})
}

// View belongs to the container's root, who is the one to have made /mnt.
func (p *places) View() (*overlay.Point, error) {
	path := p.profile.ReadOnlyView()
	if path == "" {
		return nil, nil
	}
	if p.spec.MountLabel != "" {
		return nil, errors.New("not yet with an SELinux mount label")
	}
	owner, err := p.c.Owner(0, 0)
	if err != nil {
		owner, err = p.c.Owner(p.spec.UID, p.spec.GID)
	}
	if err != nil {
		return nil, err
	}
	return p.point("view", path, container.PointOptions{Make: true, Owner: owner})
}

func (p *places) Environment(dir string) (*overlay.Point, error) {
	return p.point("env", dir, container.PointOptions{Keep: true})
}

// Private is not for containers: what it is made of is the host's.
func (p *places) Private() (*overlay.Point, error) { return nil, nil }

// Attach collects the mounts: either all are attached or none.
func (p *places) Attach(m *os.File, at *overlay.Point) error {
	p.mounts = append(p.mounts, container.Mount{Mount: m, Point: at})
	return nil
}

// point resolves a mount point for name and sees to it that a failure leaves
// nothing made.
func (p *places) point(name, want string, o container.PointOptions) (*overlay.Point, error) {
	o.Cover = p.profile.Override
	at, err := p.c.Point(want, o)
	if err != nil {
		return nil, err
	}
	for _, other := range p.taken {
		if overlaps(at.Path, other.path) {
			at.Abandon()
			return nil, fmt.Errorf("%w %.80q overlaps that of %s", container.ErrPoint, at.Path, other.name)
		}
	}
	p.taken = append(p.taken, taken{name, at.Path})
	p.undo(at.Abandon)
	return at, nil
}

// overlaps says whether one of two mount points is in the other.
func overlaps(a, b string) bool {
	return a == b || strings.HasPrefix(a, b+"/") || strings.HasPrefix(b, a+"/")
}
