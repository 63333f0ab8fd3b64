//go:build linux

package overlay_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/overlaytest"
)

// newView mounts lowers of a fresh snapshot and returns where.
func newView(t *testing.T, s overlaytest.Snapshot, lowers ...string) (dir, instance string) {
	t.Helper()
	tree := openTree(t, s, overlay.AnyBacking, 0, 0)
	instance = newInstance(t, 0, 0)
	m, err := overlay.Chosen().NewView(overlay.View{Tree: tree, Lowers: lowers, Instance: instance, Source: "larder:test"})
	must(t, err)
	defer m.Close()
	return attach(t, m), instance
}

// digest is everything about a directory tree that a write could change.
func digest(t testing.TB, dir string) string {
	t.Helper()
	h := sha256.New()
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := os.Lstat(path)
		if err != nil {
			return err
		}
		sys := st.Sys().(*syscall.Stat_t)
		rel, _ := filepath.Rel(dir, path)
		fmt.Fprintln(h, rel, st.Mode(), st.Size(), sys.Uid, sys.Gid, sys.Nlink, sys.Ino, sys.Mtim, sys.Ctim)
		names := make([]byte, 4096)
		if n, err := unix.Llistxattr(path, names); err == nil {
			h.Write(names[:n])
		}
		if st.Mode().IsRegular() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			h.Write(b)
		}
		return nil
	}))
	return fmt.Sprintf("%x", h.Sum(nil))
}

// P01: everything a root process can do to a view leaves image and pool as they
// were, and the next view sees the snapshot.
func TestMountWritesStayInUpper(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	s := overlaytest.New(t, t.TempDir(), small)
	before := digest(t, s.Dir)
	dir, _ := newView(t, s, "views/pip", "l/000000000002")
	file, script := filepath.Join(dir, "http-v2/a/b"), filepath.Join(dir, "bin/two")
	var errs []string
	do := func(name string, err error) {
		if err != nil {
			errs = append(errs, name+": "+err.Error())
		}
	}
	// Read-only mappings and descriptors from before the copy-up.
	f, err := os.Open(file)
	must(t, err)
	defer f.Close()
	m, err := unix.Mmap(int(f.Fd()), 0, 4, unix.PROT_READ, unix.MAP_SHARED)
	must(t, err)
	defer unix.Munmap(m)
	if _, err := unix.Mmap(int(f.Fd()), 0, 4, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err == nil {
		t.Error("a writable shared mapping of a file opened for reading")
	}
	do("reopen for writing", func() error {
		w, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer w.Close()
		mm, err := unix.Mmap(int(w.Fd()), 0, 4, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return err
		}
		copy(mm, "EVIL")
		_ = unix.Msync(mm, unix.MS_SYNC)
		return unix.Munmap(mm)
	}())
	do("chmod", os.Chmod(script, 0o4777))
	do("chown", os.Chown(script, 1000, 1000))
	do("utimes", os.Chtimes(script, time.Unix(1, 0), time.Unix(1, 0)))
	do("setxattr", unix.Setxattr(script, "user.evil", []byte("1"), 0))
	do("truncate", os.Truncate(script, 1))
	do("append", appendTo(script))
	do("link", os.Link(file, file+"-link"))
	do("append to the link", appendTo(file+"-link"))
	do("rename", os.Rename(file, file+"-moved"))
	do("fallocate", func() error {
		w, err := os.OpenFile(script, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer w.Close()
		return unix.Fallocate(int(w.Fd()), 0, 0, 1<<20)
	}())
	do("write beside", os.WriteFile(filepath.Join(dir, "lib/python3.11/two.py"), []byte("evil"), 0o644))
	do("remove all", os.RemoveAll(filepath.Join(dir, "lib")))
	do("remove view", os.RemoveAll(filepath.Join(dir, "http-v2")))
	for _, e := range errs {
		t.Error(e)
	}
	if after := digest(t, s.Dir); after != before {
		t.Error("image or pool changed")
	}
	again, _ := newView(t, s, "views/pip", "l/000000000002")
	for name, want := range map[string]string{"http-v2/a/b": "body", "bin/two": "#!/bin/sh\n", "lib/python3.11/two.py": "two"} {
		if got, err := os.ReadFile(filepath.Join(again, name)); err != nil || string(got) != want {
			t.Errorf("the next view's %s: %q, %v", name, got, err)
		}
	}
}

func appendTo(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString("evil")
	return err
}

// Neither tree nor image can be made writable, not even by root.
func TestMountTreeStaysReadOnly(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	s := overlaytest.New(t, t.TempDir(), small)
	before := digest(t, s.Dir)
	for _, backing := range overlaytest.Backings() {
		image, err := overlay.Chosen().OpenImage(s.Image, backing)
		must(t, err)
		imageDir := attach(t, image.File)
		image.Close()
		tree := openTree(t, s, backing, 0, 0)
		clone, err := overlay.Chosen().Show(tree, "")
		must(t, err)
		treeDir := attach(t, clone)
		clone.Close()
		for _, dir := range []string{imageDir, treeDir} {
			for name, try := range map[string]func() error{
				"remount":      func() error { return unix.Mount("", dir, "", unix.MS_REMOUNT, "") },
				"remount,bind": func() error { return unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND, "") },
				"mount_setattr": func() error {
					return unix.MountSetattr(unix.AT_FDCWD, dir, 0, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV})
				},
				"remount overlay with an upper": func() error {
					return unix.Mount("overlay", dir, "overlay", unix.MS_REMOUNT, "upperdir=/tmp,workdir=/tmp")
				},
			} {
				err := try() // some of them succeed: what counts is that nothing can be written
				for _, name2 := range []string{"new", "manifest.json", "views/pip/http-v2/a/b"} {
					if f, e := os.OpenFile(filepath.Join(dir, name2), os.O_RDWR|os.O_CREATE, 0o644); e == nil {
						f.Close()
						t.Errorf("%v: after %s (%v) %s could be opened for writing", backing, name, err, name2)
					} else if !errors.Is(e, unix.EROFS) {
						t.Errorf("%v: after %s (%v): %v, want read-only file system", backing, name, err, e)
					}
				}
			}
		}
	}
	if after := digest(t, s.Dir); after != before {
		t.Error("image or pool changed")
	}
}

