package attach

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"larder/overlay"
	"larder/overlay/instance"
	"larder/overlay/keep"
	"larder/snapshot/failpoint"
)

// mount is a view to be made and attached.
type mount struct {
	part, name string // name is its directory's in the instance
	at         *overlay.Point
	lowers     []string // in the tree, topmost first
	sealed     *sealed  // whose tree it is; nil: the snapshot's
	own        string   // what is below them, for the record of a kept instance
	keep       bool     // what is at the point has to stay visible
	times      bool     // a new view's root has the times of its topmost lower's
	// mask finds what of it has not; nil: all of it stays.
	mask func(own *os.File) (func(dir string) error, error)
	// fill writes what is below the lowers into a directory of the instance's, where nothing is at the
	// point; nil: nothing is.
	fill func(dir string) error
}

// ErrMask is wrapped by what goes wrong with a mask.
var ErrMask = errors.New("other versions of the lock's packages in the environment stay visible")

// instanceError is fatal for a kept instance: the caller would look for the command's files in it.
func (s *Session) instanceError(err error) error {
	if s.Instance.Kept() {
		return Fatal(err)
	}
	return err
}

// mount makes the view, with the mount point's own files below it, and attaches it. The point is its
// own from here on.
func (s *Session) mount(v mount) error {
	m, mounted, err := s.view(v)
	if err != nil {
		v.at.Abandon()
		return err
	}
	return s.put(m, v.at, mounted)
}

// put attaches a view. It and the point are its own.
func (s *Session) put(m *os.File, at *overlay.Point, mounted Mount) error {
	if err := s.Namespace.Attach(m, at); err != nil {
		return err
	}
	failpoint.Here("attach: view made")
	s.Mounts = append(s.Mounts, mounted)
	return nil
}

// view makes the view.
func (s *Session) view(v mount) (*os.File, Mount, error) {
	dir, masked, fresh, err := s.add(v)
	if err != nil {
		return nil, Mount{}, err
	}
	failpoint.Here("attach: upper made")
	plan := overlay.View{
		Lowers: v.lowers, Mask: masked, Lowest: v.at.Below, Instance: dir, Volatile: !s.Instance.Kept(), User: s.User,
		Flags: v.at.Flags | s.Flags, Label: s.Label, Source: fmt.Sprintf("larder:%.12s:%s", s.Snapshot.ID, v.name),
	}
	from, layers := s.Snapshot, v.lowers
	if v.sealed != nil {
		from, layers = v.sealed.Snapshot, v.sealed.layers
	}
	if v.times && fresh {
		if _, err := s.onTree(from, v.at.Owner, func(tree *os.File) (*os.File, error) { return nil, plan.CopyTimes(tree) }); err != nil {
			s.Note(err.Error())
		}
	}
	m, err := s.makeView(from, plan, v.at.Owner)
	if errors.Is(err, overlay.ErrDepth) && plan.Lowest != nil && !v.keep {
		// Better the snapshot's files than the few that were there.
		plan.Mask, plan.Lowest = false, nil
		if m, err = s.makeView(from, plan, v.at.Owner); err == nil {
			s.Note(v.part + " without what was there, which lies on too many stacked file systems")
		}
	}
	if errors.Is(err, overlay.ErrBusy) {
		err = s.instanceError(fmt.Errorf("something that an earlier command left running still uses %s: %w", dir, err))
	}
	return m, Mount{Part: v.part, Path: v.at.Path, Lowers: plan.Layers(), Dir: dir, Layers: layers}, err
}

// add gives a mount its part of the instance, with a mask where it needs one.
func (s *Session) add(v mount) (dir string, masked, fresh bool, err error) {
	record := make([]string, 0, len(v.lowers)+1)
	for _, l := range v.lowers {
		if v.sealed != nil && l == v.lowers[0] {
			l = v.sealed.name
		}
		record = append(record, s.Snapshot.ID+"/"+l)
	}
	record = append(record, v.own)
	fill, err := s.findMask(v)
	if err != nil {
		return "", false, false, err
	}
	dir, fresh, err = s.Instance.AddMasked(v.name, record, v.at.Owner, v.at.Mode, fill)
	if fill != nil && errors.Is(err, ErrMask) && !s.Required {
		s.Note(err.Error())
		fill = nil
		dir, fresh, err = s.Instance.Add(v.name, record, v.at.Owner, v.at.Mode)
	}
	if err != nil {
		return "", false, false, s.instanceError(err)
	}
	return dir, fill != nil, fresh, nil
}

// findMask returns what writes the mask of a mount, or its own files, nil when it needs none. A kept instance goes on
// with the one it has, or without.
func (s *Session) findMask(v mount) (fill func(string) error, err error) {
	if v.mask == nil || v.at.Below == nil {
		return v.fill, nil
	}
	if had, there := s.Instance.Recorded(v.name); there {
		if slices.Contains(had, instance.Mask) {
			return func(string) error { return nil }, nil // it is there: not called
		}
		return nil, nil
	}
	write, err := v.mask(v.at.Below)
	if err == nil && write != nil && len(v.lowers)+2 > overlay.MaxLowers {
		err = errors.New("the view has no room for one more lower")
	}
	switch {
	case err != nil && s.Required:
		return nil, maskError(err)
	case err != nil:
		s.Note(maskError(err).Error())
		return nil, nil
	case write == nil:
		return nil, nil
	}
	return func(dir string) error { return maskError(write(dir)) }, nil
}

func maskError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrMask, err)
}

// makeView makes the view, of the tree of an image.
func (s *Session) makeView(from keep.Snapshot, v overlay.View, owner overlay.Owner) (*os.File, error) {
	return s.onTree(from, owner, func(tree *os.File) (*os.File, error) {
		v.Tree = tree
		return overlay.Chosen().NewView(v)
	})
}

// onTree makes a mount on an owner's tree of an image. Where the kernel finds the stack too deep, a file-backed
// image may be why (a level of its own on some kernels).
func (s *Session) onTree(from keep.Snapshot, owner overlay.Owner, mount func(tree *os.File) (*os.File, error)) (*os.File, error) {
	t, err := s.treeOf(from, owner, overlay.AnyBacking)
	if err != nil {
		return nil, err
	}
	m, err := mount(t.file)
	if !errors.Is(err, overlay.ErrDepth) || t.how != keep.FromFile {
		return m, err
	}
	if t, err = s.treeOf(from, owner, overlay.BackedByLoop); err != nil {
		return nil, err
	}
	return mount(t.file)
}
