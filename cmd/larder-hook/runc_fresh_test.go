//go:build linux

package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// realPython copies the host's Python to /usr/local of the root, without what is compiled and what a
// module of the test's needs none of, and returns its version.
func (w *world) realPython() (minor string) {
	w.t.Helper()
	out, err := exec.Command("python3", "-c", `import os, sys; print("%d.%d" % sys.version_info[:2], os.path.realpath(sys._base_executable), os.path.dirname(os.__file__))`).Output()
	must(w.t, err)
	f := strings.Fields(string(out))
	minor, binary, lib := f[0], f[1], f[2]
	prefix := filepath.Join(w.rootfs, "usr/local")
	put := func(from, to string) {
		data, err := os.ReadFile(from)
		must(w.t, err)
		must(w.t, os.MkdirAll(filepath.Dir(to), 0o755))
		must(w.t, os.WriteFile(to, data, 0o755))
	}
	put(binary, filepath.Join(prefix, "bin/python"+minor))
	must(w.t, os.Symlink("python"+minor, filepath.Join(prefix, "bin/python3")))
	libraries, err := exec.Command("ldd", binary).Output()
	must(w.t, err)
	for _, word := range strings.Fields(string(libraries)) {
		if strings.HasPrefix(word, "/") {
			put(word, filepath.Join(w.rootfs, word))
		}
	}
	must(w.t, filepath.WalkDir(lib, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(lib, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasSuffix(rel, "-packages") || strings.Count(rel, "/") > 0 || rel == "test" || rel == "idlelib"):
			return fs.SkipDir
		case d.Type().IsRegular() && strings.HasSuffix(rel, ".py"):
			put(path, filepath.Join(prefix, "lib/python"+minor, rel))
		}
		return nil
	}))
	return minor
}

// A container of an image with a Python and no virtual environment imports what the lock names, from the one
// that it gets at the profile's path.
func TestE2ERuncMakesEnvironment(t *testing.T) {
	lock := filepath.Join(t.TempDir(), "app.lock")
	must(t, os.WriteFile(lock, []byte("real==1.0\n"), 0o644))
	w := newWorld(t, fmt.Sprintf(`
[profile.operator]
lock = %q
venv = "/opt/new/venv"
[profile.container]
allow_container_lock = true
`, lock))
	minor := w.realPython()
	tag := hostTag(t, "cp"+strings.ReplaceAll(minor, ".", ""))
	layer := "l/00000000000d/lib/python" + minor + "/site-packages/real.py"
	extra := map[string]string{layer: "real = 'the real one'\n", "by-name/" + tag + "/real/1.0 -> l/00000000000d": ""}
	if tag != target {
		path, text := row(t, minor+".1", tag, "")
		extra[path] = text
	}
	publish(t, w.store, extra)
	must(t, os.WriteFile(filepath.Join(w.rootfs, "opt/app.lock"), []byte("real==1.0\n"), 0o644))
	alice := func(s *specs.Spec) { s.Process.User = specs.User{UID: 1000, GID: 1000} }
	readOnly := func(s *specs.Spec) { s.Root.Readonly = true }
	annotate := func(s *specs.Spec) {
		s.Annotations = map[string]string{lockAnnotation: "/opt/app.lock", venvAnnotation: "/opt/new/venv"}
	}
	for _, tc := range []struct {
		name, profile, owner string
		change               []func(*specs.Spec)
	}{
		{"root", "operator", "0:0", nil},
		{"alice", "operator", "1000:1000", []func(*specs.Spec){alice}},
		{"annotation", "container", "1000:1000", []func(*specs.Spec){annotate, alice}},
		{"read-only", "operator", "1000:1000", []func(*specs.Spec){readOnly, alice}},
		{"overlay", "operator", "0:0", []func(*specs.Spec){w.onOverlay}},
		{"userns", "operator", "0:0", []func(*specs.Spec){w.inUserNS}},
		{"userns-alice", "container", "1000:1000", []func(*specs.Spec){annotate, w.inUserNS, alice}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := w.spec(`/opt/new/venv/bin/python -B -c '
import real, sys
print(real.real, sys.prefix, sys.base_prefix)
open(sys.prefix + "/lib/python`+minor+`/site-packages/mine.py", "w").write("x = 1")
import mine
' && stat -c '%u:%g' /opt/new /opt/new/venv /opt/new/venv/bin/python3`, "--profile", tc.profile, "--required")
			for _, change := range tc.change {
				change(s)
			}
			before := w.host()
			if out := w.output("f-"+tc.name, s); out != "the real one /opt/new/venv /usr/local\n"+strings.Repeat(tc.owner+"\n", 3) {
				t.Errorf("printed %q", out)
			}
			w.unchanged(before)
			must(t, os.RemoveAll(filepath.Join(w.rootfs, "opt/new")))
			must(t, os.RemoveAll(filepath.Join(w.dir, "userns/opt/new")))
		})
	}
	t.Log(w.logged())
}
