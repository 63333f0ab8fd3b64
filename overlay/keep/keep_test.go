//go:build linux

package keep_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/keep"
	"larder/overlay/overlaytest"
)

const id = "0123456789abcdef"

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func fixture(t testing.TB) (keep.Dir, keep.Snapshot) {
	s := overlaytest.New(t, t.TempDir(), map[string]string{"views/pip/a": "a"})
	return keep.Dir(filepath.Join(t.TempDir(), "run")), keep.Snapshot{ID: id, Image: s.Image, Objects: s.Objects}
}

// kept returns the mount points below a run directory.
func kept(t testing.TB, d keep.Dir) map[string]*mountinfo.Info {
	t.Helper()
	all, err := mountinfo.GetMounts(mountinfo.PrefixFilter(string(d)))
	must(t, err)
	m := map[string]*mountinfo.Info{}
	for _, i := range all {
		m[strings.TrimPrefix(i.Mountpoint, string(d)+"/snapshots/"+id+"/")] = i
	}
	return m
}

func loops(t testing.TB, image string) int {
	t.Helper()
	names, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	must(t, err)
	n := 0
	for _, name := range names {
		if b, err := os.ReadFile(name); err == nil && strings.TrimSpace(string(b)) == image {
			n++
		}
	}
	return n
}

func openHow(t testing.TB, d keep.Dir, s keep.Snapshot, o overlay.Owner, want keep.How) {
	t.Helper()
	tree, how, err := d.Open(s, o, overlay.AnyBacking)
	must(t, err)
	defer tree.Close()
	if how != want {
		t.Errorf("tree for %v is from %q, want %q", o, how, want)
	}
	var st unix.Stat_t
	must(t, unix.Fstatat(int(tree.Fd()), "views/pip/a", &st, 0))
	if int(st.Uid) != o.UID || int(st.Gid) != o.GID {
		t.Errorf("owner of a file is %d:%d, want %v", st.Uid, st.Gid, o)
	}
}

// fromFile is where a tree comes from that nobody kept.
func fromFile() keep.How {
	if overlaytest.Has("file images") {
		return keep.FromFile
	}
	return keep.FromLoop
}

func TestMountKeepAndLetGo(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	// Like a host's: whatever is mounted shows in every peer.
	must(t, unix.Mount("", "/", "", unix.MS_SHARED|unix.MS_REC, ""))
	d, s := fixture(t)
	alice := overlay.Owner{UID: 1000, GID: 100}
	must(t, d.UnmountAll(t.Context(), s.Objects)) // nothing there: no error, nothing made
	if _, err := os.Stat(string(d)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("unmount made the run directory: %v", err)
	}
	openHow(t, d, s, overlay.Owner{}, fromFile())

	must(t, d.Mount(t.Context(), s))
	openHow(t, d, s, overlay.Owner{}, keep.FromTree)
	openHow(t, d, s, alice, keep.FromImage)
	must(t, d.Mount(t.Context(), s, alice))
	openHow(t, d, s, alice, keep.FromTree)
	must(t, d.Mount(t.Context(), s, alice))
	m := kept(t, d)
	if len(m) != 5 || m["image"] == nil || m["tree"] == nil || m["tree-1000-100"] == nil || m[string(d)+"/users/1000/"+id+"/tree"] == nil {
		t.Errorf("mounted: %v", m)
	}
	for name, i := range m {
		if !strings.HasPrefix(i.Optional, "shared:") || strings.Contains(i.Optional, " ") {
			t.Errorf("%s would stay in other namespaces: %s", name, i.Optional)
		}
		if strings.Contains(i.Source+i.VFSOptions, s.Image) || strings.Contains(i.VFSOptions, s.Objects) {
			t.Errorf("%s shows a path of the store: %s %s", name, i.Source, i.VFSOptions)
		}
	}
	if n := loops(t, s.Image); n != 1 {
		t.Errorf("%d loop devices, want 1", n)
	}

	tree, _, err := d.Open(s, alice, overlay.AnyBacking)
	must(t, err)
	must(t, d.Unmount(t.Context(), id, s.Objects))
	must(t, d.Unmount(t.Context(), id, s.Objects))
	if ids, err := d.List(s.Objects); err != nil || len(ids) != 0 {
		t.Errorf("kept after unmount: %v, %v", ids, err)
	}
	if m := kept(t, d); len(m) != 0 {
		t.Errorf("mounted after the last unmount: %v", m)
	}
	// A clone goes on working, and holds the device until it goes.
	if _, err := os.ReadFile("/proc/self/fd/" + strconv.Itoa(int(tree.Fd())) + "/views/pip/a"); err != nil {
		t.Errorf("read through a clone after unmount: %v", err)
	}
	tree.Close()
	if n := loops(t, s.Image); n != 0 {
		t.Errorf("%d loop devices left, want 0", n)
	}
	must(t, d.UnmountAll(t.Context(), s.Objects))
	if m := kept(t, d); len(m) != 0 {
		t.Errorf("still mounted: %v", m)
	}
}

