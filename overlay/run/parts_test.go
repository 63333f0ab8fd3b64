//go:build linux

package run_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/instance"
	"larder/overlay/overlaytest"
	"larder/overlay/run"
)

// newParts is a world with an environment of three parts: in the lock's directory, in p/a and in p/b of it, which are
// there. It returns that directory.
func newParts(t *testing.T) (w *world, dir string) {
	t.Helper()
	w, at := chestOf(t, "at chest\nat p/a/chest\nat p/b/chest\nduck 1 aa in:0/duck\n",
		map[string]string{"0/duck/sound": "quack\n", "1/duck/sound": "honk\n", "2/frog/sound": "ribbit\n"})
	for _, d := range []string{"p/a", "p/b"} {
		must(t, os.MkdirAll(filepath.Join(filepath.Dir(at), d), 0o755))
	}
	return w, filepath.Dir(at)
}

// found lists what is below a directory, but for locks.
func found(t *testing.T, dir string) string {
	t.Helper()
	out, err := exec.Command("find", dir, "-mindepth", "1", "!", "-name", "*.lock", "-printf", "%P\n").Output()
	must(t, err)
	return strings.Join(strings.Fields(string(out)), " ")
}

// Each part is mounted by itself, and nothing is left of them.
func TestMountRunParts(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	w, dir := newParts(t)
	const script = ` && find . -name '*.lock' -o -print | LC_ALL=C sort | tr '\n' ' ' && cat chest/duck/sound p/*/chest/*/sound && test $(stat -c %Y p/a/chest) = $(stat -c %Y $LARDER_VIEW/e/00000000000c/1) &&
		echo new > p/a/chest/new && rm -r p/b/chest/frog && ls p/a/chest p/b/chest chest`
	const want = ". ./chest ./chest/duck ./chest/duck/sound ./p ./p/a ./p/a/chest ./p/a/chest/duck ./p/a/chest/duck/sound ./p/b ./p/b/chest ./p/b/chest/frog ./p/b/chest/frog/sound quack\nhonk\nribbit\n" +
		"chest:\nduck\n\np/a/chest:\nduck\nnew\n\np/b/chest:\n"
	for range 2 {
		out, r := w.sh("cd " + dir + script)
		if n := len(r.Mounts); out != want || r.Status != 0 || n < 3 || r.Mounts[n-2].UpperFiles != 1 || r.Mounts[n-3].UpperFiles != 0 {
			t.Errorf("status %d, output %q, want %q, %+v", r.Status, out, want, r.Mounts)
		}
		if left := found(t, dir); left != "p p/a p/b" && left != "p p/b p/a" {
			t.Errorf("left: %s", left)
		}
	}
	// What is there is hidden, and stays.
	must(t, os.Mkdir(dir+"/p/a/chest", 0o755))
	must(t, os.WriteFile(dir+"/p/a/chest/mine", nil, 0o644))
	if out, r := w.sh("ls " + dir + "/p/a/chest"); out != "duck\n" || r.Status != 0 {
		t.Errorf("status %d, %q", r.Status, out)
	}
	if left := found(t, dir); !strings.Contains(left, "p/a/chest/mine") || strings.Contains(left, "p/b/") {
		t.Errorf("left: %s", left)
	}
	must(t, os.RemoveAll(dir+"/p/a/chest"))

	// A kept instance has all of them, also when a part comes later.
	must(t, os.Rename(dir+"/p/b", dir+"/b"))
	kept := filepath.Join(t.TempDir(), "kept")
	for i, want := range []string{"duck\n", "duck\nnew\nfrog\n"} {
		k, err := instance.Keep(kept)
		must(t, err)
		w.c.Instance = k
		out, _ := w.sh("cd " + dir + "/p && ls a/chest && echo >a/chest/new && if test -d b; then ls b/chest; fi")
		if k.Close(); out != want {
			t.Errorf("run %d: %q, want %q", i, out, want)
		}
		w.c.Instance = nil
		if i == 0 {
			if len(w.warnings) != 1 || w.warnings[0] != "without the toy box of p/b: not there" {
				t.Errorf("%q", w.warnings)
			}
			must(t, os.Rename(dir+"/b", dir+"/p/b"))
		}
	}
}