// B134, B135: what a container leaves in its upper to be shown other files of
// the tree, planted here directly as the kernel itself would store it.
func TestMountPlantedRedirectsAreNotFollowed(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	s := overlaytest.New(t, t.TempDir(), map[string]string{"a/pub/x": "public", "a/secret/x": "secret", "b/other/x": "other"})
	tree := openTree(t, s, overlay.AnyBacking, 0, 0)
	instance := newInstance(t, 0, 0)
	u := filepath.Join(instance, "u")
	must(t, os.Mkdir(filepath.Join(u, "redirected"), 0o755))
	must(t, unix.Setxattr(filepath.Join(u, "redirected"), "trusted.overlay.redirect", []byte("/secret"), 0))
	must(t, os.WriteFile(filepath.Join(u, "meta"), []byte("xxxxxx"), 0o644))
	must(t, unix.Setxattr(filepath.Join(u, "meta"), "trusted.overlay.metacopy", nil, 0))
	must(t, unix.Setxattr(filepath.Join(u, "meta"), "trusted.overlay.redirect", []byte("/secret/x"), 0))
	must(t, os.Mkdir(filepath.Join(u, "opaque"), 0o755))
	m, err := overlay.Chosen().NewView(overlay.View{Tree: tree, Lowers: []string{"a", "b"}, Instance: instance, Source: "larder:test"})
	must(t, err)
	defer m.Close()
	dir := attach(t, m)
	for _, name := range []string{"redirected/x", "meta"} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is readable: %q", name, b)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
	// From inside, such names are stored escaped, and mean nothing.
	must(t, os.Mkdir(filepath.Join(dir, "inside"), 0o755))
	if err := unix.Setxattr(filepath.Join(dir, "inside"), "trusted.overlay.redirect", []byte("/secret"), 0); err == nil {
		if _, err := unix.Getxattr(filepath.Join(u, "inside"), "trusted.overlay.redirect", nil); err == nil {
			t.Error("a redirect set from inside reached the upper as one")
		}
	}
}

