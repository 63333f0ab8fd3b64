package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"larder/builder/npm/npmtest"
	"larder/overlay/attach"
	"larder/overlay/overlaytest"
	"larder/snapshot"
	"larder/snapshot/check"
)

// The first run of a lock that no build has seen, killed at any of its steps, leaves a whole store, which the
// next run seals it in. So does a gc that is killed while it takes one away.
func TestMountRunSealKilledAtEveryStep(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	dir := t.TempDir()
	good, app := filepath.Join(dir, "good"), filepath.Join(dir, "app")
	noError(t, os.Mkdir(app, 0o755))
	one := npmtest.Package{Name: "a", Version: "1.0.0", Files: map[string]string{"index.js": "a 1\n"}}
	r := npmtest.NewRegistry(t, one)
	lock := npmtest.Lock(t, app, map[string]npmtest.Package{"node_modules/a": one})
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "npm_config_update_notifier=false"}
	registryFor(func(key, value string) { env = append(env, key+"="+value) }, r)
	k := newKillable(t, env)
	if status, out := k.run("", "--store", good, "build", "--lock", lock); status != 0 {
		t.Fatal(out)
	}
	text, err := os.ReadFile(lock)
	noError(t, err)
	noError(t, os.WriteFile(lock, []byte(strings.ReplaceAll(string(text), "node_modules/a", "node_modules/b")), 0o644))

	n := 0
	fresh := func() string {
		n++
		store := filepath.Join(dir, fmt.Sprint("store", n))
		if out, err := exec.Command("cp", "-a", good, store).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return store
	}
	run := func(store string) []string {
		return []string{"--store", store, "run", "--run-dir", filepath.Join(dir, "run"), "--required", "-r", lock, "--", "cat", filepath.Join(app, "node_modules/b/index.js")}
	}
	whole := func(step, store string, private int) {
		s, err := snapshot.Open(store)
		noError(t, err)
		if r, err := check.Run(t.Context(), s, nil, check.Options{Full: true}); err != nil || len(r.Findings) > 0 {
			t.Errorf("%s: %v, %+v", step, err, r)
		}
		id, err := s.Current()
		noError(t, err)
		if all, err := s.Privates(id); err != nil || len(all) != private {
			t.Errorf("%s: private images %+v, %v; want %d", step, all, err, private)
		}
	}
	again := func(step, store string) {
		if status, out := k.run("", run(store)...); status != 0 || out != "a 1\n" {
			t.Errorf("after %s: exit %d: %s", step, status, out)
		}
		whole("after "+step, store, 1)
		if status, out := k.run("", "--store", store, "gc"); status != 0 {
			t.Errorf("after %s: gc: exit %d: %s", step, status, out)
		}
		whole("gc after "+step, store, 1)
	}

	steps := k.steps([]string{"seal", "attach"}, run(fresh())...)
	if len(steps) < 6 || !strings.Contains(strings.Join(steps, ","), "seal: written") {
		t.Fatalf("only the steps %q", steps)
	}
	for _, step := range steps {
		store := fresh()
		if status, out := k.run(step+"=kill", run(store)...); status != -1 {
			t.Errorf("at %q: exit %d, not killed: %s", step, status, out)
		}
		again(step, store)
	}

	stale := func() string {
		store := fresh()
		if status, out := k.run("", run(store)...); status != 0 {
			t.Fatal(out)
		}
		if out, err := exec.Command("sh", "-c", "touch -d '15 days ago' "+store+"/snapshots/*/private/*/sealed.json").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return store
	}
	const step = "gc: private image out of sight"
	store := stale()
	if status, out := k.run(step+"=kill", "--store", store, "gc"); status != -1 {
		t.Errorf("at %q: exit %d, not killed: %s", step, status, out)
	}
	whole("at "+step, store, 1)
	if status, out := k.run("", "--store", store, "gc"); status != 0 || !strings.Contains(out, "removed 1 private images") {
		t.Errorf("after %q: exit %d: %s", step, status, out)
	}
	whole("after "+step, store, 0)
	again(step, store)
}

// A lock of more packages than the kernel stacks is sealed at its first run; one that it stacks is not.
func TestMountRunLongLock(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	p := newProgram(t)
	python, err := exec.LookPath("python3")
	noError(t, err)
	names, text := make([]string, 600), ""
	for i := range names {
		names[i] = fmt.Sprintf("more%03d", i)
	}
	s, id := runStore(t, p, python, names...)
	dir := t.TempDir()
	t.Chdir(dir)
	run := func(n int, args ...string) (lowers int) {
		text = strings.Join(names[:n], "==1.0\n") + "==1.0\n"
		noError(t, os.WriteFile("lock.txt", []byte(text), 0o644))
		args = append([]string{"run", "--run-dir=" + dir + "/run", "--required", "--view", "pip", "--report", "report.json", "-r", "lock.txt"}, args...)
		out := p.must("larder", append(args, "--", "sh", "-c", fmt.Sprintf("more000; %s; pip; cat $VIRTUAL_ENV/kept 2>/dev/null; echo x >$VIRTUAL_ENV/kept", names[n-1]))...)
		if !strings.HasPrefix(out, fmt.Sprintf("more000\n%s\npip\n", names[n-1])) {
			t.Errorf("%d packages: %q", n, out)
		}
		var r struct{ Mounts []struct{ Lowers int } }
		b, err := os.ReadFile("report.json")
		if err == nil {
			err = json.Unmarshal(b, &r)
		}
		noError(t, err)
		return r.Mounts[1].Lowers
	}
	sealed := func(want int) {
		t.Helper()
		if all, err := s.Privates(id); err != nil || len(all) != want {
			t.Errorf("private images: %+v, %v; want %d", all, err, want)
		}
	}
	if n := run(attach.Stackable); n != attach.Stackable+2 {
		t.Errorf("%d packages: %d lowers", attach.Stackable, n)
	}
	sealed(0)
	for _, n := range []int{attach.Stackable + 1, 600, 600} {
		if lowers := run(n); lowers != 3 {
			t.Errorf("%d packages: %d lowers", n, lowers)
		}
	}
	sealed(2)
	// A kept instance has the installer that it began with, from the same image.
	for range 2 {
		run(600, "--instance", dir+"/kept")
	}
	if b, err := os.ReadFile(dir + "/kept/private/u/kept"); err != nil || string(b) != "x\n" {
		t.Errorf("kept: %q, %v", b, err)
	}
	sealed(2)
}
