//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"larder/overlay/overlaytest"
)

// The tests of this file run the hook under the real runtime. They need root
// and runc: LARDER_E2E=1 says that they are there, and nothing is skipped then.
func needRunc(t testing.TB) {
	t.Helper()
	if os.Getenv("LARDER_E2E") != "1" {
		t.Skip("end to end: set LARDER_E2E=1")
	}
	if os.Geteuid() != 0 {
		t.Fatal("needs root")
	}
	if _, err := exec.LookPath("runc"); err != nil {
		t.Fatal(err)
	}
}

// world is a host: a store with a snapshot, a log, a root file system.
type world struct {
	t      testing.TB
	dir    string
	store  string
	config string
	log    string
	rootfs string
	// What starts a container, nil for runc.
	runtime []string
}

func newWorld(t testing.TB, config string) *world {
	t.Helper()
	needRunc(t)
	dir := t.TempDir()
	// A container in a user namespace walks to its root.
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	w := &world{t: t, dir: dir, store: filepath.Join(dir, "store"), config: filepath.Join(dir, "config.toml"),
		log: filepath.Join(dir, "log"), rootfs: filepath.Join(dir, "rootfs")}
	must(t, os.WriteFile(w.config, []byte(config), 0o600))
	publish(t, w.store, nil)
	overlaytest.Root(t, w.rootfs)
	// A tree of the host's, beside all that a container may change.
	must(t, os.MkdirAll(filepath.Join(dir, "canary/home/.cache/pip"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "canary/file"), []byte("canary"), 0o644))
	return w
}

// spec is a container that runs script with sh, with the hook at both stages.
func (w *world) spec(script string, args ...string) *specs.Spec {
	env := []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	seconds := func(n int) *int { return &n }
	common := []string{"--store", w.store, "--config", w.config, "--log", w.log}
	path := hookBinary(w.t)
	caps := []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_SETUID", "CAP_SETGID", "CAP_MKNOD"}
	s := &specs.Spec{
		Version: "1.0.2",
		Root:    &specs.Root{Path: w.rootfs},
		Process: &specs.Process{
			Args: []string{"/bin/sh", "-c", script}, Cwd: "/",
			Env:          []string{"PATH=/bin"},
			Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
		},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "mode=755"}},
		},
		Hooks: &specs.Hooks{
			CreateRuntime: []specs.Hook{{Path: path, Args: append(append([]string{"larder-hook", "attach"}, common...), args...), Env: env, Timeout: seconds(15)}},
			Poststop:      []specs.Hook{{Path: path, Args: append([]string{"larder-hook", "release"}, common...), Env: env, Timeout: seconds(10)}},
		},
		Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.PIDNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace}}},
	}
	return s
}

// run runs one container to its end.
func (w *world) run(id string, s *specs.Spec) (stdout, stderr string, err error) {
	w.t.Helper()
	bundle := filepath.Join(w.dir, "bundle-"+id)
	must(w.t, os.MkdirAll(bundle, 0o755))
	data, err := json.Marshal(s)
	must(w.t, err)
	must(w.t, os.WriteFile(filepath.Join(bundle, "config.json"), data, 0o644))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	command := append(slices.Clone(w.runtime), "--root", filepath.Join(w.dir, "runc"), "run", "--bundle", bundle, id)
	if w.runtime == nil {
		command = append([]string{"runc"}, command...)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// output runs a container that must succeed and returns what it printed.
func (w *world) output(id string, s *specs.Spec) string {
	w.t.Helper()
	stdout, stderr, err := w.run(id, s)
	if err != nil {
		w.t.Fatalf("%s: %v\n%s%s\nlog: %s", id, err, stdout, stderr, w.logged())
	}
	return stdout
}

func (w *world) logged() string {
	b, _ := os.ReadFile(w.log)
	return string(b)
}

// host is everything a container could leave on it.
func (w *world) host() string {
	w.t.Helper()
	var b strings.Builder
	table, err := os.ReadFile("/proc/self/mountinfo")
	must(w.t, err)
	b.Write(table)
	for _, d := range []string{"leases", "instances", "snapshots", "objects", "staging"} {
		out, err := exec.Command("find", filepath.Join(w.store, d), "-printf", "%P %y %m %U %G %s %T@\n").Output()
		must(w.t, err)
		fmt.Fprintf(&b, "%s:\n", d)
		for line := range strings.Lines(string(out)) {
			if strings.HasPrefix(line, " ") && d != "objects" { // the directory's own times change
				continue
			}
			b.WriteString(line)
		}
	}
	out, err := exec.Command("find", filepath.Join(w.dir, "canary"), "-printf", "%P %y %m %U %G %s %T@ %C@\n").Output()
	must(w.t, err)
	fmt.Fprintf(&b, "canary:\n%shooks running: %d\n", out, hooks(w.t))
	loops, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	must(w.t, err)
	for _, l := range loops {
		if name, err := os.ReadFile(l); err == nil && strings.HasPrefix(string(name), w.dir) {
			fmt.Fprintf(&b, "loop: %s", name)
		}
	}
	return b.String()
}

// hooks counts the processes of the hook, its helper for user namespaces
// included.
func hooks(t testing.TB) int {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	must(t, err)
	n := 0
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil && strings.TrimSuffix(to, " (deleted)") == hookBinary(t) {
			n++
		}
	}
	return n
}

func (w *world) unchanged(before string) {
	w.t.Helper()
	if changed := difference(before, w.host()); changed != "" {
		w.t.Errorf("the host changed:\n%s", changed)
	}
}

// difference has the lines that only one of two texts has.
func difference(before, after string) string {
	var b strings.Builder
	for _, side := range []struct{ sign, text, other string }{{"-", before, after}, {"+", after, before}} {
		there := map[string]bool{}
		for line := range strings.Lines(side.other) {
			there[line] = true
		}
		for line := range strings.Lines(side.text) {
			if !there[line] {
				b.WriteString(side.sign + line)
			}
		}
	}
	return b.String()
}

// The container's own view of what it got.
const look = `
set -e
P=$HOME/.cache/pip
test "$(cat $P/http-v2/a/body)" = "a wheel"
test "$(cat $P/wheels/b)" = "an old wheel"
echo mine > $P/http-v2/a/new
echo changed > $P/http-v2/a/body
rm $P/wheels/b
test "$(cat $P/http-v2/a/body)" = changed
stat -c 'cache %u:%g %a' $P
stat -c 'entry %u:%g' $P/wheels
test "$(cat /mnt/cacache/views/pip/http-v2/a/body)" = "a wheel"
if echo x > /mnt/cacache/views/pip/http-v2/a/body; then exit 9; fi 2>/dev/null
if echo x > /mnt/cacache/new; then exit 9; fi 2>/dev/null
grep larder: /proc/self/mountinfo
`

func TestE2ERunc(t *testing.T) {
	w := newWorld(t, "")
	alice := func(s *specs.Spec) { s.Process.User = specs.User{UID: 1000, GID: 1000} }
	for _, tc := range []struct {
		name   string
		change []func(*specs.Spec)
		owner  string
	}{
		{"root", nil, "0:0"},
		{"alice", []func(*specs.Spec){alice}, "1000:1000"},
		{"readonly", []func(*specs.Spec){func(s *specs.Spec) { s.Root.Readonly = true }}, "0:0"},
		{"overlay", []func(*specs.Spec){w.onOverlay}, "0:0"},
		{"userns", []func(*specs.Spec){w.inUserNS}, "0:0"},
		{"userns-alice", []func(*specs.Spec){w.inUserNS, alice}, "1000:1000"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := w.spec(look, "--required")
			for _, change := range tc.change {
				change(s)
			}
			before := w.host() // after what the test itself mounted
			out := w.output("c-"+tc.name, s)
			for _, want := range []string{"cache " + tc.owner + " 755", "entry " + tc.owner} {
				if !strings.Contains(out, want+"\n") {
					t.Errorf("%q is missing in %s", want, out)
				}
			}
			if strings.Contains(out, w.dir) {
				t.Errorf("a path of the host shows: %s", out)
			}
			w.unchanged(before)
		})
	}
	t.Logf("%s", w.logged())
}

