//go:build linux

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"larder/overlay/overlaytest"
	"larder/snapshot"
)

// containers starts real containers of the host's own programs, with the hook or without.
type containers struct {
	*program
	t         *testing.T
	dir, hook string
}

func newContainers(t *testing.T, p *program, config string) *containers {
	t.Helper()
	r := &containers{program: p, t: t, dir: t.TempDir()}
	r.hook = filepath.Join(r.dir, "larder-hook")
	build := exec.Command("go", "build", "-ldflags", overlaytest.LinkFlags(), "-o", r.hook, "../larder-hook")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if err := os.WriteFile(filepath.Join(r.dir, "config.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// start runs a container in the background until the test ends.
func (r *containers) start(id string, hooked bool, env ...string) {
	r.t.Helper()
	bundle := filepath.Join(r.dir, id)
	check := func(err error) {
		r.t.Helper()
		if err != nil {
			r.t.Fatal(err)
		}
	}
	for _, d := range []string{"proc", "dev", "etc", "root", "usr", "cache"} {
		check(os.MkdirAll(filepath.Join(bundle, "rootfs", d), 0o755))
	}
	mounts := []specs.Mount{{Destination: "/proc", Type: "proc", Source: "proc"}, {Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "mode=755"}}}
	for _, d := range []string{"/usr", "/bin", "/lib", "/lib64"} {
		if to, err := os.Readlink(d); err == nil {
			check(os.Symlink(to, filepath.Join(bundle, "rootfs", d)))
		} else {
			mounts = append(mounts, specs.Mount{Destination: d, Type: "bind", Source: d, Options: []string{"rbind", "ro"}})
		}
	}
	spec := specs.Spec{Version: "1.0.2", Root: &specs.Root{Path: "rootfs"}, Mounts: mounts,
		Process: &specs.Process{Args: []string{"sleep", "600"}, Cwd: "/", Env: append(env, "PATH=/usr/bin:/bin", "HOME=/root", "CONTAINER="+id)},
		Linux:   &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.PIDNamespace}}}}
	if hooked {
		seconds := 15
		spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: r.hook, Timeout: &seconds, Env: []string{"PATH=/usr/bin:/bin"},
			Args: []string{"larder-hook", "attach", "--required", "--store", filepath.Join(r.home(), "store"), "--config", filepath.Join(r.dir, "config.toml"), "--log", filepath.Join(r.dir, "log")}}}}
	}
	text, err := json.Marshal(spec)
	check(err)
	check(os.WriteFile(filepath.Join(bundle, "config.json"), text, 0o644))
	pidFile := filepath.Join(bundle, "pid")
	run := r.runc("run", "--detach", "--pid-file", pidFile, "--bundle", bundle, id)
	out, err := os.Create(filepath.Join(bundle, "said"))
	check(err)
	defer out.Close()
	run.Stdout, run.Stderr = out, out
	if err := run.Run(); err != nil {
		text, _ := os.ReadFile(out.Name())
		r.t.Fatalf("runc run %s: %v\n%s", id, err, text)
	}
	// runc ends before its init has become the container's process, which has the variables.
	pid, err := os.ReadFile(pidFile)
	check(err)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if env, _ := os.ReadFile("/proc/" + string(pid) + "/environ"); strings.Contains(string(env), "CONTAINER="+id) {
			break
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%s: the container's process has not come", id)
		}
	}
	r.t.Cleanup(func() {
		if out, err := r.runc("delete", "--force", id).CombinedOutput(); err != nil {
			r.t.Errorf("runc delete %s: %v\n%s", id, err, out)
		}
	})
}

func (r *containers) runc(args ...string) *exec.Cmd {
	return exec.Command("runc", append([]string{"--root", filepath.Join(r.dir, "runc")}, args...)...)
}