func TestMountKeepRepairs(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	d, s := fixture(t)
	dir := filepath.Join(string(d), "snapshots", id)
	for name, damage := range map[string]func(){
		"only directories":   func() { must(t, os.MkdirAll(dir+"/tree", 0o755)) },
		"image gone":         func() { must(t, d.Mount(t.Context(), s)); must(t, unix.Unmount(dir+"/image", 0)) },
		"tree gone":          func() { must(t, d.Mount(t.Context(), s)); must(t, unix.Unmount(dir+"/tree", 0)) },
		"a stranger's":       func() { must(t, d.Mount(t.Context(), s)); must(t, unix.Mount("tmpfs", dir+"/tree", "tmpfs", 0, "")) },
		"not a mount at all": func() { must(t, os.MkdirAll(dir, 0o755)) },
	} {
		t.Run(name, func(t *testing.T) {
			damage()
			openHow(t, d, s, overlay.Owner{UID: 7, GID: 7}, map[bool]keep.How{true: keep.FromImage, false: fromFile()}[name == "tree gone" || name == "a stranger's"])
			must(t, d.Mount(t.Context(), s))
			openHow(t, d, s, overlay.Owner{}, keep.FromTree)
			must(t, d.UnmountAll(t.Context(), s.Objects))
			if m := kept(t, d); len(m) != 0 {
				t.Errorf("still mounted: %v", m)
			}
			if n := loops(t, s.Image); n != 0 {
				t.Errorf("%d loop devices left", n)
			}
		})
	}
	t.Cleanup(func() { must(t, d.UnmountAll(t.Context(), s.Objects)) })
	if err := d.Mount(t.Context(), keep.Snapshot{ID: "../../etc", Image: s.Image, Objects: s.Objects}); err == nil {
		t.Error("an id with a path in it was taken")
	}
	if err := d.Mount(t.Context(), keep.Snapshot{ID: id, Image: s.Image + "-missing", Objects: s.Objects}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing image: %v", err)
	}
}

func TestMountKeepAtOnce(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	d, s := fixture(t)
	var wg sync.WaitGroup
	for n := range 12 {
		wg.Go(func() {
			for range 4 {
				if err := d.Mount(t.Context(), s, overlay.Owner{UID: 1000 + n%2, GID: 1}); err != nil {
					t.Error("mount:", err)
				}
				if tree, _, err := d.Open(s, overlay.Owner{UID: 1000, GID: 1}, overlay.AnyBacking); err != nil {
					t.Error("open:", err)
				} else {
					tree.Close()
				}
				if n%3 == 0 {
					if err := d.Unmount(t.Context(), id, s.Objects); err != nil {
						t.Error("unmount:", err)
					}
				}
			}
		})
	}
	wg.Wait()
	must(t, d.UnmountAll(t.Context(), s.Objects))
	if m := kept(t, d); len(m) != 0 {
		t.Errorf("still mounted: %v", m)
	}
	if n := loops(t, s.Image); n != 0 {
		t.Errorf("%d loop devices left", n)
	}
}

// The same snapshot of another store, whose pool may be gone, is not used.
func TestMountKeepOtherPool(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	d, s := fixture(t)
	must(t, d.Mount(t.Context(), s))
	_, other := fixture(t)
	must(t, os.RemoveAll(s.Objects))
	openHow(t, d, other, overlay.Owner{}, fromFile())
	must(t, d.Mount(t.Context(), other))
	openHow(t, d, other, overlay.Owner{}, keep.FromTree)
	if m := kept(t, d); len(m) != 3 {
		t.Errorf("mounted: %v", m)
	}
	if n := loops(t, s.Image); n != 0 {
		t.Errorf("%d loop devices left of the first", n)
	}
	must(t, d.UnmountAll(t.Context(), other.Objects))
}

// Two stores on one host: each lets go of its own mounts only, also when its
// pool is gone.
func TestMountKeepTwoStores(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	d, a := fixture(t)
	_, b := fixture(t)
	b.ID = strings.Repeat("b", 64)
	must(t, d.Mount(t.Context(), a))
	must(t, d.Mount(t.Context(), b))
	openHow(t, d, a, overlay.Owner{}, keep.FromTree)
	openHow(t, d, b, overlay.Owner{}, keep.FromTree)
	for ref, want := range map[string]string{a.ID: a.ID, a.ID[:8]: a.ID, a.ID[:7]: "", b.ID: "", "current": ""} {
		if id, err := d.Find(a.Objects, ref); err != nil || id != want {
			t.Errorf("find %s: %q, %v, want %q", ref, id, err, want)
		}
	}
	if ids, err := d.List(a.Objects); err != nil || !slices.Equal(ids, []string{a.ID}) {
		t.Errorf("the first has %v, %v", ids, err)
	}
	must(t, d.Unmount(t.Context(), b.ID, a.Objects))
	must(t, os.RemoveAll(a.Objects))
	must(t, d.UnmountAll(t.Context(), a.Objects))
	openHow(t, d, b, overlay.Owner{}, keep.FromTree)
	if n := loops(t, a.Image); n != 0 {
		t.Errorf("%d loop devices left of the first", n)
	}
	must(t, d.UnmountAll(t.Context(), b.Objects))
	if m := kept(t, d); len(m) != 0 {
		t.Errorf("still mounted: %v", m)
	}
}