// What is not what it has to be is refused in one line, with nothing mounted or made.
func TestMountRunPartsRefused(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	for setup, want := range map[string]string{
		"rm -r p/a; ln -s ../out p/a":                        "p/a\", where an environment is to be mounted, is a symbolic link, or lies behind one",
		"rm -r p; ln -s out p; mkdir out/a out/b":            "p/a\", where an environment is to be mounted, is a symbolic link, or lies behind one",
		"ln -s ../../out p/b/chest":                          "p/b/chest\", where an environment is to be mounted, is a symbolic link, or lies behind one",
		"ln -s ../../out/new p/b/chest":                      "p/b/chest\", where an environment is to be mounted, is a symbolic link, or lies behind one",
		"rm -r p/b; echo >p/b":                               "p/b\", where an environment is to be mounted in, is no directory",
		"rm -r p; echo >p":                                   "p/a\", where an environment is to be mounted in, is no directory",
		"echo >p/b/chest":                                    "/p/b/chest: not a directory",
		"mkdir -p p/b/chest/x; mount -t tmpfs x p/b/chest/x": "below the mount point",
	} {
		w, dir := newParts(t)
		must(t, os.Mkdir(dir+"/out", 0o755))
		if out, err := exec.Command("sh", "-ec", "cd "+dir+"; "+setup).CombinedOutput(); err != nil {
			t.Fatalf("%s: %s", out, err)
		}
		before := found(t, dir)
		i, err := instance.Create(filepath.Join(t.TempDir(), "instance"))
		must(t, err)
		w.c.Instance = i
		if _, _, err := w.try("true"); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", setup, err)
		}
		i.Close()
		if after := found(t, dir); after != before {
			t.Errorf("%s: %s, and before it was %s", setup, after, before)
		}
		// Where nobody insists, the command has none of them.
		w.c.Required, w.c.Instance = false, nil
		if out, r := w.sh("ls -d " + dir + "/chest || true"); out != "" || r.Status != 0 || len(w.warnings) != 1 {
			t.Errorf("%s: status %d, %q, %q", setup, r.Status, out, w.warnings)
		}
		_ = unix.Unmount(dir+"/p/b/chest/x", unix.MNT_DETACH)
	}
	// A lock that names what is no path below its own directory.
	for _, at := range []string{"../x/chest", "/x/chest", "p/../../x/chest"} {
		w, dir := chestOf(t, "at chest\nat "+at+"\nduck 1 aa in:0/duck\n", map[string]string{"0/duck/sound": "quack\n", "1/duck/sound": "honk\n"})
		i, err := instance.Create(filepath.Join(t.TempDir(), "instance"))
		must(t, err)
		w.c.Instance = i
		if _, _, err := w.try("true"); err == nil || !strings.Contains(err.Error(), "is no path below") {
			t.Errorf("%s: %v", at, err)
		}
		i.Close()
		if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", at, err)
		}
	}
}

// Links on the way to the lock's directory are another thing.
func TestMountRunPartsBehindLink(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	w, dir := newParts(t)
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(dir, link))
	w.c.Locks.Beside = link
	if out, r := w.sh("cat " + link + "/p/a/chest/duck/sound " + dir + "/chest/duck/sound"); out != "honk\nquack\n" || r.Status != 0 {
		t.Errorf("status %d, output %q", r.Status, out)
	}
	// And so is one at the environment's own place, which is root's.
	must(t, os.Mkdir(dir+"/real", 0o755))
	must(t, os.Symlink("real", dir+"/chest"))
	if out, r := w.sh("cat " + dir + "/p/a/chest/duck/sound " + dir + "/real/duck/sound"); out != "honk\nquack\n" || r.Status != 0 {
		t.Errorf("status %d, output %q", r.Status, out)
	}
}

// Another user owns all parts; where that user may not make one, there is none.
func TestMountRunPartsAsAnotherUser(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	w, dir := newParts(t)
	w.c.User = run.User{Name: "someone", Home: w.home, Owner: overlay.Owner{UID: 12345, GID: 54321}, Groups: []int{54321}, Switch: true}
	for d := dir; d != "/tmp" && d != "/"; d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	for _, d := range []string{w.home, dir, dir + "/p/a"} {
		must(t, os.Chown(d, 12345, 54321))
	}
	w.c.Required = false
	if out, r := w.sh("ls -d " + dir + "/chest || true"); out != "" || r.Status != 0 || len(w.warnings) != 1 || !strings.Contains(w.warnings[0], "p/b/chest") || !strings.Contains(w.warnings[0], "permission denied") {
		t.Errorf("in root's directory: status %d, output %q, %q", r.Status, out, w.warnings)
	}
	must(t, os.Chown(dir+"/p/b", 12345, 54321))
	w.c.Required = true
	if out, r := w.sh("cd " + dir + " && cat p/a/chest/duck/sound && echo new >p/a/chest/duck/new && stat -c %u chest p/a/chest p/a/chest/duck/sound p/a/chest/duck/new p/b/chest"); out != "honk\n"+strings.Repeat("12345\n", 5) || r.Status != 0 {
		t.Errorf("status %d, output %q", r.Status, out)
	}
	if left := found(t, dir); strings.Contains(left, "chest") {
		t.Errorf("left: %s", left)
	}
}

func TestMountRunPartsTogether(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	w, dir := newParts(t)
	together(t, w, dir+"/p/a/chest", "honk\n")
	if left := found(t, dir); strings.Contains(left, "chest") && !strings.Contains(left, "p/a/chest") {
		t.Errorf("left: %s", left)
	}
}