// nosuid and nodev, whatever an upper or a layer holds.
func TestMountNoSetuidNoDevices(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	s := overlaytest.New(t, t.TempDir(), small)
	dir, _ := newView(t, s, "l/000000000002")
	var st unix.Statfs_t
	must(t, unix.Statfs(dir, &st))
	if st.Flags&unix.ST_NOSUID == 0 || st.Flags&unix.ST_NODEV == 0 {
		t.Errorf("flags %#x, want nosuid and nodev", st.Flags)
	}
	must(t, unix.Mknod(filepath.Join(dir, "null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	if f, err := os.Open(filepath.Join(dir, "null")); !errors.Is(err, unix.EACCES) {
		f.Close()
		t.Errorf("a device opens: %v", err)
	}
}

// The kernel's limits, said in our words before it says them in its own.
func TestMountFiveHundredLowers(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	files := map[string]string{}
	for n := range 501 {
		files[fmt.Sprintf("l/%012x/site-packages/p%03d", n, n)] = "x"
	}
	s := overlaytest.New(t, t.TempDir(), files)
	tree := openTree(t, s, overlay.AnyBacking, 0, 0)
	lowers := make([]string, 501)
	for n := range lowers {
		lowers[n] = fmt.Sprintf("l/%012x", n)
	}
	v := overlay.View{Tree: tree, Lowers: lowers[:500], Instance: newInstance(t, 0, 0), Source: "larder:test"}
	m, err := overlay.Chosen().NewView(v)
	must(t, err)
	defer m.Close()
	dir := attach(t, m)
	names, err := os.ReadDir(filepath.Join(dir, "site-packages"))
	if err != nil || len(names) != 500 {
		t.Errorf("%d names, %v; want 500", len(names), err)
	}
	if line := mountLine(t, dir); len(line) > 32<<10 {
		t.Errorf("mountinfo line of %d bytes", len(line))
	} else if plan := planned(v); len(line)-len(dir) > plan {
		t.Errorf("mountinfo line of %d bytes, the plan thought %d", len(line), plan)
	}
	own, err := overlay.CloneDir(t.TempDir())
	must(t, err)
	defer own.Close()
	v.Instance, v.Lowest = newInstance(t, 0, 0), own
	if _, err := overlay.Chosen().NewView(v); !errors.Is(err, overlay.ErrRefused) || !strings.Contains(err.Error(), "501 lowers") {
		t.Errorf("501 lowers: %v", err)
	}
}

// planned is what the plan thinks a view's mountinfo line takes; its limit is
// not exported, so it is found by making the source longer until it is refused.
func planned(v overlay.View) int {
	size := 256 + len(v.Source)
	for _, l := range v.Lowers {
		size += len(",lowerdir+=/") + len(l)
	}
	return size
}

// An overlay on an overlay on an overlay is refused by the kernel, without a
// word: it must come out as ErrDepth, because a caller can do without the lowest.
func TestMountTooDeep(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	s := overlaytest.New(t, t.TempDir(), small)
	tree := openTree(t, s, overlay.AnyBacking, 0, 0)
	deep, _ := newView(t, s, "views/pip")
	lowest, err := overlay.CloneDir(deep)
	must(t, err)
	defer lowest.Close()
	v := overlay.View{Tree: tree, Lowers: []string{"views/pip-old"}, Lowest: lowest, Instance: newInstance(t, 0, 0), Source: "larder:test"}
	_, err = overlay.Chosen().NewView(v)
	if !errors.Is(err, overlay.ErrDepth) {
		t.Errorf("error %v, want ErrDepth", err)
	}
	t.Log(err)
	v.Lowest = nil
	m, err := overlay.Chosen().NewView(v)
	must(t, err)
	m.Close()
	// An upper on an overlay is no better.
	must(t, os.Mkdir(filepath.Join(deep, "u"), 0o755))
	must(t, os.Mkdir(filepath.Join(deep, "w"), 0o755))
	v.Instance = deep
	_, err = overlay.Chosen().NewView(v)
	if err == nil {
		t.Error("an upper on an overlay was taken")
	}
	t.Log(err)
}

func TestMountBadImages(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	dir := t.TempDir()
	s := overlaytest.New(t, t.TempDir(), small)
	must(t, os.WriteFile(filepath.Join(dir, "empty"), nil, 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "junk"), make([]byte, 64<<10), 0o644))
	good, err := os.ReadFile(s.Image)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "short"), good[:1100], 0o644)) // its superblock is whole
	must(t, os.WriteFile(filepath.Join(dir, "cut"), good[:len(good)-1], 0o644))
	must(t, os.Symlink(s.Image, filepath.Join(dir, "link")))
	must(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o644))
	must(t, os.Mkdir(filepath.Join(dir, "dir"), 0o755))
	for _, name := range []string{"empty", "junk", "short", "cut", "link", "fifo", "dir", "missing"} {
		for _, backing := range append(overlaytest.Backings(), overlay.AnyBacking) {
			m, err := overlay.Chosen().OpenImage(filepath.Join(dir, name), backing)
			if err == nil {
				m.Close()
				t.Errorf("%s, %v: mounted", name, backing)
				continue
			}
			if damaged := slices.Contains([]string{"empty", "short", "cut", "fifo", "dir"}, name); damaged != errors.Is(err, overlay.ErrDamaged) {
				t.Errorf("%s, %v: %v", name, backing, err)
			}
			if strings.Contains(err.Error(), "\n") || len(err.Error()) > 400 {
				t.Errorf("%s, %v: not one line: %v", name, backing, err)
			}
			t.Log(err)
		}
	}
	// A long path must not be cut by the kernel's 255 bytes for a parameter.
	long := filepath.Join(t.TempDir(), strings.Repeat("d", 200), strings.Repeat("e", 200))
	must(t, os.MkdirAll(long, 0o755))
	must(t, os.WriteFile(filepath.Join(long, "image"), good, 0o644))
	for _, backing := range overlaytest.Backings() {
		m, err := overlay.Chosen().OpenImage(filepath.Join(long, "image"), backing)
		must(t, err)
		m.Close()
	}
}

