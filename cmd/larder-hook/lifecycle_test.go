//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"larder/cmd/internal/definition"
	"larder/overlay/overlaytest"
)

// bundle is a container of a bare runtime, with the hook as larder setup bundle puts it there.
type bundle struct {
	*world
	runtime, dir, id string
}

func (w *world) bundle(runtime, id string, s *specs.Spec) *bundle {
	w.t.Helper()
	b := &bundle{world: w, runtime: runtime, dir: filepath.Join(w.dir, id), id: id}
	must(w.t, os.MkdirAll(b.dir, 0o755))
	s.Hooks = nil
	plain, err := json.Marshal(s)
	must(w.t, err)
	config, err := definition.InBundle(plain, definition.Hook{Path: hookBinary(w.t), Required: true, Common: []string{"--store", w.store, "--config", w.config, "--log", w.log}})
	must(w.t, err)
	must(w.t, os.WriteFile(filepath.Join(b.dir, "config.json"), config, 0o644))
	w.t.Cleanup(func() { _, _ = b.do("delete", "--force", id) })
	return b
}

func (b *bundle) do(args ...string) (string, error) {
	cmd := exec.Command(b.runtime, append([]string{"--root", filepath.Join(b.world.dir, b.runtime)}, args...)...)
	var out bytes.Buffer
	file, err := os.CreateTemp(b.world.dir, "said") // a pipe would be held by the container
	must(b.t, err)
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	err = cmd.Run()
	if _, serr := file.Seek(0, 0); serr == nil {
		_, _ = out.ReadFrom(file)
	}
	return out.String(), err
}

func (b *bundle) must(args ...string) string {
	b.t.Helper()
	out, err := b.do(args...)
	if err != nil {
		b.t.Fatalf("%s %q: %v: %s\nlog: %s", b.runtime, args, err, out, b.logged())
	}
	return out
}

// create, start, exec, kill and delete, one by one, under both runtimes.
func TestE2EBundle(t *testing.T) {
	needRunc(t)
	if !overlaytest.Inside(t) {
		return
	}
	// A hierarchy of version 2 beside those of version 1 confuses crun.
	if err := unix.Unmount("/sys/fs/cgroup/unified", unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		t.Fatal(err)
	}
	for _, runtime := range []string{"runc", "crun"} {
		t.Run(runtime, func(t *testing.T) {
			w := newWorld(t, "")
			t.Cleanup(w.unmountAll) // what the runtime leaves without a mount namespace
			s := w.spec(sleeps)
			s.Process.Env = append(s.Process.Env, "HOME=/home/alice")
			s.Root.Readonly = true
			b := w.bundle(runtime, "c1", s)
			b.must("create", "--bundle", b.dir, "c1")
			b.must("start", "c1")
			if got := b.must("exec", "c1", "/bin/sh", "-c", "cd ~/.cache/pip && cat http-v2/a/body && echo mine > mine && ! echo 2>/dev/null > /x"); got != "a wheel" {
				t.Errorf("in it: %q", got)
			}
			b.must("kill", "c1", "KILL")
			for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
				if out, err := b.do("delete", "c1"); err == nil {
					break
				} else if time.Now().After(end) {
					t.Fatalf("delete: %v: %s", err, out)
				}
			}
			if got := left(t, w.store); !strings.HasPrefix(got, "0 leases 0 instances") {
				t.Errorf("after delete: %s\n%s", got, w.logged())
			}

			// Without a mount namespace of its own a container would have its mounts on the host.
			s = w.spec("true")
			s.Linux.Namespaces = []specs.LinuxNamespace{{Type: specs.PIDNamespace}}
			s.Mounts = nil
			b = w.bundle(runtime, "c2", s)
			before, err := os.ReadFile("/proc/self/mountinfo")
			must(t, err)
			if out, err := b.do("run", "--bundle", b.dir, "c2"); err == nil {
				t.Errorf("in the host's mount namespace: %s", out)
			}
			after, err := os.ReadFile("/proc/self/mountinfo")
			if must(t, err); strings.Count(string(after), "larder:") != strings.Count(string(before), "larder:") {
				t.Errorf("mounted on the host:\n%s", after)
			}
		})
	}
}
