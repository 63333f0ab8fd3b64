//go:build linux

package overlay_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/overlaytest"
)

// Every construction that the kernel has makes the same of one snapshot, over and over with the same
// mounts, and leaves nothing in the mount table.
func TestMountConstructionsAgree(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	defer unix.Umask(unix.Umask(0o077)) // a hook's
	s := overlaytest.New(t, t.TempDir(), small)
	before := digest(t, s.Dir)
	table, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	for _, c := range append(overlay.Constructions(), overlay.Chowning()) {
		if !overlaytest.Has(c.Name()) {
			checkLacks(t, c, s)
			continue
		}
		for _, owner := range []overlay.Owner{{}, {UID: 1234, GID: 4321}, {UID: 100000, GID: 100001}} {
			image, err := c.OpenImage(s.Image, overlay.BackedByLoop)
			must(t, err)
			if owner.UID > 0xffff && (c == overlay.Chowning() || !overlaytest.Has("high owners")) {
				_, err := c.OpenTree(image, s.Objects, owner)
				if !errors.Is(err, overlay.ErrUnsupported) || !strings.Contains(err.Error(), "cannot give a snapshot's files to user 100000") {
					t.Errorf("%s, for an owner there is no room for: %v", c.Name(), err)
				}
				image.Close()
				continue
			}
			for range 2 {
				tree, err := c.OpenTree(image, s.Objects, owner)
				must(t, err)
				defer tree.Close()
				checkConstruction(t, c, tree, owner)
				checkConstruction(t, c, tree, owner)
			}
			image.Close()
		}
	}
	after, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	if string(after) != string(table) {
		t.Errorf("mount table before:\n%s\nafter:\n%s", table, after)
	}
	if digest(t, s.Dir) != before {
		t.Error("image or pool changed")
	}
}

// checkShown looks at what shows a tree, and closes it.
func checkShown(t *testing.T, c overlay.Construction, tree, shown *os.File, owner overlay.Owner) {
	t.Helper()
	defer shown.Close()
	if got := names(t, shown); got != "l manifest.json views" {
		t.Errorf("%s shows %s", c.Name(), got)
	}
	var is, want unix.Stat_t
	must(t, unix.Fstat(int(shown.Fd()), &is))
	must(t, unix.Fstat(int(tree.Fd()), &want))
	if is.Uid != want.Uid || is.Gid != want.Gid || is.Mode != want.Mode || is.Mtim != want.Mtim || int(is.Uid) != owner.UID {
		t.Errorf("%s shows a root of %d:%d %o %v, not of %d:%d %o %v", c.Name(), is.Uid, is.Gid, is.Mode, is.Mtim, want.Uid, want.Gid, want.Mode, want.Mtim)
	}
	if err := unix.Faccessat(int(shown.Fd()), "views", unix.W_OK, 0); err != unix.EROFS {
		t.Errorf("%s shows a tree that can be written: %v", c.Name(), err)
	}
}

// A label that SELinux does not have, or that a host without it is given, is refused as what it is.
func TestMountLabelRefused(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	s := overlaytest.New(t, t.TempDir(), small)
	for _, c := range overlay.Constructions() {
		if !overlaytest.Has(c.Name()) {
			continue
		}
		image, err := c.OpenImage(s.Image, overlay.BackedByLoop)
		must(t, err)
		defer image.Close()
		tree, err := c.OpenTree(image, s.Objects, overlay.Owner{})
		must(t, err)
		defer tree.Close()
		const label = "of:nobodys:making,c1"
		_, err = c.Show(tree, label)
		_, other := c.NewView(overlay.View{Tree: tree, Lowers: []string{"views/pip"}, Instance: newInstance(t, 0, 0), Source: "larder:test", Volatile: true, Label: label})
		for _, err := range []error{err, other} {
			if err == nil || !strings.Contains(err.Error(), "set context "+label) || errors.Is(err, overlay.ErrDepth) || errors.Is(err, overlay.ErrUnsupported) {
				t.Errorf("%s: %v", c.Name(), err)
			}
		}
	}
}

