package overlay

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

func (descriptors) NewView(v View) (*os.File, error) {
	if err := v.Check(); err != nil {
		return nil, err
	}
	c, err := newContext("overlay", v.Source)
	if err != nil {
		return nil, err
	}
	defer c.close()
	// Upper and work must be on one mount, so both are opened below one clone.
	instance, err := CloneDir(v.Instance)
	if err != nil {
		return nil, err
	}
	defer instance.Close()
	if err := c.setLayers(v, instance); err != nil {
		return nil, err
	}
	if err := c.setOptions(v, instance); err != nil {
		return nil, err
	}
	m, err := c.mount(v.attrs())
	if err != nil {
		v.unmark()
		return nil, err
	}
	return v.checked(m)
}

// CopyTimes gives the upper's root, which is to be the view's, the times that the topmost lower's has in the
// tree.
func (v View) CopyTimes(tree *os.File) error {
	var st unix.Stat_t
	err := unix.Fstatat(fdOf(tree), v.Lowers[0], &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil {
		times := []unix.Timespec{{Sec: st.Mtim.Sec, Nsec: st.Mtim.Nsec}, {Sec: st.Mtim.Sec, Nsec: st.Mtim.Nsec}}
		err = unix.UtimesNanoAt(unix.AT_FDCWD, filepath.Join(v.Instance, "u"), times, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil {
		return fmt.Errorf("copy the times of %s: %w", v.Lowers[0], err)
	}
	return nil
}

// attrs are the view's flags (MOUNT_ATTR_*), all of them.
func (v View) attrs() int { return unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | v.Flags }

// unmark takes away the marker that keeps a volatile upper from a second mount: it is made before
// the kernel looks at the lowers. Nothing was mounted.
func (v View) unmark() {
	if !v.Volatile {
		return
	}
	marks := filepath.Join(v.Instance, "w", "work", "incompat")
	_ = unix.Unlink(marks + "/volatile/dirty")
	for _, d := range []string{marks + "/volatile", marks} {
		_ = unix.Rmdir(d)
	}
}

// checked is the view's mount if it came out as planned.
func (v View) checked(m *os.File) (*os.File, error) {
	if err := checkWritable(m); err != nil && v.Flags&unix.MOUNT_ATTR_RDONLY == 0 {
		m.Close()
		return nil, err
	}
	return m, nil
}

// setLayers sets the view's lowers, upper and work.
func (c *fsContext) setLayers(v View, instance *os.File) error {
	set := func(key string, below *os.File, name, shown string) error {
		dir, err := openBelow(below, name)
		if err != nil {
			return fmt.Errorf("open %s of %s: %w", key, below.Name(), err)
		}
		defer unix.Close(dir)
		return layerError(c.setFd(key, shown, dir))
	}
	for _, l := range v.Lowers {
		if err := set("lowerdir+", v.Tree, l, l); err != nil {
			return err
		}
	}
	if v.Mask {
		if err := set("lowerdir+", instance, "m", v.Instance+"/m"); err != nil {
			return err
		}
	}
	if v.Lowest != nil {
		if err := c.setFd("lowerdir+", v.Lowest.Name(), fdOf(v.Lowest)); err != nil {
			return layerError(err)
		}
	}
	if err := set("upperdir", instance, "u", v.Instance+"/u"); err != nil {
		return err
	}
	return set("workdir", instance, "w", v.Instance+"/w")
}

func (c *fsContext) setOptions(v View, instance *os.File) error {
	options, err := v.options(instance)
	if err != nil {
		return err
	}
	return c.setAll(options)
}

// options are all but the layers; those without a value are flags.
func (v View) options(instance *os.File) ([][2]string, error) {
	redirect, err := redirectDir(v, instance)
	if err != nil {
		return nil, err
	}
	options := [][2]string{
		{"redirect_dir", redirect},
		// A metacopy planted in the upper would show other files' bytes.
		{"metacopy", "off"},
		{"index", index(instance)},
	}
	options = append(options, labelled(v.Label)...)
	if v.User {
		options = append(options, [2]string{"userxattr", ""})
	}
	if v.Volatile {
		options = append(options, [2]string{"volatile", ""})
	}
	return options, nil
}

// index chooses what the kernel does about an upper that another mount has. It looks for one before it
// looks at the lowers, so that asking for an index makes a second mount EBUSY, though there is none: the
// tree gives no file handles, so the kernel goes on without, and says so in its log. A work directory
// that no mount has filled is of an upper that nobody has, and is mounted without the question.
func index(instance *os.File) string {
	var st unix.Stat_t
	if unix.Fstatat(fdOf(instance), "w/work", &st, unix.AT_SYMLINK_NOFOLLOW) == unix.ENOENT {
		return "off"
	}
	return "on"
}

// redirectDir chooses whether the view may move a directory of its lowers: with
// a redirect, which the kernel writes into the upper and then follows. Without,
// a rename is EXDEV, and the program copies all of the directory (an installer, to remove
// a package). Only an upper that is empty now, below a directory of root's, and
// never mounted again holds no redirect but the kernel's own: what is set through
// a view under that name is stored under another.
func redirectDir(v View, instance *os.File) (string, error) {
	if !v.Volatile || v.User { // where attributes are the user's, so might redirects be
		return "nofollow", nil
	}
	fd, err := unix.Openat(fdOf(instance), "u", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("open instance %s: %w", v.Instance, err)
	}
	upper := os.NewFile(uintptr(fd), v.Instance+"/u")
	defer upper.Close()
	switch names, err := upper.Readdirnames(1); {
	case len(names) > 0:
		return "", &Problem{Kind: ErrRefused, Text: fmt.Sprintf("make view: upper %s/u is not fresh", v.Instance)}
	case err != io.EOF:
		return "", fmt.Errorf("read upper: %w", err)
	}
	return "on", nil
}

// checkWritable catches the overlay that the kernel made read-only without an
// error, because it could not use the work directory.
func checkWritable(m *os.File) error {
	var st unix.Statfs_t
	if _, err := retry(func() (int, error) { return 0, unix.Fstatfs(fdOf(m), &st) }); err != nil {
		return newError("statfs", m.Name(), "", "", err)
	}
	if st.Type != unix.OVERLAYFS_SUPER_MAGIC {
		return newError("mount", m.Name(), "", fmt.Sprintf("not an overlay (file system type %#x)", st.Type), unix.EINVAL)
	}
	if st.Flags&unix.ST_RDONLY != 0 {
		e := newError("mount", m.Name(), "", "the kernel could not use the work directory", unix.EROFS)
		e.kind = ErrReadOnly
		return e
	}
	return nil
}
