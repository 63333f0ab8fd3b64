//go:build linux

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/sys/mount"
	"golang.org/x/sys/unix"

	"larder/cmd/internal/definition"
	"larder/overlay/overlaytest"
)

// engine is a host with Podman of its own: storage, definitions of the hook, and an image.
type engine struct {
	*world
	storage string
	runtime string
	hooksD  string
}

// newEngine makes one, inside a mount namespace of the test's: Podman's mounts are seen from one
// command to the next, and none is left. Nothing of the host's own Podman is used.
func newEngine(t *testing.T, runtime, config string) *engine {
	t.Helper()
	forEngines(t, "podman", "crun", "runc")
	e := &engine{world: newWorld(t, config), runtime: runtime}
	e.storage, e.hooksD = filepath.Join(e.dir, "storage"), filepath.Join(e.dir, "hooks.d")
	h := definition.Hook{Path: hookBinary(t), Common: []string{"--store", e.store, "--config", e.config, "--log", e.log}, Required: true}
	attach, release := definition.HooksD(h, false)
	for path, text := range map[string][]byte{
		filepath.Join(e.hooksD, "larder-attach.json"):  attach,
		filepath.Join(e.hooksD, "larder-release.json"): release,
		"/run/cdi/larder-cdi.json":                     definition.CDI(h, []string{"default"}),
	} {
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, text, 0o644))
	}
	t.Cleanup(func() {
		_, _ = e.podman("pod", "rm", "-fa", "-t", "0")
		_, _ = e.podman("rm", "-fa", "-t", "0")
		// conmon has Podman clean up after a container, and that mounts the storage again.
		for end := time.Now().Add(20 * time.Second); e.busy() && time.Now().Before(end); {
			time.Sleep(20 * time.Millisecond)
		}
		e.unmountAll()
	})
	out, err := exec.Command("sh", "-c", `tar -C "$1" -c . | podman $2 import - test`, "sh", e.rootfs, strings.Join(e.global(), " ")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return e
}

// forEngines makes the test's mount namespace fit for an engine of its own, which needs the programs.
func forEngines(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatal(err)
		}
	}
	// A hierarchy of version 2 beside those of version 1 confuses runtimes.
	if err := unix.Unmount("/sys/fs/cgroup/unified", unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		t.Fatal(err)
	}
	must(t, mount.Mount("tmpfs", "/run", "tmpfs", "mode=0755"))
}

// unmountAll unmounts what is below the host's directory, in the test's own mount namespace.
func (w *world) unmountAll() {
	w.t.Helper()
	const script = `awk -v d="$1" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo | sort -r | xargs -r umount -l`
	must(w.t, exec.Command("sh", "-c", script, "sh", w.dir).Run())
}

// busy says whether a program is at work in the host's directory.
func (e *engine) busy() bool {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	return slices.ContainsFunc(lines, func(path string) bool {
		line, err := os.ReadFile(path)
		return err == nil && strings.Contains(string(line), e.dir)
	})
}

func (e *engine) global() []string {
	return []string{"--root", e.storage, "--runroot", filepath.Join(e.dir, "runroot"), "--cgroup-manager", "cgroupfs", "--storage-driver", "overlay",
		"--events-backend", "none", "--runtime", e.runtime, "--hooks-dir", e.hooksD}
}

