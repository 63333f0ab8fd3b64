package overlay

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// SourcePrefix begins the source of everything Larder mounts, in mountinfo.
const SourcePrefix = "larder:"

func (d descriptors) OpenTree(image Image, objects string, owner Owner) (*os.File, error) {
	lower := image.File
	if owner != (Owner{}) {
		userns, err := owner.userNS()
		if err != nil {
			return nil, err
		}
		defer userns.Close()
		// An idmap can only be given to a mount that was never attached and
		// has none yet: a fresh clone.
		clone, err := d.Clone(image.File)
		if err != nil {
			return nil, err
		}
		defer clone.Close()
		if err := idmap(clone, userns, owner); err != nil {
			return nil, err
		}
		lower = clone
	}
	// Opened below a clone of its parent, the pool prints as /objects in
	// mountinfo. The clone must stay open until the overlay is made.
	parent, err := CloneDir(filepath.Dir(objects))
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	pool, err := openBelow(parent, filepath.Base(objects))
	if err != nil {
		return nil, fmt.Errorf("open pool %s: %w", objects, err)
	}
	defer unix.Close(pool)

	c, err := newContext("overlay", SourcePrefix+"tree")
	if err != nil {
		return nil, err
	}
	defer c.close()
	if err := c.setFd("lowerdir+", image.Path, fdOf(lower)); err != nil {
		return nil, layerError(err)
	}
	if err := c.setFd("datadir+", objects, pool); err != nil {
		return nil, layerError(err)
	}
	// What the image says is trusted: we wrote it. Kernels before 6.16 want
	// both to follow from an image into a data-only layer.
	if err := c.set("metacopy", "on"); err != nil {
		return nil, err
	}
	if err := c.set("redirect_dir", "follow"); err != nil {
		return nil, err
	}
	return c.mount(readOnly)
}

// readOnly are the flags of a tree.
const readOnly = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV

func (descriptors) Clone(m *os.File) (*os.File, error) {
	clone, err := Clone(m)
	if errors.Is(err, unix.EINVAL) {
		err.(*Error).kind = ErrUnsupported // before 6.15 only what is attached can be cloned
	}
	return clone, err
}

// Show is a clone: the pool shows nowhere in the tree. A label is a superblock's, so it takes one more
// overlay.
func (d descriptors) Show(tree *os.File, label string) (*os.File, error) {
	if label == "" {
		return d.Clone(tree)
	}
	return d.cover(tree, label)
}

// cover makes an overlay of the tree, and of an empty directory: the kernel makes none of one lower.
func (descriptors) cover(tree *os.File, label string) (*os.File, error) {
	empty, err := newEmpty()
	if err != nil {
		return nil, err
	}
	defer empty.Close()
	c, err := newContext("overlay", SourcePrefix+"tree")
	if err != nil {
		return nil, err
	}
	defer c.close()
	for _, lower := range []*os.File{tree, empty} {
		if err := c.setFd("lowerdir+", lower.Name(), fdOf(lower)); err != nil {
			return nil, layerError(err)
		}
	}
	if err := c.setAll(shown(label)); err != nil {
		return nil, err
	}
	return c.mount(readOnly)
}

// shown are the options of an overlay that shows a tree, but the layers.
func shown(label string) [][2]string {
	return append([][2]string{{"metacopy", "off"}, {"redirect_dir", "nofollow"}}, labelled(label)...)
}

// Clone makes a detached copy of the mount that an open directory is on, with that directory as its
// root, and not of what is mounted below it. The directory must be in the calling thread's mount
// namespace; for one of a detached mount see [Construction].
func Clone(dir *os.File) (*os.File, error) {
	return openTree(fdOf(dir), "", unix.AT_EMPTY_PATH, dir.Name())
}

// CloneDir makes a detached mount of a directory by path. A symbolic link as
// the last component is not followed.
func CloneDir(path string) (*os.File, error) {
	return openTree(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, path)
}

func openTree(at int, path string, flags uint, name string) (*os.File, error) {
	fd, err := retry(func() (int, error) {
		return unix.OpenTree(at, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|flags)
	})
	if err != nil {
		return nil, newError("open_tree", name, "", "", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// below is how a directory inside an open one is opened: no symbolic links, no
// "..".
var below = unix.OpenHow{
	Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
	Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
}

// openBelow returns a plain descriptor: there is one for each of up to 500
// lowers, and an os.File costs a call and a finalizer more.
func openBelow(dir *os.File, path string) (int, error) {
	fd, err := openat2(dir, path, &below)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

// layerError names the reason behind a kernel that knows layers, but not by descriptor (before 6.13):
// it takes the parameter for one without a value, or looks for a name.
func layerError(err error) error {
	if e, ok := err.(*Error); ok && e.kind == nil && (e.Err == unix.EINVAL || e.Err == unix.EBADF) {
		e.kind = ErrUnsupported
	}
	return err
}
