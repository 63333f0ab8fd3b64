//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// lookEnvironment is what a container sees of an environment on /opt/venv: the
// packages of the lock, and its own files below them.
const lookEnvironment = `
set -e
S=/opt/venv/lib/python3.11/site-packages
test "$(cat $S/one/__init__.py)" = "one = 1"
test "$(cat $S/two.py)" = "two = 2"
test "$(cat $S/own.py)" = own
test -f $S/one/empty.py
grep -q 3.11.2 /opt/venv/pyvenv.cfg
stat -c 'one %u:%g' $S/one/__init__.py
echo changed > $S/one/__init__.py
echo changed > $S/own.py
echo new > $S/new.py
echo ok
`

func (w *world) makeVenv(uid int) {
	for _, d := range []string{"opt/venv", "opt/venv/bin", "opt/venv/lib", "opt/venv/lib/python3.11", "opt/venv/lib/python3.11/site-packages"} {
		must(w.t, os.MkdirAll(filepath.Join(w.rootfs, d), 0o755))
		must(w.t, os.Chown(filepath.Join(w.rootfs, d), uid, uid))
	}
	for name, text := range map[string]string{
		"opt/venv/pyvenv.cfg":                          "home = /usr/bin\nversion = 3.11.2\n",
		"opt/venv/lib/python3.11/site-packages/own.py": "own\n",
		"opt/app.lock":                                 "one==1.0\ntwo==2.0\n",
	} {
		must(w.t, os.WriteFile(filepath.Join(w.rootfs, name), []byte(text), 0o644))
		must(w.t, os.Chown(filepath.Join(w.rootfs, name), uid, uid))
	}
}

func TestE2ERuncEnvironment(t *testing.T) {
	lockDir := t.TempDir()
	requirements := filepath.Join(lockDir, "requirements.txt")
	must(t, os.WriteFile(requirements, []byte("one==1.0\ntwo==2.0 ; python_version >= '3.8'\nnever==1 ; python_version < '3'\n"), 0o644))
	w := newWorld(t, fmt.Sprintf(`
[profile.operator]
lock = %q
venv = "/opt/venv"
[profile.container]
allow_container_lock = true
requestable = true
`, requirements))
	w.makeVenv(1000)
	alice := func(s *specs.Spec) { s.Process.User = specs.User{UID: 1000, GID: 1000} }
	annotate := func(s *specs.Spec) {
		s.Annotations = map[string]string{lockAnnotation: "/opt/app.lock", venvAnnotation: "/opt/venv"}
	}
	for _, tc := range []struct {
		name    string
		profile string
		change  []func(*specs.Spec)
	}{
		{"operator", "operator", nil},
		{"operator-alice", "operator", []func(*specs.Spec){alice}},
		{"annotation", "container", []func(*specs.Spec){annotate}},
		{"annotation-alice", "container", []func(*specs.Spec){annotate, alice}},
		{"requested", "operator", []func(*specs.Spec){annotate, func(s *specs.Spec) { s.Annotations[profileAnnotation] = "container" }}},
		{"overlay", "operator", []func(*specs.Spec){w.onOverlay}},
		{"userns", "operator", []func(*specs.Spec){w.inUserNS}},
		{"userns-alice", "container", []func(*specs.Spec){annotate, w.inUserNS, alice}},
		{"activated", "container", []func(*specs.Spec){annotate, func(s *specs.Spec) {
			delete(s.Annotations, venvAnnotation)
			s.Process.Env = append(s.Process.Env, "VIRTUAL_ENV=/opt/venv")
		}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := w.spec(lookEnvironment, "--profile", tc.profile, "--required")
			for _, change := range tc.change {
				change(s)
			}
			before := w.host()
			out := w.output("e-"+tc.name, s)
			if !strings.Contains(out, "ok\n") || !strings.Contains(out, "one 1000:1000\n") {
				t.Errorf("printed %q", out)
			}
			w.unchanged(before)
			if own, err := os.ReadFile(filepath.Join(w.rootfs, "opt/venv/lib/python3.11/site-packages/own.py")); err != nil || string(own) != "own\n" {
				t.Errorf("the virtual environment's own file: %q, %v", own, err)
			}
		})
	}
	t.Log(w.logged())
}