func (e *engine) podman(args ...string) (string, error) {
	cmd := exec.Command("podman", append(e.global(), args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+e.dir)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (e *engine) must(args ...string) string {
	e.t.Helper()
	out, err := e.podman(args...)
	if err != nil {
		e.t.Fatalf("podman %s: %v: %s\nlog: %s", strings.Join(args, " "), err, out, e.logged())
	}
	return out
}

// plain are the arguments of every container: without a network, and with limits that this process may
// give.
var plain = []string{"--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"}

const asks = "--annotation=dev.larder.profile=default"

// container makes one: verb ("run", "create"), its flags, and a script for its shell.
func (e *engine) container(verb, script string, flags ...string) string {
	e.t.Helper()
	args := append(append([]string{verb}, plain...), flags...)
	return e.must(append(args, "test", "/bin/sh", "-c", script)...)
}

// sleeps is a container that does nothing, and ends at once when it is told.
const sleeps = `trap 'exit 0' TERM; while :; do sleep 0.1; done`

func (w *world) leases() int {
	w.t.Helper()
	n, err := filepath.Glob(filepath.Join(w.store, "leases/*.json"))
	must(w.t, err)
	return len(n)
}

// What a user of Podman may say to one container, under both runtimes.
func TestE2EPodmanRun(t *testing.T) {
	needRunc(t)
	if !overlaytest.Inside(t) {
		return
	}
	for _, runtime := range []string{"crun", "runc"} {
		t.Run(runtime, func(t *testing.T) {
			e := newEngine(t, runtime, "")
			const body = "/.cache/pip/http-v2/a/body"
			writes := func(home string) string { return "cat " + home + body + " && echo mine > " + home + body }
			for _, tc := range []struct {
				what, script, want string
				flags              []string
			}{
				{"asks by annotation", writes("~"), "a wheel", []string{asks}},
				{"does not ask", "test ! -e ~/.cache && test ! -e /mnt/cacache && echo nothing", "nothing\n", nil},
				{"asks by device", writes("~"), "a wheel", []string{"--device", "larder.dev/cache=default"}},
				{"asks by both", writes("~") + " && grep -c larder: /proc/self/mountinfo", "a wheel2\n", []string{asks, "--device", "larder.dev/cache=default"}},
				{"--user", writes("/home/alice") + " && id -u", "a wheel1000\n", []string{asks, "--user", "alice"}},
				{"--user of nobody", writes("$HOME") + " && id -u", "a wheel4711\n", []string{asks, "--user", "4711:4711"}},
				{"--read-only", writes("~") + " && ! touch /x 2>/dev/null", "a wheel", []string{asks, "--read-only"}},
				{"user namespace", writes("~") + " && cat /proc/self/uid_map", "a wheel         0     100000      65536\n", []string{asks, "--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536"}},
				{"home on a volume", writes("~"), "a wheel", []string{asks, "-v", "home:/root"}},
				{"the same volume again", writes("~"), "a wheel", []string{asks, "-v", "home:/root"}},
				{"home in memory", writes("~"), "a wheel", []string{asks, "--tmpfs", "/root"}},
			} {
				if got := e.container("run", tc.script, append(tc.flags, "--rm")...); got != tc.want {
					t.Errorf("%s: %q, want %q\n%s", tc.what, got, tc.want, e.logged())
				}
			}
			// Somebody's files: nothing is made among them, and the hook is required.
			full := filepath.Join(e.dir, "srv")
			must(t, os.MkdirAll(filepath.Join(full, "x"), 0o755))
			if out, err := e.podman(append(append([]string{"run", "--rm", asks, "-v", full + ":/root"}, plain...), "test", "/bin/true")...); err == nil || !strings.Contains(e.logged(), "volume that is in use") {
				t.Errorf("a volume in use: %v, %s", err, out)
			}
			if n := e.leases(); n != 0 {
				t.Errorf("%d leases after run --rm", n)
			}
		})
	}
}

// A container's life: what it wrote is there after a restart, and after a stop and a start; an image made
// of it has none of it; and when conmon was killed, gc takes it once the container is removed.
func TestE2EPodmanRestart(t *testing.T) {
	needRunc(t)
	if !overlaytest.Inside(t) {
		return
	}
	e := newEngine(t, "crun", "")
	e.container("run", sleeps, "-d", "--name", "c", asks)
	e.must("exec", "c", "sh", "-c", "cd ~/.cache/pip && echo mine > mine && rm -r http-v2 && echo > ~/own")
	look := func(when string) {
		t.Helper()
		if got := e.must("exec", "c", "sh", "-c", "cd ~/.cache/pip && test ! -e http-v2 && cat mine"); got != "mine\n" {
			t.Errorf("%s: %q\n%s", when, got, e.logged())
		}
	}
	look("before")
	e.must("restart", "-t", "2", "c")
	look("after restart")
	e.must("stop", "-t", "2", "c")
	if collect(t, e.store); e.leases() != 1 {
		t.Error("gc took a stopped container's")
	}
	e.must("start", "c")
	look("after stop and start")

	e.must("commit", "-q", "c", "made")
	if got := e.must(append(append([]string{"run", "--rm"}, plain...), "made", "/bin/sh", "-c", "ls -A ~ ~/.cache/pip /mnt/cacache")...); !strings.Contains(got, "own") || strings.Contains(got, "mine") || strings.Contains(got, "http-v2") || strings.Contains(got, "targets") {
		t.Errorf("an image made of it has %q", got)
	}

	pid, err := strconv.Atoi(strings.TrimSpace(e.must("inspect", "-f", "{{.State.ConmonPid}}", "c")))
	must(t, err)
	must(t, syscall.Kill(pid, syscall.SIGKILL))
	if collect(t, e.store); e.leases() != 1 {
		t.Error("gc took a container's that Podman still has, without its conmon")
	}
	// Podman 4.3 does not see at once that the process it kills has ended.
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		out, err := e.podman("rm", "-f", "-t", "0", "c")
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if report := collect(t, e.store); e.leases() != 0 || left(t, e.store) != "0 leases 0 instances 0 trash" {
		t.Errorf("after rm: %s, %+v", left(t, e.store), report)
	}
}

// Containers of one pod have caches of their own.
func TestE2EPodmanPod(t *testing.T) {
	needRunc(t)
	if !overlaytest.Inside(t) {
		return
	}
	e := newEngine(t, "crun", "")
	e.must("pod", "create", "--infra=false", "--name", "p")
	for _, name := range []string{"one", "two"} {
		e.container("run", sleeps, "-d", "--pod", "p", "--name", name, asks)
		e.must("exec", name, "sh", "-c", "echo "+name+" > ~/.cache/pip/mine")
	}
	for _, name := range []string{"one", "two"} {
		if got := e.must("exec", name, "sh", "-c", "cat ~/.cache/pip/mine"); got != name+"\n" {
			t.Errorf("%s: %q", name, got)
		}
	}
	e.must("pod", "rm", "-f", "-t", "0", "p")
	if collect(t, e.store); e.leases() != 0 {
		t.Errorf("%d leases after the pod", e.leases())
	}
}

// An engine that knows neither hooks.d nor CDI gets the hook by its runtime.
func TestE2EPodmanRuntime(t *testing.T) {
	needRunc(t)
	if !overlaytest.Inside(t) {
		return
	}
	wrapper := wrapperBinary(t, t.TempDir())
	e := newEngine(t, wrapper, "")
	e.storeByDefault()
	if got := e.container("run", "cat ~/.cache/pip/http-v2/a/body", "--rm"); got != "a wheel" {
		t.Errorf("%q", got)
	}
	e.container("run", sleeps, "-d", "--name", "c")
	e.must("exec", "c", "ls", "/mnt/cacache/views")
	e.must("rm", "-f", "-t", "0", "c")
	if collect(t, e.store); e.leases() != 0 {
		t.Errorf("%d leases", e.leases())
	}
}
