//go:build linux

package overlay_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/instance"
	"larder/overlay/overlaytest"
)

// An upper is in use while anything needs its mount: one that is attached nowhere, one that was
// unmounted under an open file, one of a namespace whose maker is dead. Asking changes nothing.
func TestMountUpperInUse(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	s := overlaytest.New(t, t.TempDir(), small)
	for _, volatile := range []bool{false, true} {
		inst := filepath.Join(t.TempDir(), "i")
		made, err := instance.Create(inst)
		must(t, err)
		dir, _, err := made.Add("pip", nil, overlay.Owner{}, 0o755)
		must(t, err)
		must(t, made.Close())
		is := func(want bool, when string) {
			t.Helper()
			before := digest(t, inst)
			for what, ask := range map[string]func() (bool, error){
				"upper":    func() (bool, error) { return overlay.Chosen().UpperInUse(dir + "/u") },
				"instance": func() (bool, error) { return instance.Mounted(inst) },
			} {
				if got, err := ask(); err != nil || got != want {
					t.Errorf("volatile %v, %s: %s in use: %v, %v", volatile, when, what, got, err)
				}
			}
			if digest(t, inst) != before {
				t.Errorf("%s: asking changed the instance", when)
			}
		}
		is(false, "never mounted")
		m, err := overlay.Chosen().NewView(overlay.View{Tree: openTree(t, s, overlay.AnyBacking, 0, 0), Lowers: []string{"views/pip"},
			Instance: dir, Source: "larder:test", Volatile: volatile})
		must(t, err)
		is(true, "attached nowhere")
		at := t.TempDir()
		must(t, unix.MoveMount(int(m.Fd()), "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH))
		must(t, m.Close())
		is(true, "attached")

		elsewhere := exec.Command("unshare", "-m", "sleep", "100")
		elsewhere.Dir = "/"
		must(t, elsewhere.Start())
		waitFor(t, func() bool { return namespaceOf(elsewhere.Process.Pid) != namespaceOf(os.Getpid()) })
		f, err := os.Create(at + "/file")
		must(t, err)
		must(t, unix.Unmount(at, unix.MNT_DETACH))
		is(true, "unmounted under an open file")
		must(t, f.Close())
		is(true, "in another namespace")
		must(t, elsewhere.Process.Kill())
		_ = elsewhere.Wait()
		waitFor(t, func() bool { used, _ := overlay.Chosen().UpperInUse(dir + "/u"); return !used })
		is(false, "gone")
	}
	if _, err := overlay.Chosen().UpperInUse("/proc/self/status"); err == nil {
		t.Error("no directory, and no error")
	}
	if used, err := instance.Mounted("/no/such"); used || err != nil {
		t.Errorf("no instance: %v, %v", used, err)
	}
}

func namespaceOf(pid int) string {
	ns, _ := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "ns/mnt"))
	return ns
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited 10 s")
		}
	}
}
