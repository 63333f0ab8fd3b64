//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"larder/overlay/overlaytest"
)

// larderBinary is the program itself, as the hook's tests have it.
func larderBinary(t *testing.T) string {
	t.Helper()
	if bin := os.Getenv("LARDER_TEST_BIN"); bin != "" {
		return filepath.Join(bin, "larder")
	}
	bin := heldPrograms(t)
	return filepath.Join(bin, "larder")
}

// commands runs larder over a small store of this package's: what a kernel must do for it, without
// an index and without Python.
type commands struct {
	t                     *testing.T
	path, store, run, tmp string
}

func newCommands(t *testing.T) commands {
	c := commands{t: t, path: larderBinary(t), tmp: t.TempDir()}
	c.store, c.run = filepath.Join(c.tmp, "store"), filepath.Join(c.tmp, "run")
	for d := c.tmp; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	publish(t, c.store, nil)
	return c
}

// larder wants an exit status, and returns what was said.
func (c commands) larder(status int, args ...string) string {
	c.t.Helper()
	cmd := exec.Command(c.path, append([]string{"--store", c.store}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+filepath.Join(c.tmp, "home"))
	cmd.Dir = "/"
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != status {
		c.t.Errorf("larder %s: exit %d, want %d: %s", strings.Join(args, " "), got, status, out)
	}
	return string(out)
}

// What a command sees of the cache, and of the read-only view.
const (
	seesCache = `set -e
P=$HOME/.cache/pip
test "$(cat $P/http-v2/a/body)" = "a wheel"
echo mine > $P/http-v2/a/new; `
	seesView = `test "$(cat $LARDER_VIEW/views/pip/http-v2/a/body)" = "a wheel"
! test -e $LARDER_VIEW/00
stat -c "view of %u" $LARDER_VIEW/views`
)

// Every command that mounts does on a kernel that has a construction, from kept mounts and without.
func TestMountCommands(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	c := newCommands(t)
	if !overlaytest.Has("ordinary") {
		c.lacking()
		return
	}
	must(t, os.MkdirAll(filepath.Join(c.tmp, "home"), 0o755))
	run := []string{"run", "--run-dir", c.run, "--required"}
	runs := func(script, as string, args ...string) {
		t.Helper()
		if out := c.larder(0, append(append(run, args...), "--", "sh", "-c", script)...); !strings.Contains(out, "view of "+as+"\n") {
			t.Errorf("%v: %s", args, out)
		}
	}
	runs(seesCache+seesView, "0")
	for range 2 {
		runs(seesCache+seesView, "0", "--instance", filepath.Join(c.tmp, "kept"))
	}
	as, keep := []string{"--user", "65534"}, []string{"mount", "--run-dir", c.run} // his home is nowhere
	for range 2 {
		c.larder(0, append(keep, as...)...)
		runs(seesView, as[1], as...)
	}
	c.unprivileged()
	c.larder(0, "unmount", "--run-dir", c.run, "--all")
	if out := c.larder(0, "doctor"); !strings.Contains(out, "construction: ") {
		t.Errorf("doctor: %s", out)
	}
	if out := c.larder(0, "gc", "--dry-run"); strings.Contains(out, "hint") {
		t.Errorf("gc: %s", out)
	}
}

// unprivileged runs as nobody, without root, over the tree that is kept for nobody.
func (c commands) unprivileged() {
	c.t.Helper()
	home, program := filepath.Join(c.tmp, "nobody"), filepath.Join(c.tmp, "larder")
	data, err := os.ReadFile(c.path)
	must(c.t, err)
	must(c.t, os.WriteFile(program, data, 0o755))
	must(c.t, os.Mkdir(home, 0o755))
	must(c.t, os.Chown(home, 65534, 65534))
	cmd := exec.Command(program, "--store", c.store, "run", "--run-dir", c.run, "--required", "--", "sh", "-c", seesCache+seesView)
	cmd.Env, cmd.Dir = append(os.Environ(), "HOME="+home, "TMPDIR="+home), "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "view of 65534\n") {
		c.t.Errorf("without root: %v: %s", err, out)
	}
	if left, err := filepath.Glob(home + "/larder-run-*"); err != nil || len(left) > 0 {
		c.t.Errorf("left: %v, %v", left, err)
	}
}

// lacking is what the commands say where no construction works.
func (c commands) lacking() {
	for _, tc := range []struct {
		status int
		says   string
		args   []string
	}{
		{9, "hint: ", []string{"mount", "--run-dir", c.run}},
		{125, "larder: ", []string{"run", "--run-dir", c.run, "--required", "--", "true"}},
		{0, "larder: ", []string{"run", "--run-dir", c.run, "--", "true"}},
		{9, "fail    construction", []string{"doctor"}},
	} {
		out := c.larder(tc.status, tc.args...)
		c.t.Logf("larder %s:\n%s", tc.args[0], out)
		if !strings.Contains(out, tc.says) {
			c.t.Errorf("larder %s: %q is missing in %s", strings.Join(tc.args, " "), tc.says, out)
		}
	}
	c.larder(0, "unmount", "--run-dir", c.run, "--all")
	f := start(c.t, c.store, "c1", 0)
	for status, args := range [][]string{nil, {"--required"}} {
		got, stderr := f.attach(args...)
		c.t.Logf("larder-hook attach: %s", stderr)
		if got != status || strings.Count(stderr, "\n") != 1 {
			c.t.Errorf("larder-hook attach %v: exit %d, %q", args, got, stderr)
		}
	}
}
