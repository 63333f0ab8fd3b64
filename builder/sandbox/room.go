package sandbox

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"larder/overlay"
)

// scratchDirs are the writable directories, and their modes.
var scratchDirs = map[string]os.FileMode{"out": 0o755, "build": 0o755, "tmp": 0o777 | os.ModeSticky, "dev/shm": 0o777 | os.ModeSticky}

// devices are the host's that no program does without. The runtime mounts them.
var devices = []string{"null", "zero", "full", "random", "urandom"}

var links = map[string]string{"dev/fd": "/proc/self/fd", "dev/stdin": "/proc/self/fd/0", "dev/stdout": "/proc/self/fd/1", "dev/stderr": "/proc/self/fd/2"}

// enter gives the calling thread a mount namespace of its own, from which nothing comes back, and a umask.
func enter() error {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	unix.Umask(0o022) // the thread's too: a container's user is nobody's group
	return nil
}

// build makes the container's root of what s names, on a file system that space mounts at spaceDir.
// The calling thread is in a namespace of its own.
func build(s Spec, v variant, space func() error) error {
	// Before they are covered.
	binds, err := cloneAll(s.Mounts)
	if err != nil {
		return err
	}
	defer func() {
		for _, b := range binds {
			b.from.Close()
		}
	}()
	if err := mountTmpfs(roomDir, "mode=755,size=16m"); err != nil {
		return err
	}
	for _, dir := range []string{rootDir, spaceDir, bundleDir, stateDir} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if err := mountTmpfs(rootDir, "mode=755,size=64m"); err != nil {
		return err
	}
	if err := space(); err != nil {
		return err
	}
	root, err := os.OpenRoot(rootDir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := furnish(root, s, v); err != nil {
		return err
	}
	for _, b := range binds {
		if err := b.place(root); err != nil {
			return err
		}
	}
	return seal()
}

// seal makes the root read-only. A program that this one starts at the moment, elsewhere, has our
// descriptors until it runs; while one of them is for writing, the kernel says that the mount is busy.
func seal() (err error) {
	for range 200 {
		err = unix.MountSetattr(unix.AT_FDCWD, rootDir, 0, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
		if err != unix.EBUSY {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("make the container's root read-only: %w", err)
	}
	return nil
}

func mountTmpfs(at, data string) error {
	if err := unix.Mount(overlay.SourcePrefix+"sandbox", at, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, data); err != nil {
		return fmt.Errorf("mount tmpfs on %s: %w", at, err)
	}
	return nil
}

// furnish puts into a new root all that is not the host's.
func furnish(root *os.Root, s Spec, v variant) error {
	for _, dir := range []string{"proc", "dev"} {
		if err := root.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if err := putFile(root, "sys/devices/system/cpu/online", online(v.processors)); err != nil {
		return err
	}
	for name, data := range s.Files {
		if err := putFile(root, inside(name), data); err != nil {
			return err
		}
	}
	for _, name := range devices {
		if err := putFile(root, "dev/"+name, nil); err != nil {
			return err
		}
	}
	for name, to := range links {
		if err := root.Symlink(to, name); err != nil {
			return err
		}
	}
	for dir, mode := range scratchDirs {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := bindScratch(dir, mode, int(v.uid)); err != nil {
			return err
		}
	}
	return nil
}

// bindScratch makes a directory of the bounded file system writable in the container.
func bindScratch(dir string, mode os.FileMode, uid int) error {
	from := filepath.Join(spaceDir, path.Base(dir))
	if err := os.Mkdir(from, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(from, mode); err != nil {
		return err
	}
	if err := os.Chown(from, uid, uid); err != nil {
		return err
	}
	if strings.HasPrefix(dir, "dev/") {
		return nil // the runtime's to mount
	}
	if err := unix.Mount(from, filepath.Join(rootDir, dir), "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind /%s: %w", dir, err)
	}
	return nil
}

func putFile(root *os.Root, name string, data []byte) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	return root.WriteFile(name, data, 0o555)
}

// inside is a container's path as one below its root.
func inside(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// bind is one file or directory of the host, cloned, and where it goes.
type bind struct {
	from  *os.File
	at    string
	isDir bool
}

// cloneAll clones mounts, those above others first.
func cloneAll(mounts []Mount) (all []bind, err error) {
	mounts = slices.SortedStableFunc(slices.Values(mounts), func(a, b Mount) int { return strings.Compare(inside(a.Target), inside(b.Target)) })
	for _, m := range mounts {
		b, err := clone(m)
		if err != nil {
			for _, b := range all {
				b.from.Close()
			}
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}

func clone(m Mount) (b bind, err error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, m.Source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return b, &os.PathError{Op: "open_tree", Path: m.Source, Err: err}
	}
	b = bind{from: os.NewFile(uintptr(fd), m.Source), at: inside(m.Target)}
	st, err := b.from.Stat()
	if err == nil {
		b.isDir = st.IsDir()
		err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE,
			&unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV})
	}
	if err != nil {
		b.from.Close()
		return bind{}, &os.PathError{Op: "clone", Path: m.Source, Err: err}
	}
	return b, nil
}

// place attaches what was cloned. The mount point is made where it can be; on what is mounted it must be there.
func (b bind) place(root *os.Root) error {
	if err := makePoint(root, b.at, b.isDir); err != nil {
		return err
	}
	point, err := root.OpenFile(b.at, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer point.Close()
	return overlay.Attach(b.from, point)
}

func makePoint(root *os.Root, at string, isDir bool) error {
	if st, err := root.Stat(at); err == nil && st.IsDir() == isDir {
		return nil
	}
	if isDir {
		return root.MkdirAll(at, 0o755)
	}
	if err := root.MkdirAll(path.Dir(at), 0o755); err != nil {
		return err
	}
	return root.WriteFile(at, nil, 0o444)
}

// writeBundle writes what the runtime reads.
func writeBundle(c *specs.Spec) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(bundleDir, "config.json"), text, 0o600)
}
