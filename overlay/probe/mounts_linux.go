package probe

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/instance"
)

// oldest is the advice where nothing works.
const oldest = "a kernel of 5.15 or later with overlay and EROFS (modprobe overlay erofs)"

// about says how each construction goes about it.
var about = map[string]string{
	"descriptors": "layers by descriptor",
	"data-only":   "layers by name, the pool as a data-only lower",
	"ordinary":    "layers by name, the pool as an ordinary lower: a snapshot's files keep its 256 directories hidden",
}

// construction tries each way of making the mounts; the first that works is what the rest is tried
// with, as an attach does.
func (h *host) construction() {
	var refused []string
	for n, c := range overlay.Constructions() {
		err := h.attempt(c, n)
		if err == nil {
			h.by = c
			h.try("construction", true, strings.Join(append([]string{c.Name() + ": " + about[c.Name()]}, refused...), "; not "), nil, "")
			return
		}
		refused = append(refused, c.Name()+": "+err.Error())
	}
	h.by = overlay.Constructions()[0]
	h.try("construction", true, "", errors.New(strings.Join(refused, "; ")), oldest)
}

// attempt makes both mounts and reads through them.
func (h *host) attempt(c overlay.Construction, n int) error {
	image, err := openAny(c, h.image)
	if err != nil {
		return err
	}
	defer image.Close()
	tree, err := c.OpenTree(image, h.pool, overlay.Owner{})
	if err != nil {
		return err
	}
	defer tree.Close()
	m, err := h.newView(c, tree, fmt.Sprintf("construction-%d", n), overlay.Owner{})
	if err != nil {
		return err
	}
	defer m.Close()
	return errors.Join(readAt(m, "a"), readAt(m, "b"))
}

// openAny prefers the loop device, which is no level of the stack on any kernel.
func openAny(c overlay.Construction, path string) (overlay.Image, error) {
	image, err := c.OpenImage(path, overlay.BackedByLoop)
	if err != nil {
		return c.OpenImage(path, overlay.AnyBacking)
	}
	return image, nil
}

// images mounts the image both ways, and the tree over each.
func (h *host) images() {
	fix := "load the module: modprobe erofs; or a kernel with CONFIG_EROFS_FS"
	var works bool
	for _, b := range []overlay.Backing{overlay.BackedByFile, overlay.BackedByLoop} {
		name, advice := "erofs from a file", "not needed where loop devices work"
		if b == overlay.BackedByLoop {
			name, advice = "erofs from a loop device", "load the module: modprobe loop"
		}
		image, err := h.by.OpenImage(h.image, b)
		if err != nil {
			h.try(name, false, "", err, advice)
			continue
		}
		works = true
		tree, err := h.by.OpenTree(image, h.pool, overlay.Owner{})
		image.Close()
		if err == nil {
			err = readAt(tree, "l/one/a")
		}
		if h.try(name, false, "", err, oldest) {
			h.trees = append(h.trees, tree)
		} else if tree != nil {
			tree.Close()
		}
	}
	var err error
	switch {
	case !works:
		err = errors.New("no image can be mounted")
	case len(h.trees) == 0:
		err, fix = errors.New("no tree can be mounted: see above"), oldest
	}
	h.try("tree", true, "overlay 1: the image over the pool", err, fix)
}

func readAt(dir *os.File, name string) error {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	defer unix.Close(fd)
	buf := make([]byte, 16)
	n, err := unix.Read(fd, buf)
	if err != nil || string(buf[:n]) != content {
		return fmt.Errorf("read %s: %q, %v", name, buf[:n], err)
	}
	return nil
}

// newView makes a view over the tree in an instance of its own.
func (h *host) newView(by overlay.Construction, tree *os.File, name string, o overlay.Owner) (*os.File, error) {
	i, err := instance.Create(filepath.Join(h.dir, name))
	if err != nil {
		return nil, err
	}
	defer i.Close()
	dir, _, err := i.Add("view", nil, o, 0o755)
	if err != nil {
		return nil, err
	}
	return by.NewView(overlay.View{Tree: tree, Lowers: []string{"l/one", "l/two"}, Instance: dir, Source: "larder:doctor"})
}

