package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/instance"
	"larder/overlay/keep"
	"larder/overlay/oci/container"
	"larder/overlay/venv"
)

// build makes every mount, detached. A place whose mount cannot be made is left
// out; nothing of it is visible yet.
func (s *session) build(view *container.Point, wanted *environment) ([]container.Mount, error) {
	var inst *instance.Instance
	var mounts []container.Mount
	if wanted != nil {
		if err := s.findEnvironment(wanted); err != nil {
			s.skip("environment", err)
		}
	}
	for _, p := range s.places {
		if p.views != nil {
			var err error
			if p.lowers, err = s.viewLowers(p); err != nil {
				s.leaveOut(p.name, p.point, err)
				continue
			}
		}
		if inst == nil {
			var err error
			if inst, err = s.newInstance(); err != nil {
				return nil, err
			}
			// Its lock is for as long as the uppers are being mounted; then
			// the kernel's own holds.
			defer inst.Close()
		}
		m, err := s.mount(inst, p)
		if err != nil {
			s.leaveOut(p.name, p.point, err)
			continue
		}
		mounts = append(mounts, container.Mount{Mount: m, Point: p.point})
		s.attached(p.name, p.point)
	}
	if view != nil {
		m, err := s.readOnlyView(view)
		if err != nil {
			s.leaveOut("view", view, err)
		} else {
			mounts = append(mounts, container.Mount{Mount: m, Point: view})
			s.attached("view", view)
		}
	}
	return mounts, nil
}

// leaveOut skips a place, and takes away what was made for it.
func (s *session) leaveOut(name string, p *container.Point, err error) {
	s.skip(name, err)
	s.c.Abandon(p)
}

func (s *session) attached(name string, p *container.Point) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = append(s.done, fmt.Sprintf("%s at %.200q", name, p.Path))
}

// newInstance makes the container's writable part. The lock on the id is held
// and no live process has a lease, so what is there is left over.
func (s *session) newInstance() (*instance.Instance, error) {
	dir := s.store.InstanceDir(s.state.ID)
	if err := instance.CheckFree(dir, int64(*s.profile.MinFree)); err != nil {
		return nil, err
	}
	inst, err := instance.Create(dir)
	if errors.Is(err, fs.ErrExist) {
		if _, err := s.store.PutInstanceAway(s.state.ID, instance.Mounted, s.store.Trash); err != nil {
			return nil, err
		}
		inst, err = instance.Create(dir)
	}
	if err != nil {
		return nil, err
	}
	s.onFailure(func() { _ = s.store.Trash(dir) })
	if limit := s.profile.UpperLimit; limit > 0 {
		err := inst.Limit(int64(limit))
		if err != nil && s.required {
			inst.Close()
			return nil, err
		}
		if err != nil {
			s.note("without its upper_limit: " + err.Error())
		}
	}
	return inst, nil
}

// viewLowers are those of a client's views that the snapshot has.
func (s *session) viewLowers(p place) ([]string, error) {
	t, err := s.tree(owner(p.point), overlay.AnyBacking)
	if err != nil {
		return nil, err
	}
	var lowers []string
	for _, v := range p.views {
		if t.exists("views/" + v) {
			lowers = append(lowers, "views/"+v)
		}
	}
	if len(lowers) == 0 {
		return nil, fmt.Errorf("snapshot %s has no such view", s.id.Short())
	}
	return lowers, nil
}

func owner(p *container.Point) overlay.Owner {
	return overlay.Owner{UID: int(p.UID), GID: int(p.GID)}
}

// tree opens the snapshot's tree for an owner, once.
func (s *session) tree(o overlay.Owner, backing overlay.Backing) (tree, error) {
	had, ok := s.trees[o]
	if ok && backing == overlay.AnyBacking {
		return had, nil
	}
	f, how, err := keep.Dir(keep.DefaultDir).Open(
		keep.Snapshot{ID: s.id.String(), Image: s.store.ImagePath(s.id), Objects: s.store.ObjectsDir()}, o, backing)
	if err != nil {
		return tree{}, err
	}
	if ok {
		had.file.Close()
	}
	s.trees[o] = tree{f, how}
	return s.trees[o], nil
}

// mount makes one view. Where the kernel finds the stack too deep it tries the
// ways out: an image that is not file-backed (a level of its own on some
// kernels), then, where it may, without what was at the mount point.
func (s *session) mount(inst *instance.Instance, p place) (*os.File, error) {
	o := owner(p.point)
	t, err := s.tree(o, overlay.AnyBacking)
	if err != nil {
		return nil, err
	}
	dir, masked, err := s.addTo(inst, p)
	if err != nil {
		return nil, err
	}
	v := overlay.View{
		Tree: t.file, Lowers: p.lowers, Mask: masked, Lowest: p.point.Below, Instance: dir,
		Source: fmt.Sprintf("larder:%s:%s", s.id.Short(), p.name), Label: s.spec.MountLabel,
		Volatile: true, // the upper is new, and trash when the container ends
		Flags:    s.flags(p.point),
	}
	m, err := overlay.NewView(v)
	if errors.Is(err, overlay.ErrDepth) && t.how == keep.FromFile {
		if t, err = s.tree(o, overlay.BackedByLoop); err != nil {
			return nil, err
		}
		v.Tree = t.file
		m, err = overlay.NewView(v)
	}
	if errors.Is(err, overlay.ErrDepth) && v.Lowest != nil && !p.keep {
		v.Mask, v.Lowest = false, nil
		if m, err = overlay.NewView(v); err == nil {
			s.note(p.name + " without what was there, which lies on too many stacked file systems")
		}
	}
	return m, err
}

// addTo gives a place its part of the instance, with a mask of what its own
// files have of the lock's projects in other versions.
func (s *session) addTo(inst *instance.Instance, p place) (dir string, masked bool, err error) {
	mode := os.FileMode(p.point.Mode)
	if p.point.Below != nil && len(p.projects) > 0 {
		m, err := venv.FindMask(p.point.Below, p.projects, len(p.lowers), &s.c.Reads)
		if err == nil && !m.Empty() {
			if dir, _, err = inst.AddMasked(p.name, p.lowers, owner(p.point), mode, m.Write); err == nil {
				return dir, true, nil
			}
		}
		if err != nil && (s.required || !errors.Is(err, venv.ErrMask)) {
			return "", false, err
		}
		if err != nil {
			s.note(err.Error())
		}
	}
	dir, _, err = inst.Add(p.name, p.lowers, owner(p.point), mode)
	return dir, false, err
}

// flags are those of the mount at a place: the place's and the profile's.
func (s *session) flags(p *container.Point) int {
	if s.profile.NoExec {
		return p.Flags | unix.MOUNT_ATTR_NOEXEC
	}
	return p.Flags
}

// readOnlyView is a clone of a tree: its superblock has no upper, so nobody
// can make it writable, whatever their capabilities (a read-only bind mount
// could be remounted).
func (s *session) readOnlyView(at *container.Point) (*os.File, error) {
	t, err := s.tree(s.viewOwner(at), overlay.AnyBacking)
	if err != nil {
		return nil, err
	}
	m, err := overlay.Clone(t.file)
	if err != nil {
		return nil, err
	}
	if err := overlay.Restrict(m, s.flags(at)); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// viewOwner is whose the files of the read-only view are: the first cache's
// owner, whose tree is open, else that of the view's own place.
func (s *session) viewOwner(at *container.Point) overlay.Owner {
	for _, p := range s.places {
		if _, open := s.trees[owner(p.point)]; open {
			return owner(p.point)
		}
	}
	return owner(at)
}