// Whoever may open files by handle (CAP_DAC_READ_SEARCH) gets none of ours that way, in a view or in
// the tree.
func TestMountNoFileHandles(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	s := overlaytest.New(t, t.TempDir(), small)
	view, _ := newView(t, s, "views/pip")
	clone, err := overlay.Chosen().Show(openTree(t, s, overlay.AnyBacking, 0, 0), "")
	must(t, err)
	defer clone.Close()
	for name, dir := range map[string]string{"http-v2/a/b": view, "views/pip/http-v2/a/b": attach(t, clone)} {
		const atHandleFID = 0x200 // AT_HANDLE_FID: since Linux 6.6 a handle that only tells files apart
		for _, flags := range []int{0, atHandleFID} {
			handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, filepath.Join(dir, name), flags)
			if flags == 0 && !errors.Is(err, unix.EOPNOTSUPP) {
				t.Errorf("a handle of %s: %v, want not supported", name, err)
			}
			if err != nil {
				continue
			}
			at, err := os.Open(dir)
			must(t, err)
			fd, err := unix.OpenByHandleAt(int(at.Fd()), handle, unix.O_RDONLY)
			if err == nil {
				unix.Close(fd)
				t.Errorf("%s opens by its handle", name)
			}
			must(t, at.Close())
		}
	}
}