// doctor asks about one container, and returns the state and detail of each finding, by name.
func (r *containers) doctor(id string, status int) map[string]finding {
	r.t.Helper()
	out, errs, got := r.try("larder", "doctor", "--container", id, "--json")
	var doc struct{ Checks []finding }
	if err := json.Unmarshal([]byte(out), &doc); err != nil || got != status {
		r.t.Fatalf("%s: status %d, want %d, %v\n%s%s", id, got, status, err, out, errs)
	}
	found := map[string]finding{}
	for _, k := range doc.Checks {
		found[k.Name] = k
		if k.Why == "" || k.State != stateOK && k.Fix == "" {
			r.t.Errorf("%s: no reason, or no way to mend it: %+v", id, k)
		}
	}
	return found
}

// Of real containers: whether the cache is there and used, and why not.
func TestMountDoctorContainer(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	p := newProgram(t)
	s, err := snapshot.OpenOrCreate(filepath.Join(p.home(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	id := stock(t, s, "flask==3.0.2")
	r := newContainers(t, p, "[profile.default]\nviews = [\"pip\"]\nmount_points = { pip = \"/cache/pip\" }\n")

	r.start("served-1", true)
	got := r.doctor("served-1", exitOK)
	for name, want := range map[string]string{"lease": id.Short(), "mounts": "pip at /cache/pip", "lowers": id.Short(), "pip wrote": "nothing yet", "variables": "none points elsewhere", "hook's log": "attach served-1: pip at"} {
		if k := got[name]; k.State != stateOK || !strings.Contains(k.Detail, want) {
			t.Errorf("%s: %+v, want %q", name, k, want)
		}
	}
	if out, err := r.runc("exec", "served-1", "sh", "-c", "echo mine >/cache/pip/file").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	stock(t, s, "flask==3.0.3")
	got = r.doctor("served-1", exitOK)
	if got["pip wrote"].Detail != "1 files, 5 B" || !strings.Contains(got["snapshot"].Detail, "a container keeps what it began with") {
		t.Errorf("after a write and a build: %+v, %+v", got["pip wrote"], got["snapshot"])
	}

	// A variable of the image points past the view.
	r.start("elsewhere", true, "PIP_CACHE_DIR=/tmp/pip")
	if k := r.doctor("elsewhere", exitSkips)["variables"]; k.State != stateFail || !strings.Contains(k.Detail, "PIP_CACHE_DIR=/tmp/pip, and the view is at /cache/pip") {
		t.Errorf("elsewhere: %+v", k)
	}
	// The runtime runs no hook.
	r.start("unserved", false)
	if k := r.doctor("unserved", exitSkips)["lease"]; k.State != stateFail || !strings.Contains(k.Detail, "the hook attached nothing") {
		t.Errorf("unserved: %+v", k)
	}
	// Somebody unmounted it.
	leases, err := s.Leases()
	if err != nil {
		t.Fatal(err)
	}
	var lease snapshot.Lease
	for _, l := range leases {
		if l.Container == "served-1" {
			lease = l
		}
	}
	if out, err := exec.Command("nsenter", "-m", "-p", "-r", "-t", strconv.Itoa(lease.PID), "umount", "/cache/pip").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if k := r.doctor("served", exitSkips)["mounts"]; k.State != "" {
		t.Errorf("a name of too few characters: %+v", k)
	}
	if k := r.doctor("elsewher", exitSkips)["mounts"]; k.State != stateOK {
		t.Errorf("the beginning of a name: %+v", k)
	}
	if k := r.doctor("served-1", exitSkips)["mounts"]; k.State != stateFail || !strings.Contains(k.Detail, "pip was mounted, and is not among the") {
		t.Errorf("unmounted: %+v", k)
	}
	// Its process died, and no release came.
	if err := syscall.Kill(lease.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if dead, _ := lease.Dead(); dead || time.Now().After(deadline) {
			break
		}
	}
	if k := r.doctor("served-1", exitSkips)["process"]; k.State != stateFail || !strings.Contains(k.Fix, "larder gc --leftovers") {
		t.Errorf("dead: %+v", k)
	}
	for _, args := range [][]string{{"doctor", "--container", ""}, {"doctor", "x"}} {
		if _, errs, status := p.try("larder", args...); status != exitUsage || !strings.Contains(errs, "hint: ") {
			t.Errorf("%v: status %d: %s", args, status, errs)
		}
	}
}