// A container that asks for what it may not have, or in a hostile way, starts
// without it, and --required stops it.
func TestE2ERuncEnvironmentRefused(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(secret, []byte("one==1.0\n"), 0o644))
	w := newWorld(t, fmt.Sprintf(`
[profile.operator]
lock = %q
[profile.container]
allow_container_lock = true
[profile.strict]
allow_container_lock = true
missing = "fail"
`, secret))
	w.makeVenv(0)
	root := func(name string) string { return filepath.Join(w.rootfs, name) }
	must(t, os.Symlink(secret, root("opt/host.lock")))
	must(t, os.Symlink("/proc/self/root"+secret, root("opt/magic.lock")))
	must(t, os.WriteFile(root("opt/unpinned.lock"), []byte("one\n"), 0o644))
	must(t, os.WriteFile(root("opt/missing.lock"), []byte("one==1.0\nthree==3\n"), 0o644))
	must(t, os.WriteFile(root("opt/none.lock"), []byte("three==3\n"), 0o644))
	must(t, os.WriteFile(root("opt/include.lock"), []byte("-r "+secret+"\n"), 0o644))
	must(t, os.WriteFile(root("opt/dots.lock"), []byte("-r ../../../../../../../.."+secret+"\n"), 0o644))
	must(t, os.WriteFile(root("opt/hostile.lock"), []byte("../../../manifest.json==1.0\n"), 0o644))
	must(t, os.WriteFile(root("opt/version.lock"), []byte("one==../../one/1.0\n"), 0o644))
	must(t, os.WriteFile(root("opt/large.lock"), nil, 0o644))
	must(t, os.Truncate(root("opt/large.lock"), 4<<20+1))
	must(t, os.MkdirAll(root("opt/novenv"), 0o755))
	must(t, os.MkdirAll(root("opt/files/lib"), 0o755))
	must(t, os.WriteFile(root("opt/file"), nil, 0o644))
	for _, tc := range []struct{ profile, lock, venv, want string }{
		{"default", "/opt/app.lock", "/opt/venv", "profile default does not allow it"},
		{"operator", "/opt/app.lock", "", "profile operator does not allow it"},
		{"operator", "", "/opt/venv", "profile operator does not allow it"},
		{"container", "/opt/host.lock", "/opt/venv", "not a regular file"},
		{"container", "/opt/magic.lock", "/opt/venv", "not a regular file"},
		{"container", "/proc/self/root" + secret, "/opt/venv", `read "/proc/self/root`},
		{"container", secret, "/opt/venv", "no such file"},
		{"container", "/opt/../.." + secret, "/opt/venv", "no plain absolute path"},
		{"container", "app.lock", "/opt/venv", "no plain absolute path"},
		{"container", "/opt/large.lock", "/opt/venv", "larger than"},
		{"container", "/opt/unpinned.lock", "/opt/venv", "unpinned.lock"},
		{"container", "/opt/include.lock", "/opt/venv", secret},
		{"container", "/opt/dots.lock", "/opt/venv", secret},
		{"container", "/opt/hostile.lock", "/opt/venv", "hostile.lock"},
		{"container", "/opt/version.lock", "/opt/venv", "version.lock"},
		{"container", "/opt/none.lock", "/opt/venv", "none of the 1 packages"},
		{"container", "/opt/app.lock", "/opt/novenv", "a container without Python in /bin, /usr/local/bin, /usr/bin (it has " + target + ")"},
		{"container", "/opt/app.lock", "/opt/files", "no virtual environment"},
		{"container", "/opt/app.lock", "/opt/none", "a container without Python"},
		{"container", "/opt/app.lock", "/opt/file", "not a directory"},
		{"container", "/opt/app.lock", "/", "is the root"},
		{"container", "/opt/app.lock", "/proc", "is on proc"},
		{"container", "/opt/app.lock", "/etc", "is the directory /etc"},
		{"container", "/opt/app.lock", "", "no virtual environment: none named"},
		{"strict", "/opt/missing.lock", "/opt/venv", "three==3, which the snapshot lacks"},
	} {
		name := strings.NewReplacer("/", "_", ".", "_").Replace(tc.profile + tc.lock + tc.venv)
		t.Run(name, func(t *testing.T) {
			s := w.spec(`test ! -e /opt/venv/lib/python3.11/site-packages/one && echo started`, "--profile", tc.profile)
			s.Annotations = map[string]string{}
			if tc.lock != "" {
				s.Annotations[lockAnnotation] = tc.lock
			}
			if tc.venv != "" {
				s.Annotations[venvAnnotation] = tc.venv
			}
			before := w.host()
			must(t, os.RemoveAll(w.log))
			if out := w.output("r1", s); out != "started\n" {
				t.Errorf("printed %q", out)
			}
			if !strings.Contains(w.logged(), tc.want) {
				t.Errorf("log lacks %q: %s", tc.want, w.logged())
			}
			w.unchanged(before)
			args := &s.Hooks.CreateRuntime[0].Args
			*args = append(*args, "--required")
			if stdout, stderr, err := w.run("r2", s); err == nil || stdout != "" || !strings.Contains(stderr, "larder-hook: attach") {
				t.Errorf("required: %v, %q, %q", err, stdout, stderr)
			}
			w.unchanged(before)
		})
	}
	// What is missing is named, and the rest is there.
	s := w.spec(`cat /opt/venv/lib/python3.11/site-packages/one/__init__.py`, "--profile", "container", "--required")
	s.Annotations = map[string]string{lockAnnotation: "/opt/missing.lock", venvAnnotation: "/opt/venv"}
	if out := w.output("partly", s); out != "one = 1\n" || !strings.Contains(w.logged(), "environment without three==3") {
		t.Errorf("printed %q, logged %s", out, w.logged())
	}
}
