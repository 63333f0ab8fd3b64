package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"larder/overlay/overlaytest"
	"larder/snapshot"
	"larder/snapshot/check"
)

// killable is the program with its failpoints.
type killable struct {
	t    *testing.T
	path string
	env  []string
}

func newKillable(t *testing.T, env []string) killable {
	path := filepath.Join(t.TempDir(), "larder")
	if out, err := exec.Command("go", "build", "-tags", "urfave_cli_no_docs,failpoint", "-ldflags", overlaytest.LinkFlags(), "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return killable{t, path, env}
}

// run runs a command to its end, or to the step at which it is killed.
func (k killable) run(fail string, args ...string) (status int, out string) {
	k.t.Helper()
	cmd := exec.Command(k.path, args...)
	cmd.Env = append(slices.Clone(k.env), "LARDER_FAILPOINT="+fail)
	b, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		k.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(b)
}

// steps are those of these commands that a command comes to.
func (k killable) steps(commands []string, args ...string) (steps []string) {
	k.t.Helper()
	log := filepath.Join(k.t.TempDir(), "steps")
	if status, out := k.run("*=log:"+log, args...); status != 0 {
		k.t.Fatalf("exit %d: %s", status, out)
	}
	b, err := os.ReadFile(log)
	if err != nil {
		k.t.Fatal(err)
	}
	for _, step := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		command, _, _ := strings.Cut(step, ":")
		if slices.Contains(commands, command) && !slices.Contains(steps, step) {
			steps = append(steps, step)
		}
	}
	return steps
}

// A repair that is killed at any of its steps leaves a store that the next one mends.
func TestRepairKilledAtEveryStep(t *testing.T) {
	x := newScriptIndex(t, nil)
	x.describe(t.Fatalf, os.ReadFile, "wheel alpha 1.0\nwheel beta 1.0 requires=alpha\n")
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	list := filepath.Join(dir, "ranking.txt")
	if err := os.WriteFile(list, []byte("alpha\nbeta\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	k := newKillable(t, append(x.server.Env(), "PATH="+scriptPath(pythonDir(t)), "HOME="+dir))
	if status, out := k.run("", "--store", good, "build", "--ranking", list); status != 0 {
		t.Fatal(out)
	}
	n := 0
	damaged := func() string {
		n++
		store := filepath.Join(dir, fmt.Sprint("store", n))
		if out, err := exec.Command("cp", "-a", good, store).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		damageAll(t, store)
		return store
	}
	steps := k.steps([]string{"repair", "publish", "current"}, "--store", damaged(), "repair")
	if len(steps) < 8 {
		t.Fatalf("only the steps %q", steps)
	}
	for _, step := range steps {
		store := damaged()
		if status, out := k.run(step+"=kill", "--store", store, "repair"); status != -1 {
			t.Errorf("at %q: exit %d, not killed: %s", step, status, out)
		}
		if status, out := k.run("", "--store", store, "repair"); status != 0 {
			t.Errorf("after %q: exit %d: %s", step, status, out)
		}
		s, err := snapshot.Open(store)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := check.Run(t.Context(), s, nil, check.Options{Full: true}); err != nil || len(r.Findings) > 0 {
			t.Errorf("after %q: %v, %+v", step, err, r)
		}
		if status, out := k.run("", "--store", store, "repair"); status != 0 || !strings.HasPrefix(out, "nothing to mend") {
			t.Errorf("after %q, once more: exit %d: %s", step, status, out)
		}
	}
}

// damageAll damages a wheel, a page, the mode of the image, and current.
func damageAll(t *testing.T, store string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := snapshot.Open(store)
	must(err)
	id, err := s.Current()
	must(err)
	img, _, err := openImage(s, "current")
	must(err)
	defer img.Close()
	for _, name := range []string{"views/simple/+files/alpha-1.0-py3-none-any.whl", "views/simple/beta/index.html"} {
		o, _, ok := img.Object(name)
		if !ok {
			t.Fatalf("no %s", name)
		}
		path := filepath.Join(s.ObjectsDir(), o.Path())
		must(os.Chmod(path, 0o644))
		must(os.WriteFile(path, []byte("other bytes"), 0))
		must(os.Chmod(path, 0o444))
	}
	must(os.Chmod(s.ImagePath(id), 0o600))
	must(os.Remove(s.CurrentPath()))
}

// A revocation that is killed at any of its steps is finished by the next one, and what it denied is
// attached to nothing from the first mark on.
func TestRevokeKilledAtEveryStep(t *testing.T) {
	x := newScriptIndex(t, nil)
	x.describe(t.Fatalf, os.ReadFile, "wheel alpha 1.0\nwheel evil 1.0\n")
	dir := t.TempDir()
	good, list := filepath.Join(dir, "good"), filepath.Join(dir, "ranking.txt")
	if err := os.WriteFile(list, []byte("alpha\nevil\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	k := newKillable(t, append(x.server.Env(), "PATH="+scriptPath(pythonDir(t)), "HOME="+dir))
	if status, out := k.run("", "--store", good, "build", "--ranking", list); status != 0 {
		t.Fatal(out)
	}
	n := 0
	store := func() string {
		n++
		store := filepath.Join(dir, fmt.Sprint("store", n))
		if out, err := exec.Command("cp", "-a", good, store).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return store
	}
	steps := k.steps([]string{"revoke", "publish", "current"}, "--store", store(), "revoke", "evil")
	if len(steps) < 8 {
		t.Fatalf("only the steps %q", steps)
	}
	for _, step := range steps {
		dir := store()
		if status, out := k.run(step+"=kill", "--store", dir, "revoke", "evil"); status != -1 {
			t.Errorf("at %q: exit %d, not killed: %s", step, status, out)
		}
		if status, out := k.run("", "--store", dir, "revoke", "evil"); status != 0 {
			t.Errorf("after %q: exit %d: %s", step, status, out)
		}
		s, err := snapshot.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		id, instead, err := s.Usable("current")
		if err != nil || instead != nil {
			t.Errorf("after %q: %v, %v", step, instead, err)
			continue
		}
		if m, err := manifestOf(s, id); err != nil || len(findWheels(m, "evil")) > 0 || len(findWheels(m, "alpha")) == 0 {
			t.Errorf("after %q: %v, %+v", step, err, m)
		}
		if r, err := check.Run(t.Context(), s, nil, check.Options{Full: true}); err != nil || r.Damaged() {
			t.Errorf("after %q: %v, %+v", step, err, r)
		}
	}
}
