//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/sys/mount"
	"larder/overlay/overlaytest"
)

// docker is a host with a daemon of its own, whose runtime is larder-runc.
type docker struct{ *world }

// newDocker starts the daemon in a mount namespace of the test's, without a network. Nothing of the
// host's own Docker is used.
func newDocker(t *testing.T) *docker {
	t.Helper()
	forEngines(t, "docker", "dockerd", "containerd")
	d := &docker{newWorld(t, "")}
	programs := filepath.Join(d.dir, "libexec")
	must(t, os.Mkdir(programs, 0o755))
	wrapper := wrapperBinary(t, programs)
	d.storeByDefault()
	log, err := os.Create(filepath.Join(d.dir, "dockerd"))
	must(t, err)
	defer log.Close()
	daemon := exec.Command("dockerd", "--host", "unix:///run/docker.sock", "--data-root", filepath.Join(d.dir, "docker"), "--exec-root", "/run/docker", "--pidfile", "/run/docker.pid",
		"--bridge", "none", "--iptables=false", "--ip6tables=false", "--cgroup-parent", "larder-test", "--add-runtime", "larder="+wrapper, "--default-runtime", "larder")
	daemon.Stdout, daemon.Stderr = log, log
	must(t, daemon.Start())
	t.Cleanup(func() {
		_, _ = d.docker("sh", "-c", "docker ps -aq | xargs -r docker rm -f")
		_ = daemon.Process.Signal(syscall.SIGTERM)
		_ = daemon.Wait()
		d.unmountAll()
		groups, _ := filepath.Glob("/sys/fs/cgroup/*/larder-test")
		for _, group := range groups {
			_ = os.Remove(group)
		}
	})
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if _, err := d.docker("docker", "version"); err == nil {
			break
		}
		if time.Now().After(end) {
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("dockerd does not answer: %s", text)
		}
	}
	if out, err := d.docker("sh", "-c", `tar -C "$1" -c . | docker import - test`, "sh", d.rootfs); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return d
}

// wrapperBinary builds larder-runc, with the hook beside it, as make install has them.
func wrapperBinary(t *testing.T, dir string) string {
	t.Helper()
	wrapper := filepath.Join(dir, "larder-runc")
	build := exec.Command("go", "build", "-tags", "urfave_cli_no_docs", "-o", wrapper, "larder/cmd/larder-runc")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	must(t, os.Link(hookBinary(t), filepath.Join(dir, "larder-hook")))
	return wrapper
}

// storeByDefault puts the store where a hook that is told nothing looks for it.
func (w *world) storeByDefault() {
	w.t.Helper()
	must(w.t, mount.Mount("tmpfs", "/var/lib", "tmpfs", "mode=0755"))
	must(w.t, os.Mkdir("/var/lib/larder", 0o700))
	must(w.t, mount.Mount(w.store, "/var/lib/larder", "none", "bind"))
}

