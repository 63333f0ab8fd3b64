//go:build linux

package keep_test

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/keep"
	"larder/overlay/overlaytest"
)

var bob = overlay.Owner{UID: 1001, GID: 1001}

// as runs a shell command as a user.
func as(o overlay.Owner, script string, args ...string) (string, error) {
	cmd := exec.Command("sh", append([]string{"-c", script, "sh"}, args...)...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(o.UID), Gid: uint32(o.GID)}}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// openUp lets other users go to a test's directory, as they can to /run.
func openUp(t *testing.T, dir string) {
	for ; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		must(t, os.Chmod(dir, 0o755))
	}
}

// A user gets at the tree of that user's own, finds it, and nobody else does; nothing else of what
// is kept can be reached.
func TestMountShared(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	d, s := fixture(t)
	s.Note = []byte("{}")
	openUp(t, filepath.Dir(string(d)))
	if _, err := d.Shared(bob.UID, s.Objects, "current"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("before anything is mounted:", err)
	}
	must(t, d.Mount(t.Context(), s, bob))
	got, err := d.Shared(bob.UID, s.Objects, "current")
	must(t, err)
	if got.ID != id || string(got.Note) != "{}" {
		t.Errorf("%+v", got)
	}
	if out, err := as(bob, `cat "$1/views/pip/a" && ls "$2"`, got.Tree, filepath.Dir(filepath.Dir(got.Tree))); err != nil || !strings.HasPrefix(out, "a") || !strings.Contains(out, "current") {
		t.Error(out, err)
	}
	for _, o := range []overlay.Owner{{UID: 1002, GID: 1001}, {UID: 1002, GID: 1002}} {
		if out, err := as(o, `cat "$1/views/pip/a"`, got.Tree); err == nil {
			t.Errorf("%v reads it: %s", o, out)
		}
	}
	for _, path := range []string{"snapshots/" + id + "/tree", "users"} {
		if out, err := as(bob, `ls "$1"`, filepath.Join(string(d), path)); err == nil {
			t.Errorf("%s is open to anybody: %s", path, out)
		}
	}
	tree, how, err := d.Open(got, bob, overlay.AnyBacking)
	must(t, err)
	tree.Close()
	if how != keep.FromTree {
		t.Error(how)
	}
	// Another store's is not found, nor what nobody kept.
	for _, c := range [][2]string{{s.Objects + "-other", "current"}, {s.Objects, "ffffffffffffffff"}, {s.Objects, "../../x"}, {s.Objects, ""}} {
		if _, err := d.Shared(bob.UID, c[0], c[1]); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", c, err)
		}
	}
	must(t, d.UnmountAll(t.Context(), s.Objects))
	if left, err := filepath.Glob(string(d) + "/users/*"); err != nil || len(left) > 0 || len(kept(t, d)) > 0 {
		t.Errorf("left: %v, %v, %v", left, kept(t, d), err)
	}
}

// What was asked for as current is found as such; another one is by its id only.
func TestMountSharedCurrent(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	d, s := fixture(t)
	other := s
	other.ID, other.Stays = "fedcba9876543210", true
	must(t, d.Mount(t.Context(), other, bob))
	for ref, want := range map[string]string{"current": other.ID, "fedcba98": other.ID} { // the only one
		if got, err := d.Shared(bob.UID, s.Objects, ref); err != nil || got.ID != want {
			t.Errorf("%s: %s, %v", ref, got.ID, err)
		}
	}
	must(t, d.Mount(t.Context(), s, bob))
	for ref, want := range map[string]string{"current": id, "fedcba98": other.ID, "01234567": id} {
		if got, err := d.Shared(bob.UID, s.Objects, ref); err != nil || got.ID != want {
			t.Errorf("%s: %s, %v", ref, got.ID, err)
		}
	}
	must(t, d.Unmount(t.Context(), id, s.Objects))
	if got, err := d.Shared(bob.UID, s.Objects, "current"); err != nil || got.ID != other.ID {
		t.Error(got.ID, err)
	}
	third := s
	third.ID, third.Stays = "aaaaaaaaaaaaaaaa", true
	must(t, d.Mount(t.Context(), third, bob))
	if _, err := d.Shared(bob.UID, s.Objects, "current"); !errors.Is(err, overlay.ErrRefused) {
		t.Error("one of two was guessed:", err)
	}
	must(t, d.UnmountAll(t.Context(), s.Objects))
}

// What a user's namespace got of the mounts goes from it when the host lets go, though it is locked
// there: else a long command would keep every snapshot that was there at its start.
func TestMountSharedGoesEverywhere(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	for _, propagation := range []string{"private", "shared"} {
		t.Run(propagation, func(t *testing.T) {
			must(t, unix.Mount("", "/", "", map[string]uintptr{"private": unix.MS_PRIVATE, "shared": unix.MS_SHARED}[propagation]|unix.MS_REC, ""))
			d, s := fixture(t)
			must(t, d.Mount(t.Context(), s, bob))
			before := len(kept(t, d))
			cmd := exec.Command("sh", "-c", `grep -c "$1/[^ ]*/" /proc/self/mountinfo; read line; grep -c "$1/[^ ]*/" /proc/self/mountinfo`, "sh", string(d))
			ids := []syscall.SysProcIDMap{{HostID: bob.UID, Size: 1}}
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS, UidMappings: ids, GidMappings: ids}
			in, err := cmd.StdinPipe()
			must(t, err)
			out, err := cmd.StdoutPipe()
			must(t, err)
			must(t, cmd.Start())
			r := bufio.NewReader(out)
			if line, err := r.ReadString('\n'); err != nil || line == "0\n" || before == 0 {
				t.Fatal("it sees nothing of the host's:", line, before, err)
			}
			must(t, d.UnmountAll(t.Context(), s.Objects))
			if n := loops(t, s.Image); n != 0 {
				t.Errorf("%d loop devices are kept", n)
			}
			_, err = io.WriteString(in, "\n")
			must(t, err)
			if line, err := r.ReadString('\n'); err != nil || line != "0\n" {
				t.Errorf("it still sees %q, %v", line, err)
			}
			_ = cmd.Wait() // grep found nothing
		})
	}
}
