package overlay

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// byName is what the constructions in a scratch namespace have in common.
type byName struct{ images }

// openTree makes a tree, with join between the image and the pool.
func (byName) openTree(image Image, objects string, owner Owner, join string) (tree *os.File, err error) {
	parent, err := CloneDir(filepath.Dir(objects))
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	var userns *os.File
	if owner != (Owner{}) {
		if userns, err = owner.userNS(); err != nil {
			return nil, err
		}
		defer userns.Close()
	}
	err = inScratch(func(s *scratch) error {
		if err := s.lend(image.File); err != nil {
			return err
		}
		lower := image.File
		if userns != nil {
			if lower, err = s.idmapped(image.File, userns, owner); err != nil {
				return err
			}
			defer lower.Close()
		}
		tree, err = s.tree(name(fdOf(lower))+join, parent, objects)
		return err
	})
	return tree, err
}

// tree makes a tree of the pool in parent, which it places, and of the layers above it.
func (s *scratch) tree(above string, parent *os.File, objects string) (*os.File, error) {
	if err := s.place(parent); err != nil {
		return nil, err
	}
	pool, err := openBelow(parent, filepath.Base(objects))
	if err != nil {
		return nil, fmt.Errorf("open pool %s: %w", objects, err)
	}
	defer unix.Close(pool)
	return s.overlay(SourcePrefix+"tree", readOnly, [][2]string{
		{"lowerdir", above + name(pool)}, {"metacopy", "on"}, {"redirect_dir", "follow"},
	})
}

// idmapped places a clone of a placed mount for another owner.
func (s *scratch) idmapped(m, userns *os.File, owner Owner) (*os.File, error) {
	clone, err := Clone(m)
	if err != nil {
		return nil, err
	}
	if err = idmap(clone, userns, owner); err == nil {
		err = s.place(clone)
	}
	if err != nil {
		clone.Close()
		return nil, err
	}
	return clone, nil
}

func (byName) Clone(m *os.File) (clone *os.File, err error) {
	err = inScratch(func(s *scratch) error {
		if err := s.lend(m); err != nil {
			return err
		}
		clone, err = Clone(m)
		return err
	})
	return clone, err
}

// Show hides the pool where it is an ordinary lower of the tree, whoever made that: below an overlay
// whose topmost lower has a whiteout for each directory that a pool can have.
func (c byName) Show(tree *os.File, label string) (m *os.File, err error) {
	if shows, err := showsPool(tree); err != nil {
		return nil, err
	} else if !shows && label == "" {
		return c.Clone(tree)
	}
	return c.cover(tree, label)
}

// cover makes an overlay of the whiteouts and the tree. Where there is no pool they hide nothing, and
// are the second lower that the kernel asks for.
func (byName) cover(tree *os.File, label string) (m *os.File, err error) {
	err = inScratch(func(s *scratch) error {
		if err := s.lend(tree); err != nil {
			return err
		}
		hide, err := s.whiteouts(tree)
		if err != nil {
			return err
		}
		defer unix.Close(hide)
		layers := [][2]string{{"lowerdir", name(hide) + ":" + name(fdOf(tree))}}
		m, err = s.overlay(SourcePrefix+"tree", readOnly, append(layers, shown(label)...))
		return err
	})
	return m, labelError(label, err)
}

// showsPool says whether the tree's root has a directory of a pool's.
func showsPool(tree *os.File) (bool, error) {
	fd, err := unix.Openat(fdOf(tree), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, &os.PathError{Op: "open", Path: tree.Name(), Err: err}
	}
	dir := os.NewFile(uintptr(fd), tree.Name())
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	for _, n := range names {
		if len(n) == 2 && strings.Trim(n, "0123456789abcdef") == "" {
			return true, nil
		}
	}
	return false, err
}

// whiteouts makes a directory with a whiteout for each directory that a pool can have. As the
// topmost lower it is what the root looks like, so it takes after the tree's.
func (s *scratch) whiteouts(tree *os.File) (fd int, err error) {
	dir, err := s.mkdir()
	if err != nil {
		return -1, err
	}
	if fd, err = openBelow(s.root, dir); err != nil {
		return -1, err
	}
	err = unix.Mknodat(fd, "00", unix.S_IFCHR, 0)
	for n := 1; n < 256 && err == nil; n++ {
		err = unix.Linkat(fd, "00", fd, fmt.Sprintf("%02x", n), 0)
	}
	if err == nil {
		err = likeRoot(tree, fdOf(s.root), dir)
	}
	if err != nil {
		unix.Close(fd)
		return -1, newError("make whiteouts", "scratch", "", "", err)
	}
	return fd, nil
}

// likeRoot gives a directory the owner, mode and times of a mount's root.
func likeRoot(m *os.File, at int, name string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(fdOf(m), "", &st, unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	if err := unix.Fchownat(at, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if err := unix.Fchmodat(at, name, st.Mode&0o7777, 0); err != nil {
		return err
	}
	return unix.UtimesNanoAt(at, name, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
}

func (byName) NewView(v View) (m *os.File, err error) {
	if err := v.Check(); err != nil {
		return nil, err
	}
	instance, err := CloneDir(v.Instance)
	if err != nil {
		return nil, err
	}
	defer instance.Close()
	options, err := v.options(instance)
	if err != nil {
		return nil, err
	}
	err = inScratch(func(s *scratch) error {
		layers, err := s.layers(v, instance)
		defer layers.close()
		if err != nil {
			return err
		}
		m, err = s.overlay(v.Source, v.attrs(), append(layers.options(), options...))
		return err
	})
	if err != nil {
		v.unmark()
		return nil, labelError(v.Label, err)
	}
	return v.checked(m)
}

// layers are open directories of a view.
type layers struct {
	lowers      []int // topmost first
	upper, work int
	lowest      *os.File
}

// layers opens a view's directories below mounts that are placed for it.
func (s *scratch) layers(v View, instance *os.File) (l *layers, err error) {
	l = &layers{upper: -1, work: -1, lowest: v.Lowest}
	if err := s.place(instance); err != nil {
		return l, err
	}
	for _, m := range []*os.File{v.Tree, v.Lowest} {
		if m == nil {
			continue
		}
		if err := s.lend(m); err != nil {
			return l, err
		}
	}
	open := func(what string, dir *os.File, name string) int {
		if err != nil {
			return -1
		}
		fd, failed := openBelow(dir, name)
		if failed != nil {
			err = fmt.Errorf("open %s of %s: %w", what, dir.Name(), failed)
		}
		return fd
	}
	for _, name := range v.Lowers {
		l.lowers = append(l.lowers, open("lower", v.Tree, name))
	}
	if v.Mask {
		l.lowers = append(l.lowers, open("mask", instance, "m"))
	}
	l.upper = open("upper", instance, "u")
	l.work = open("work directory", instance, "w")
	return l, err
}

func (l *layers) options() [][2]string {
	names := make([]string, 0, len(l.lowers)+1)
	for _, fd := range l.lowers {
		names = append(names, name(fd))
	}
	if l.lowest != nil {
		names = append(names, name(fdOf(l.lowest)))
	}
	return [][2]string{{"lowerdir", strings.Join(names, ":")}, {"upperdir", name(l.upper)}, {"workdir", name(l.work)}}
}

func (l *layers) close() {
	for _, fd := range append(l.lowers, l.upper, l.work) {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}
