//go:build linux

package overlay_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/overlaytest"
)

// blocks is what a directory takes on disk, in bytes.
func blocks(t *testing.T, dir string) (n int64) {
	t.Helper()
	must(t, filepath.Walk(dir, func(_ string, fi os.FileInfo, err error) error {
		if err == nil {
			n += fi.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return err
	}))
	return n
}

// pip removes a package by moving its directories aside first. In a view that is
// thrown away that copies nothing; in one that is kept it is refused, as ever.
func TestMountMovesDirectories(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	files := map[string]string{"b/site/pkg/beside.py": "beside"}
	for n := range 8 {
		files[fmt.Sprintf("a/site/pkg/sub%d/lib.so", n)] = strings.Repeat("x", 1<<20)
	}
	s := overlaytest.New(t, t.TempDir(), files)
	before := digest(t, s.Dir)
	v := overlay.View{Tree: openTree(t, s, overlay.AnyBacking, 0, 0), Lowers: []string{"a", "b"}, Instance: newInstance(t, 0, 0), Source: "larder:test", Volatile: true}
	m, err := overlay.Chosen().NewView(v)
	must(t, err)
	defer m.Close()
	dir := attach(t, m)
	must(t, os.Rename(dir+"/site/pkg", dir+"/site/~kg"))
	must(t, os.Rename(dir+"/site/~kg/sub7", dir+"/moved"))
	for _, name := range []string{"site/~kg/sub0/lib.so", "site/~kg/beside.py", "moved/lib.so"} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || len(b) == 0 {
			t.Errorf("%s after the move: %d bytes, %v", name, len(b), err)
		}
	}
	if _, err := os.Stat(dir + "/site/pkg"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still where it was: %v", err)
	}
	must(t, os.RemoveAll(dir+"/site/~kg"))
	must(t, os.Mkdir(dir+"/site/pkg", 0o755))
	if names, err := os.ReadDir(dir + "/site/pkg"); err != nil || len(names) != 0 {
		t.Errorf("the old package shows in a new directory of its name: %v, %v", names, err)
	}
	if n := blocks(t, v.Instance+"/u"); n > 256<<10 {
		t.Errorf("the upper takes %d bytes after 8 MiB were moved and removed", n)
	}
	if after := digest(t, s.Dir); after != before {
		t.Error("image or pool changed")
	}

	v.Volatile, v.Instance = false, newInstance(t, 0, 0)
	kept, err := overlay.Chosen().NewView(v)
	must(t, err)
	defer kept.Close()
	if err := os.Rename(attach(t, kept)+"/site/pkg", dir+"/site/~kg"); !errors.Is(err, unix.EXDEV) {
		t.Errorf("a rename in a view that is kept: %v, want EXDEV", err)
	}
}

// What is followed is the kernel's own: an upper that holds anything already is
// refused, what a container sets is stored as another name, and what its own
// directory below holds points nowhere.
func TestMountMovesFollowNothingPlanted(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	s := overlaytest.New(t, t.TempDir(), map[string]string{"a/pub/x": "public", "a/secret/x": "secret", "b/other/x": "other"})
	v := overlay.View{Tree: openTree(t, s, overlay.AnyBacking, 0, 0), Lowers: []string{"a", "b"}, Source: "larder:test", Volatile: true}

	v.Instance = newInstance(t, 0, 0)
	must(t, os.Mkdir(v.Instance+"/u/redirected", 0o755))
	must(t, unix.Setxattr(v.Instance+"/u/redirected", "trusted.overlay.redirect", []byte("/secret"), 0))
	if m, err := overlay.Chosen().NewView(v); !errors.Is(err, overlay.ErrRefused) {
		m.Close()
		t.Errorf("an upper with a redirect in it: %v, want a refusal", err)
	}

	own := t.TempDir()
	must(t, os.Mkdir(own+"/planted", 0o755))
	must(t, unix.Setxattr(own+"/planted", "trusted.overlay.redirect", []byte("/secret"), 0))
	must(t, os.MkdirAll(own+"/private/inner", 0o700))
	must(t, os.WriteFile(own+"/private/inner/x", []byte("private"), 0o644))
	must(t, os.WriteFile(own+"/hidden", []byte("hidden"), 0o644))
	must(t, os.Chmod(own, 0o777))
	lowest, err := overlay.CloneDir(own)
	must(t, err)
	defer lowest.Close()
	v.Instance, v.Lowest, v.Mask = newInstance(t, 0, 0), lowest, true
	must(t, os.Mkdir(v.Instance+"/m", 0o755))
	must(t, unix.Mknod(v.Instance+"/m/hidden", unix.S_IFCHR, 0))
	must(t, os.Chmod(v.Instance+"/u", 0o777))
	m, err := overlay.Chosen().NewView(v)
	must(t, err)
	defer m.Close()
	dir := attach(t, m)
	for d := filepath.Dir(dir); d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	must(t, os.Mkdir(dir+"/inside", 0o755))
	for _, name := range []string{"trusted.overlay.redirect", "user.overlay.redirect"} {
		if err := unix.Setxattr(dir+"/inside", name, []byte("/secret"), 0); err != nil {
			t.Logf("%s: %v", name, err)
		}
	}
	if _, err := unix.Getxattr(v.Instance+"/u/inside", "trusted.overlay.redirect", nil); err == nil {
		t.Error("a redirect set from inside reached the upper as one")
	}
	must(t, os.Rename(dir+"/planted", dir+"/planted2"))
	must(t, os.Rename(dir+"/inside", dir+"/inside2"))
	for _, name := range []string{"planted2", "inside2"} {
		if names, err := os.ReadDir(filepath.Join(dir, name)); err != nil || len(names) != 0 {
			t.Errorf("%s: %v, %v", name, names, err)
		}
	}
	// Another user sees no more by moving what it may move, and what a mask hides stays hidden.
	sh := exec.Command("sh", "-c", `cd "$0" && mv private mine && ! mv mine/inner . 2>/dev/null && ! cat mine/inner/x 2>/dev/null && ! cat hidden 2>/dev/null`, dir)
	sh.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12345}}
	if out, err := sh.CombinedOutput(); err != nil {
		t.Errorf("as another user: %v %s", err, out)
	}
}