// inUserNS gives a container a user namespace and a copy of the root that
// belongs to its ids.
func (w *world) inUserNS(s *specs.Spec) {
	root := filepath.Join(w.dir, "userns")
	if _, err := os.Stat(root); err != nil {
		must(w.t, exec.Command("cp", "-a", w.rootfs, root).Run())
		must(w.t, filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
			var st syscall.Stat_t
			must(w.t, err)
			must(w.t, syscall.Lstat(path, &st))
			return os.Lchown(path, int(st.Uid)+100000, int(st.Gid)+100000)
		}))
	}
	s.Root.Path = root
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
	s.Linux.UIDMappings, s.Linux.GIDMappings = ids, ids
}

// onOverlay puts the container's root on an overlay, as engines do.
func (w *world) onOverlay(s *specs.Spec) {
	over := filepath.Join(w.dir, "over")
	for _, d := range []string{over, w.dir + "/over-u", w.dir + "/over-w"} {
		must(w.t, os.MkdirAll(d, 0o755))
	}
	must(w.t, exec.Command("mount", "-t", "overlay", "overlay", "-o", "lowerdir="+s.Root.Path+",upperdir="+w.dir+"/over-u,workdir="+w.dir+"/over-w", over).Run())
	w.t.Cleanup(func() { must(w.t, exec.Command("umount", over).Run()) })
	s.Root.Path = over
}

func TestE2ERuncMany(t *testing.T) {
	w := newWorld(t, "")
	must(t, os.MkdirAll(filepath.Join(w.rootfs, "root/.cache/pip"), 0o755))
	must(t, os.MkdirAll(filepath.Join(w.rootfs, "mnt/cacache"), 0o755))
	before := w.host()
	script := `test "$(cat $HOME/.cache/pip/http-v2/a/body)" = "a wheel" && echo x > $HOME/.cache/pip/http-v2/a/body && echo ok`
	begin := time.Now()
	for i := range 100 {
		if out := w.output(fmt.Sprintf("one-%d", i), w.spec(script, "--required")); out != "ok\n" {
			t.Fatalf("container %d: %q", i, out)
		}
	}
	t.Logf("100 one after another: %v", time.Since(begin))
	w.unchanged(before)
	begin = time.Now()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if stdout, stderr, err := w.run(fmt.Sprintf("at-once-%d", i), w.spec(script, "--required")); err != nil || stdout != "ok\n" {
				t.Errorf("container %d: %v %q %q", i, err, stdout, stderr)
			}
		})
	}
	wg.Wait()
	t.Logf("20 at once: %v", time.Since(begin))
	w.unchanged(before)
	if lines := strings.Count(w.logged(), "Z attach "); lines != 120 {
		t.Errorf("%d lines of attach in the log, want 120", lines)
	}
	all := strings.Split(strings.TrimSpace(w.logged()), "\n")
	t.Logf("last lines of the log:\n%s", strings.Join(all[len(all)-4:], "\n"))
}
