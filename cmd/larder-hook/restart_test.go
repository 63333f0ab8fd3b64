//go:build linux

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"larder/overlay/instance"
	"larder/overlay/overlaytest"
	"larder/snapshot"
	"larder/snapshot/gc"
)

// engineContainer makes a container as Podman would, in the storage below dir.
func engineContainer(t *testing.T, store, dir, id string) (f *fake, record string) {
	t.Helper()
	record = filepath.Join(dir, "overlay-containers", id)
	must(t, os.MkdirAll(filepath.Join(record, "userdata"), 0o755))
	return startAt(t, store, id, 0, filepath.Join(record, "userdata"), syscall.CLONE_NEWNS), record
}

func collect(t *testing.T, store string) *gc.Report {
	t.Helper()
	s, err := snapshot.Open(store)
	must(t, err)
	report, err := gc.Run(t.Context(), s, gc.Options{Keep: 1, Mounted: instance.Mounted})
	must(t, err)
	must(t, s.EmptyTrash(t.Context()))
	return report
}

// What a container wrote is there when its engine starts it again, over the snapshot that it began with,
// until the engine has removed it; then gc takes it.
func TestMountHookRestart(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o755))
	store := filepath.Join(dir, "store")
	publish(t, store, nil)
	f, record := engineContainer(t, store, dir, "c1")
	if status, stderr := f.attach("--required"); status != 0 {
		t.Fatalf("attach: exit %d, %q", status, stderr)
	}
	f.sh(`cd $R/home/a/.cache/pip; echo mine > mine; rm -r http-v2; cd /`)
	f.stop()
	f.release()
	publish(t, store, map[string]string{"views/pip/newer": "x"})
	if report := collect(t, store); len(report.Reaped) != 0 || !strings.HasPrefix(left(t, store), "1 leases 1 instances") {
		t.Errorf("gc took a container that can be started again: %+v, %s", report, left(t, store))
	}

	f = f.again()
	if status, stderr := f.attach("--required"); status != 0 {
		t.Fatalf("attach again: exit %d, %q", status, stderr)
	}
	f.sh(`cd $R/home/a/.cache/pip; test "$(cat mine)" = mine && test ! -e http-v2 && test ! -e newer && echo more > more; cd /`)
	f.stop() // and nobody runs poststop

	f = f.again()
	if status, stderr := f.attach("--required"); status != 0 {
		t.Fatalf("attach a third time: exit %d, %q", status, stderr)
	}
	f.sh(`cd $R/home/a/.cache/pip; test -e mine && test -e more; cd /`)
	f.stop()
	f.release()
	must(t, os.RemoveAll(record))
	if report := collect(t, store); len(report.Reaped) != 1 || !strings.Contains(report.Reaped[0].Reason, "podman has removed the container") {
		t.Errorf("reaped %+v", report.Reaped)
	}
	if got := left(t, store); got != "0 leases 0 instances 0 trash" {
		t.Errorf("after the container was removed: %s", got)
	}
	if all := snapshots(t, store); all != 1 {
		t.Errorf("%d snapshots", all)
	}
}

func snapshots(t *testing.T, store string) int {
	t.Helper()
	s, err := snapshot.Open(store)
	must(t, err)
	all, err := s.List()
	must(t, err)
	return len(all)
}

// A restart that cannot have what it had gets nothing, and loses nothing.
func TestMountHookRestartRefused(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o755))
	store := filepath.Join(dir, "store")
	publish(t, store, nil)
	f, _ := engineContainer(t, store, dir, "c1")
	if status, stderr := f.attach("--required"); status != 0 {
		t.Fatalf("attach: exit %d, %q", status, stderr)
	}
	f.sh(`echo mine > $R/home/a/.cache/pip/mine`)
	f.stop()
	f.release()
	elsewhere := filepath.Join(dir, "elsewhere.toml")
	must(t, os.WriteFile(elsewhere, []byte("[profile.default]\nmount_points = {pip = \"/srv/pip\"}\n"), 0o600))
	f = f.again()
	status, stderr := f.attach("--config", elsewhere)
	if status != 0 || !strings.Contains(stderr, "was made over other files") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("at another place: exit %d, %q", status, stderr)
	}
	f.sh(`test ! -e $R/srv/pip/mine`)
	f.stop()
	f.release()
	f = f.again()
	if status, stderr := f.attach("--required"); status != 0 {
		t.Fatalf("attach again: exit %d, %q", status, stderr)
	}
	f.sh(`test -e $R/home/a/.cache/pip/mine`)
}

