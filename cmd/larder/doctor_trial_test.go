//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"larder/overlay/overlaytest"
	"larder/snapshot"
)

// trialOf is what doctor says of its trial, and whether it left anything behind.
func trialOf(t *testing.T, p *program, args ...string) finding {
	t.Helper()
	store := filepath.Join(p.home(), "store")
	left := func() string {
		var b strings.Builder
		_ = filepath.WalkDir(store, func(path string, d fs.DirEntry, err error) error {
			if err == nil {
				b.WriteString(path + "\n")
			}
			return nil
		})
		table, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			t.Fatal(err)
		}
		return b.String() + string(table)
	}
	before := left()
	out, errs, _ := p.try("larder", append(args, "doctor", "--json")...)
	if after := left(); after != before {
		t.Errorf("left behind:\n%s\nbefore:\n%s", after, before)
	}
	var doc struct{ Checks []finding }
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	for _, k := range doc.Checks {
		if k.Name == "trial container" {
			if k.Why == "" || k.State != stateOK && k.Fix == "" {
				t.Errorf("no reason, or no way to mend it: %+v", k)
			}
			return k
		}
	}
	t.Fatalf("no trial in %s", out)
	return finding{}
}

// doctor tries a container of each runtime, and says why where it cannot, or where it gets nothing.
func TestMountDoctorTrial(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	p := newProgram(t)
	r := newContainers(t, p, "[profile.default]\nviews = []\nview = \"\"\n")
	binary, err := os.ReadFile(p.bin)
	if err == nil {
		err = os.WriteFile(filepath.Join(r.dir, "larder"), binary, 0o755) // beside the hook
	}
	if err != nil {
		t.Fatal(err)
	}
	p.bin = filepath.Join(r.dir, "larder")
	// A hierarchy of version 2 beside those of version 1 confuses crun.
	if err := unix.Unmount("/sys/fs/cgroup/unified", unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		t.Fatal(err)
	}
	// Only the runtime is found, and no index is asked.
	only := map[string]*program{}
	for _, runtime := range []string{"runc", "crun"} {
		path, err := exec.LookPath(runtime)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := os.Symlink(path, filepath.Join(dir, runtime)); err != nil {
			t.Fatal(err)
		}
		only[runtime] = p.with("PATH="+dir, "PIP_INDEX_URL=http://127.0.0.1:1/simple")
	}
	none := p.with("PATH="+t.TempDir(), "PIP_INDEX_URL=http://127.0.0.1:1/simple")
	p = only["runc"]
	expect := func(what string, k finding, state, detail string) {
		t.Helper()
		if k.State != state || !strings.Contains(k.Detail, detail) {
			t.Errorf("%s: %+v, want %s, %q", what, k, state, detail)
		}
	}
	expect("no store", trialOf(t, p), stateUnknown, "not tried: ")
	s, err := snapshot.OpenOrCreate(filepath.Join(p.home(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	expect("no snapshot", trialOf(t, p), stateUnknown, "not tried: ")
	stock(t, s, "flask==3.0.2")
	if _, errs, status := p.try("larder", "doctor"); status != exitOK { // what is kept beside the snapshot is there
		t.Fatal(errs)
	}
	for runtime, p := range only {
		expect(runtime, trialOf(t, p), stateOK, runtime+": attached at /root/.cache/pip")
	}
	killed, alive := filepath.Join(s.Dir(), trialPrefix+"1"), filepath.Join(s.Dir(), trialPrefix+"2")
	for _, dir := range []string{killed, alive} {
		if err := os.MkdirAll(filepath.Join(dir, "rootfs"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	then := time.Now().Add(-time.Hour)
	if err := os.Chtimes(killed, then, then); err != nil {
		t.Fatal(err)
	}
	if _, errs, status := p.try("larder", "doctor"); status != exitOK {
		t.Fatal(errs)
	}
	if _, err := os.Lstat(killed); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what a killed doctor left: %v", err)
	}
	if err := os.Remove(filepath.Join(alive, "rootfs")); err != nil {
		t.Errorf("what another doctor is at: %v", err)
	}
	if err := os.RemoveAll(alive); err != nil {
		t.Fatal(err)
	}
	expect("a profile of nothing", trialOf(t, p, "--config", filepath.Join(r.dir, "config.toml")), stateWarn, "attached 0 mounts; the hook said: ")
	expect("no runtime", trialOf(t, none), stateUnknown, "not tried: neither runc nor crun is on PATH")

	broken := "#!/bin/sh\ntest \"$1\" != --version || { echo larder-hook 1; exit; }\necho broken >&2\nexit 1\n"
	for text, want := range map[string][2]string{broken: {stateWarn, "broken"}, "#!/bin/sh\n": {stateUnknown, "does not say that it is larder-hook"}} {
		if err := os.WriteFile(r.hook, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		expect("a hook that fails", trialOf(t, p), want[0], want[1])
	}
	if err := os.Remove(r.hook); err != nil {
		t.Fatal(err)
	}
	expect("no hook", trialOf(t, p), stateUnknown, "not tried: no larder-hook at ")
}
