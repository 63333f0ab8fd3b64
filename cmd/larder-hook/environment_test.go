//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"larder/overlay/overlaytest"
	"larder/snapshot"
	"larder/snapshot/pypi"
)

// row is a target of a snapshot, as publish takes it.
func row(t *testing.T, python, tag, installer string) (path, text string) {
	t.Helper()
	b, err := json.Marshal(pypi.Target{Python: python, Markers: map[string]string{"python_version": python}}.Row(tag, installer))
	must(t, err)
	return snapshot.TargetPath(tag), string(b)
}

// venvContainer starts a container with a virtual environment at /opt/venv, whose profile app mounts
// one==1.0 on it.
func venvContainer(t *testing.T, extra, venv map[string]string) (f *fake, cfg string) {
	t.Helper()
	dir := t.TempDir()
	store, lock := filepath.Join(dir, "store"), filepath.Join(dir, "app.lock")
	cfg = filepath.Join(dir, "config.toml")
	must(t, os.WriteFile(lock, []byte("one==1.0\n"), 0o600))
	must(t, os.WriteFile(cfg, fmt.Appendf(nil, "[profile.app]\nlock = %q\nvenv = \"/opt/venv\"\nviews = []\nview = \"\"\n", lock), 0o600))
	publish(t, store, extra)
	f = start(t, store, "c1", 0)
	for name, text := range venv {
		p := filepath.Join(f.rootfs, "opt/venv", name)
		must(t, os.MkdirAll(filepath.Dir(p), 0o755))
		must(t, os.WriteFile(p, []byte(text), 0o644))
	}
	return f, cfg
}

// An environment without pip, as uv makes them, gets the target's, and one with pip keeps its own.
func TestMountHookBringsInstaller(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	const tag = "cp312-manylinux_2_36_x86_64"
	path, text := row(t, "3.12.1", tag, "00000000000f")
	extra := map[string]string{path: text, "by-name/" + tag + "/one/1.0 -> l/000000000001": "", "l/00000000000f/lib/python3.12/site-packages/pip/target.py": ""}
	f, cfg := venvContainer(t, extra, map[string]string{"pyvenv.cfg": "version = 3.12.1\n"})
	if status, stderr := f.attach("--required", "--config", cfg, "--profile", "app"); status != 0 {
		t.Fatalf("exit %d, %q", status, stderr)
	}
	f.sh("test -e $R/opt/venv/lib/python3.12/site-packages/pip/target.py && test -e $R/opt/venv/lib/python3.11/site-packages/one/__init__.py")
	f, cfg = venvContainer(t, extra, map[string]string{"pyvenv.cfg": "version = 3.12.1\n", "lib/python3.12/site-packages/pip-20.0.dist-info/RECORD": ""})
	if status, stderr := f.attach("--required", "--config", cfg, "--profile", "app"); status != 0 {
		t.Fatalf("exit %d, %q", status, stderr)
	}
	f.sh("! test -e $R/opt/venv/lib/python3.12/site-packages/pip/target.py")
}

// A free-threaded Python is another target than that of the same version.
func TestMountHookFreeThreaded(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	extra := map[string]string{"l/00000000000e/free": ""}
	for tag, layer := range map[string]string{"cp313-manylinux_2_36_x86_64": "000000000001", "cp313t-manylinux_2_36_x86_64": "00000000000e"} {
		path, text := row(t, "3.13.1", tag, "")
		extra[path], extra["by-name/"+tag+"/one/1.0 -> l/"+layer] = text, ""
	}
	for lib, free := range map[string]bool{"python3.13": false, "python3.13t": true} {
		f, cfg := venvContainer(t, extra, map[string]string{"pyvenv.cfg": "version = 3.13.1\n", "lib/" + lib + "/site-packages/own.py": ""})
		if status, stderr := f.attach("--required", "--config", cfg, "--profile", "app"); status != 0 {
			t.Fatalf("%s: exit %d, %q", lib, status, stderr)
		}
		if got := f.sh("ls $R/opt/venv"); strings.Contains(got, "free") != free {
			t.Errorf("%s: %q", lib, got)
		}
	}
}

// Of several targets that fit, this machine's is taken. Where that leaves a choice nothing is
// guessed, and the line says what to do.
func TestMountHookSeveralTargets(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	var u unix.Utsname
	must(t, unix.Uname(&u))
	here := unix.ByteSliceToString(u.Machine[:])
	foreign := map[string]string{"x86_64": "aarch64"}[here]
	if foreign == "" {
		foreign = "x86_64"
	}
	stocked := func(tags ...string) map[string]string {
		extra := map[string]string{}
		for _, tag := range tags {
			path, text := row(t, "3.12.1", tag, "")
			extra[path], extra["by-name/"+tag+"/one/1.0 -> l/000000000001"] = text, ""
		}
		return extra
	}
	cfgOf := map[string]string{"pyvenv.cfg": "version = 3.12.1\n"}
	f, cfg := venvContainer(t, stocked("cp312-manylinux_2_36_"+here, "cp312-manylinux_2_36_"+foreign), cfgOf)
	if status, stderr := f.attach("--required", "--config", cfg, "--profile", "app"); status != 0 {
		t.Errorf("another machine's: exit %d, %q", status, stderr)
	}
	f, cfg = venvContainer(t, stocked("cp312-manylinux_2_36_"+here, "cp312-musllinux_1_2_"+here), cfgOf)
	if status, stderr := f.attach("--required", "--config", cfg, "--profile", "app"); status != 1 || !strings.Contains(stderr, "several targets: cp312-manylinux_2_36_"+here+", cp312-musllinux_1_2_"+here+"; name one as target of the profile") {
		t.Errorf("no telling: exit %d, %q", status, stderr)
	}
}

// Without caches the read-only view belongs to the process's user, as it does under larder run.
func TestMountHookViewOfTheUser(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	dir := t.TempDir()
	store, cfg := filepath.Join(dir, "store"), filepath.Join(dir, "config.toml")
	must(t, os.WriteFile(cfg, []byte("[profile.default]\nviews = []\n"), 0o600))
	publish(t, store, nil)
	f := start(t, store, "c1", 0)
	f.spec(specs.Spec{Root: &specs.Root{Path: "rootfs"}, Process: &specs.Process{User: specs.User{UID: 1000, GID: 100}}})
	if status, stderr := f.attach("--required", "--config", cfg); status != 0 {
		t.Fatalf("exit %d, %q", status, stderr)
	}
	if got := f.sh(`stat -c %u:%g $R/mnt/cacache/views`); got != "1000:100\n" {
		t.Errorf("the view belongs to %s", got)
	}
}