func writeAt(dir *os.File, name string) error {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte("new")); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// view makes overlay 2 over each tree: some kernels count a file-backed image
// as a level of the stack, and then only the loop device is left.
func (h *host) view() {
	var last error = errors.New("no tree")
	var works []*os.File
	for n, tree := range h.trees {
		m, err := h.newView(h.by, tree, fmt.Sprintf("view-%d", n), overlay.Owner{})
		if err == nil {
			err = errors.Join(readAt(m, "a"), readAt(m, "b"), writeAt(m, "a"), writeAt(m, "c"), readAt(tree, "l/one/a"))
			m.Close()
		}
		if err == nil {
			works = append(works, tree)
		} else {
			tree.Close()
			last = err
		}
	}
	h.trees = works
	if len(works) > 0 {
		last = nil
	}
	h.try("view", true, "overlay 2: two lowers of the tree, and an upper", last,
		oldest+", and a store on ext4, xfs or btrfs (not on an overlay)")
	h.inUse()
}

// inUse tries the question by which gc tells whether something still needs an upper.
func (h *host) inUse() {
	err := func() error {
		if len(h.trees) == 0 {
			return errors.New("no view")
		}
		m, err := h.newView(h.by, h.trees[0], "in-use", overlay.Owner{})
		if err != nil {
			return err
		}
		defer m.Close()
		used, err := instance.Mounted(filepath.Join(h.dir, "in-use"))
		if err == nil && !used {
			err = errors.New("the kernel calls a mounted upper free")
		}
		return err
	}()
	h.try("upper in use", true, "gc asks with a mount whether a process still needs an upper", err, oldest)
}

// idmap gives the tree to another user.
func (h *host) idmap() {
	const uid, gid = 1234, 4321
	err := func() error {
		if len(h.trees) == 0 {
			return errors.New("no tree")
		}
		image, err := h.by.OpenImage(h.image, overlay.AnyBacking)
		if err != nil {
			return err
		}
		defer image.Close()
		tree, err := h.by.OpenTree(image, h.pool, overlay.Owner{UID: uid, GID: gid})
		if err != nil {
			return err
		}
		defer tree.Close()
		m, err := h.newView(h.by, tree, "idmap", overlay.Owner{UID: uid, GID: gid})
		if err != nil {
			return err
		}
		defer m.Close()
		var st unix.Stat_t
		if err := unix.Fstatat(int(m.Fd()), "a", &st, 0); err != nil {
			return err
		}
		if st.Uid != uid || st.Gid != gid {
			return fmt.Errorf("owner is %d:%d, want %d:%d", st.Uid, st.Gid, uid, gid)
		}
		return nil
	}()
	h.try("idmap", false, "trees for users other than root", err,
		"a kernel with user namespaces, and user.max_user_namespaces above 0 (sysctl)")
}

// attach puts a view on a directory in a mount namespace of its own.
func (h *host) attach() {
	err := overlay.OnThread(func() error {
		if len(h.trees) == 0 {
			return errors.New("no view")
		}
		if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
			return fmt.Errorf("unshare: %w", err)
		}
		if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("make mounts slave: %w", err)
		}
		m, err := h.newView(h.by, h.trees[0], "attach", overlay.Owner{})
		if err != nil {
			return err
		}
		defer m.Close()
		point := filepath.Join(h.dir, "point")
		if err := os.Mkdir(point, 0o755); err != nil {
			return err
		}
		root, err := os.Open("/")
		if err != nil {
			return err
		}
		defer root.Close()
		p, err := overlay.Resolve(root, point)
		if err != nil {
			return err
		}
		defer p.Close()
		if err := overlay.Attach(m, p); err != nil {
			return err
		}
		if b, err := os.ReadFile(filepath.Join(point, "b")); err != nil || strings.TrimSpace(string(b)) != content {
			return fmt.Errorf("read through the mount point: %q, %w", b, err)
		}
		return unix.Unmount(point, unix.MNT_DETACH)
	})
	h.try("attach", true, "a mount namespace, openat2 and move_mount", err, "run as root outside of containers, or with CAP_SYS_ADMIN")
}