// With --rm, or restart = "reset", the end of the process is the end of what it wrote.
func TestMountHookThrownAway(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	for _, how := range []string{"rm", "reset"} {
		t.Run(how, func(t *testing.T) {
			dir := t.TempDir()
			must(t, os.Chmod(dir, 0o755))
			must(t, os.Chmod(filepath.Dir(dir), 0o755))
			store, config := filepath.Join(dir, "store"), emptyConfig(t)
			publish(t, store, nil)
			f, _ := engineContainer(t, store, dir, "c1")
			if how == "rm" {
				f.spec(specs.Spec{Root: &specs.Root{Path: "rootfs"}, Process: &specs.Process{Env: []string{"HOME=/home/a"}},
					Annotations: map[string]string{"io.podman.annotations.autoremove": "TRUE"}})
			} else {
				must(t, os.WriteFile(config, []byte("[profile.default]\nrestart = \"reset\"\n"), 0o600))
			}
			if status, stderr := f.attach("--required", "--config", config); status != 0 {
				t.Fatalf("attach: exit %d, %q", status, stderr)
			}
			f.sh(`echo mine > $R/home/a/.cache/pip/mine`)
			f.stop()
			f.release()
			if got := left(t, store); !strings.HasPrefix(got, "0 leases 0 instances") {
				t.Errorf("left %s", got)
			}
		})
	}
}

// hooks.d and CDI both run the hook: the second finds the first one's work done, and says so.
func TestMountHookTwiceForOneProcess(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	store := filepath.Join(t.TempDir(), "store")
	publish(t, store, nil)
	f := start(t, store, "c1", 0)
	log := filepath.Join(t.TempDir(), "log")
	for n, want := range []string{`pip at "/home/a/.cache/pip"`, "attached before, by another definition of the hook"} {
		if status, stderr := f.attach("--required", "--log", log); status != 0 || stderr != "" {
			t.Errorf("time %d: exit %d, %q", n+1, status, stderr)
		}
		if b, err := os.ReadFile(log); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("time %d: %s, %v", n+1, b, err)
		}
	}
	f.sh(`test "$(grep -c ' larder:.*:pip ' /proc/self/mountinfo)" = 1`)
	// A lease alone is no attach: the hook that took it may have been killed.
	f.sh(`umount $R/home/a/.cache/pip; umount $R/mnt/cacache`)
	if status, stderr := f.attach("--required"); status != 1 || !strings.Contains(stderr, "already provisioned") {
		t.Errorf("without mounts: exit %d, %q", status, stderr)
	}
}

// larder ps tells what is stopped from what is dead.
func TestMountLeaseSaysEngine(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o755))
	store := filepath.Join(dir, "store")
	publish(t, store, nil)
	f, record := engineContainer(t, store, dir, "c1")
	if status, stderr := f.attach("--required"); status != 0 {
		t.Fatalf("attach: exit %d, %q", status, stderr)
	}
	files, err := filepath.Glob(filepath.Join(store, "leases/*.json"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	b, err := os.ReadFile(files[0])
	must(t, err)
	var got struct {
		Engine struct{ Engine, Dir string }
	}
	must(t, json.Unmarshal(b, &got))
	if got.Engine.Engine != "podman" || got.Engine.Dir != record {
		t.Errorf("%s", b)
	}
}