func (d *docker) docker(command ...string) (string, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST=unix:///run/docker.sock", "DOCKER_CONFIG="+d.dir, "DOCKER_BUILDKIT=0", "TMPDIR="+d.dir)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (d *docker) must(args ...string) string {
	d.t.Helper()
	out, err := d.docker(append([]string{"docker"}, args...)...)
	if err != nil {
		d.t.Fatalf("docker %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return out
}

// Docker, with larder-runc as its runtime: what a user may say to one container, an image's build, and a
// container's life. (Docker 25 and later need no runtime of their own: they read CDI.)
func TestE2EDocker(t *testing.T) {
	needRunc(t)
	if !overlaytest.Inside(t) {
		return
	}
	d := newDocker(t)
	t.Logf("Docker %s", d.must("version", "-f", "{{.Server.Version}}"))
	const body = "/.cache/pip/http-v2/a/body"
	writes := func(home string) string { return "cat " + home + body + " && echo mine > " + home + body }
	for _, tc := range []struct {
		what, script, want string
		flags              []string
	}{
		{"run", writes("~"), "a wheel", nil},
		{"the same image again", writes("~"), "a wheel", nil},
		{"another runtime", "test ! -e ~/.cache && test ! -e /mnt/cacache && echo nothing", "nothing\n", []string{"--runtime", "runc"}},
		{"--user", writes("/home/alice") + " && id -u", "a wheel1000\n", []string{"--user", "alice"}},
		{"--user of nobody", writes("$HOME") + " && id -u", "a wheel4711\n", []string{"--user", "4711:4711", "-e", "HOME=/tmp/home"}},
		{"--read-only", writes("~") + " && ! touch /x 2>/dev/null", "a wheel", []string{"--read-only"}},
		{"home on a volume", writes("~"), "a wheel", []string{"-v", "home:/root"}},
		{"the same volume again", writes("~"), "a wheel", []string{"-v", "home:/root"}},
		{"home in memory", writes("~"), "a wheel", []string{"--tmpfs", "/root"}},
	} {
		args := append(append([]string{"run", "--rm", "--network", "none"}, tc.flags...), "test", "/bin/sh", "-c", tc.script)
		if got := d.must(args...); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.what, got, tc.want)
		}
	}
	if n := d.leases(); n != 0 {
		t.Errorf("%d leases after run --rm", n)
	}
	d.builds(t)
	d.lives(t)
}

// builds makes an image: its RUN has the cache, and the image nothing of it.
func (d *docker) builds(t *testing.T) {
	t.Helper()
	dir := filepath.Join(d.dir, "context")
	must(t, os.Mkdir(dir, 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM test\nRUN cat ~/.cache/pip/http-v2/a/body > /got\n"), 0o644))
	d.must("build", "-q", "--network", "none", "-t", "built", dir)
	if got := d.must("run", "--rm", "--network", "none", "--runtime", "runc", "built", "sh", "-c", "cat /got; ls -A ~/.cache/pip /mnt/cacache"); got != "a wheel/mnt/cacache:\n\n/root/.cache/pip:\n" {
		t.Errorf("the image has %q", got)
	}
	// Its containers were removed one by one: gc sees it, as of any that can be started again.
	if collect(t, d.store); d.leases() != 0 {
		t.Errorf("%d leases after a build", d.leases())
	}
}

// lives restarts a container, makes an image of it, and removes it.
func (d *docker) lives(t *testing.T) {
	t.Helper()
	d.must("run", "-d", "--network", "none", "--name", "one", "test", "/bin/sh", "-c", sleeps)
	d.must("exec", "one", "sh", "-c", "cd ~/.cache/pip && echo mine > mine && rm -r http-v2 && echo > ~/own")
	look := func(when string) {
		t.Helper()
		if got := d.must("exec", "one", "sh", "-c", "cd ~/.cache/pip && test ! -e http-v2 && cat mine"); got != "mine\n" {
			t.Errorf("%s: %q", when, got)
		}
	}
	d.must("restart", "-t", "2", "one")
	look("after restart")
	d.must("stop", "-t", "2", "one")
	if collect(t, d.store); d.leases() != 1 {
		t.Error("gc took a stopped container's")
	}
	d.must("start", "one")
	look("after stop and start")
	d.must("commit", "one", "made")
	if got := d.must("run", "--rm", "--network", "none", "--runtime", "runc", "made", "/bin/sh", "-c", "ls -A ~ ~/.cache/pip /mnt/cacache"); !strings.Contains(got, "own") || strings.Contains(got, "mine") || strings.Contains(got, "http-v2") || strings.Contains(got, "targets") {
		t.Errorf("an image made of it has %q", got)
	}
	d.must("rm", "-f", "one")
	if report := collect(t, d.store); d.leases() != 0 || left(t, d.store) != "0 leases 0 instances 0 trash" {
		t.Errorf("after rm: %s, %+v", left(t, d.store), report)
	}
}