// checkConstruction has c use a tree in every way.
func checkConstruction(t *testing.T, c overlay.Construction, tree *os.File, owner overlay.Owner) {
	t.Helper()
	shown, err := c.Show(tree, "")
	must(t, err)
	checkShown(t, c, tree, shown, owner)
	shown, err = overlay.Cover(c, tree)
	must(t, err)
	checkShown(t, c, tree, shown, owner)
	clone, err := c.Clone(tree)
	must(t, err)
	if got := names(t, clone); !strings.Contains(got, "views") {
		t.Errorf("%s clones %s", c.Name(), got)
	}
	clone.Close()
	v := overlay.View{Tree: tree, Lowers: []string{"views/pip", "l/000000000002"}, Instance: newInstance(t, owner.UID, owner.GID), Source: "larder:test"}
	m, err := c.NewView(v)
	must(t, err)
	defer m.Close()
	dir := fmt.Sprintf("/proc/self/fd/%d", m.Fd())
	if got, err := os.ReadFile(filepath.Join(dir, "http-v2/a/b")); err != nil || string(got) != "body" {
		t.Errorf("%s: %q, %v", c.Name(), got, err)
	}
	parts, err := c.Parts(m, []string{"http-v2", "bin"})
	must(t, err)
	for i, want := range []string{"a", "two"} {
		if got := names(t, parts[i]); got != want {
			t.Errorf("%s: part %d has %s, want %s", c.Name(), i, got, want)
		}
	}
	must(t, os.WriteFile(fmt.Sprintf("/proc/self/fd/%d/new", parts[1].Fd()), nil, 0o644))
	must(t, os.Remove(dir+"/bin/new"))
	for _, p := range parts {
		must(t, p.Close())
	}
	if _, err := c.Parts(m, []string{"http-v2", "none"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: a part that is not there: %v", c.Name(), err)
	}
	fi, err := os.Stat(filepath.Join(dir, "bin/two"))
	must(t, err)
	if st := fi.Sys().(*syscall.Stat_t); (overlay.Owner{UID: int(st.Uid), GID: int(st.Gid)}) != owner {
		t.Errorf("%s: a file belongs to %d:%d, want %v", c.Name(), st.Uid, st.Gid, owner)
	}
}

// checkLacks finds that this kernel cannot, as it is said to.
func checkLacks(t *testing.T, c overlay.Construction, s overlaytest.Snapshot) {
	t.Helper()
	image, err := c.OpenImage(s.Image, overlay.BackedByLoop)
	must(t, err)
	defer image.Close()
	if _, err := c.OpenTree(image, s.Objects, overlay.Owner{}); !errors.Is(err, overlay.ErrUnsupported) && !errors.Is(err, overlay.ErrDepth) {
		t.Errorf("%s: %v, want that it is not supported", c.Name(), err)
	}
}

// names are those in the root of a mount, sorted.
func names(t *testing.T, m *os.File) string {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/self/fd/%d", m.Fd()))
	must(t, err)
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

// A bad image is an error, or comes out with what it has: nothing is read beyond its end, and no
// circle is walked for ever.
func TestChownBadImages(t *testing.T) {
	s := overlaytest.New(t, t.TempDir(), small)
	good, err := os.ReadFile(s.Image)
	must(t, err)
	for n := 0; n < len(good); n += 61 {
		_ = overlay.Chown(slices.Clone(good[:n]), overlay.Owner{UID: 7})
	}
	random := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for range 2000 {
		bad := slices.Clone(good)
		for range 1 + random.IntN(8) {
			bad[1024+random.IntN(len(bad)-1024)] = byte(random.IntN(256))
		}
		if overlay.Chown(bad, overlay.Owner{UID: 7}) != nil {
			refused++
		}
	}
	t.Logf("%d of 2000 refused", refused)
	must(t, overlay.Chown(good, overlay.Owner{UID: 7}))
}
