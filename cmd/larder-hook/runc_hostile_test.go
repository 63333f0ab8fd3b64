//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// A root file system that wants the hook to mount somewhere else: the container
// starts, the place is left out, the kernel's directories are not covered.
func TestE2ERuncHostileRoot(t *testing.T) {
	w := newWorld(t, "")
	cache := filepath.Join(w.rootfs, "root/.cache")
	must(t, os.MkdirAll(filepath.Join(w.rootfs, "mnt/cacache"), 0o755))
	canary := filepath.Join(w.dir, "canary/home")
	link := func(to string) func() {
		return func() {
			must(t, os.MkdirAll(cache, 0o755))
			must(t, os.Symlink(to, filepath.Join(cache, "pip")))
		}
	}
	for _, tc := range []struct {
		name string
		make func()
		want string
	}{
		{"link to the host", link(canary), "dangling link"},
		{"link out by dots", link("../../../../../../../.." + canary), "dangling link"},
		{"link to /", link("/"), "leads to the root"},
		{"link to proc", link("/proc"), "is on proc"},
		{"link into proc", link("/proc/sys/kernel"), "is on proc"},
		{"link to dev", link("/dev"), "is in /dev"},
		{"link to etc", link("/etc"), "is the directory /etc"},
		{"magic link", func() { must(t, os.Symlink("/proc/1/root", cache)) }, "mount point"},
		{"loop", func() { must(t, os.Symlink(".cache", cache)) }, "a loop of links"},
		{"file", func() { must(t, os.WriteFile(cache, nil, 0o644)) }, "not a directory"},
		{"config of ours", func() {
			must(t, os.MkdirAll(filepath.Join(w.rootfs, "etc/larder"), 0o755))
			must(t, os.WriteFile(filepath.Join(w.rootfs, "etc/larder/config.toml"), []byte("store = \"/tmp\"\n"), 0o600))
			link("/proc")()
		}, "is on proc"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			must(t, os.RemoveAll(cache))
			must(t, os.RemoveAll(w.log))
			tc.make()
			before := w.host()
			out := w.output("h", w.spec("grep -c ' larder:' /proc/self/mountinfo; test -e /proc/sys/kernel/hostname && echo started"))
			if out != "1\nstarted\n" {
				t.Errorf("printed %q", out)
			}
			if log := w.logged(); !strings.Contains(log, tc.want) || !strings.Contains(log, "left out: pip: ") {
				t.Errorf("log lacks %q: %s", tc.want, log)
			}
			w.unchanged(before)
		})
	}
}

// One container overwrites whatever it can reach, with every capability there
// is: another one that runs, one that starts later, and the store see nothing
// of it.
func TestE2ERuncHostileContainer(t *testing.T) {
	w := newWorld(t, "")
	objects := func() string {
		out, err := exec.Command("sh", "-c", "cd "+w.store+" && find objects snapshots -type f | sort | xargs sha256sum").Output()
		must(t, err)
		return string(out)
	}
	before, host := objects(), w.host()
	reader := `
while test ! -e /tmp/go; do sleep 0.05; done
cat $HOME/.cache/pip/http-v2/a/body $HOME/.cache/pip/wheels/b /mnt/cacache/views/pip/http-v2/a/body`
	type result struct {
		out string
		err error
	}
	running := make(chan result, 1)
	s := w.spec("touch /tmp/up;"+reader, "--required")
	go func() {
		out, _, err := w.run("victim", s)
		running <- result{out, err}
	}()
	attack := w.spec(`
while test ! -e /tmp/up; do sleep 0.05; done
exec 2>/dev/null
for d in $HOME/.cache/pip /mnt/cacache; do
  for f in $(find $d -type f); do echo evil > $f; chmod 777 $f; rm -f $f; echo evil > $f; done
done
mount -o remount,rw /mnt/cacache
mount -o remount,bind,rw /mnt/cacache
for f in $(find /mnt/cacache -type f); do echo evil > $f && echo wrote $f; done
mount --bind /mnt/cacache /opt && mount -o remount,bind,rw /opt && echo evil > /opt/views/pip/http-v2/a/body && echo wrote through a bind
umount /mnt/cacache
umount $HOME/.cache/pip
find $HOME/.cache/pip /mnt/cacache -type f
test -e $HOME/.cache/pip/http-v2 && echo below
touch /tmp/go
echo done`, "--required")
	var all []string
	for _, c := range []string{"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "SYS_ADMIN", "SYS_PTRACE", "MKNOD", "SETFCAP", "SYS_CHROOT", "SYS_RAWIO"} {
		all = append(all, "CAP_"+c)
	}
	attack.Process.Capabilities = &specs.LinuxCapabilities{Bounding: all, Effective: all, Permitted: all}
	// They share a root, where each hook makes what is missing of its mount points, and takes it
	// back when it fails: the second begins when the first is up.
	for up := filepath.Join(w.rootfs, "tmp/up"); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(up); err == nil || len(running) > 0 {
			break
		}
	}
	if out := w.output("attacker", attack); out != "done\n" {
		t.Errorf("the attacker printed %q", out)
	}
	const pristine = "a wheelan old wheela wheel"
	if r := <-running; r.err != nil || r.out != pristine {
		t.Errorf("the one that ran: %q, %v", r.out, r.err)
	}
	if out := w.output("later", w.spec(reader, "--required")); out != pristine {
		t.Errorf("the one that came later: %q", out)
	}
	if after := objects(); after != before {
		t.Errorf("the store changed:\n%s\nwas:\n%s", after, before)
	}
	w.unchanged(host)
}

// Nothing of the hook stays open in the container, and its environment is not
// the container's business.
func TestE2ERuncLeaksNothing(t *testing.T) {
	w := newWorld(t, "")
	out := w.output("fds", w.spec("ls -l /proc/self/fd /proc/1/fd; echo; cat /proc/1/environ /proc/self/mountinfo", "--required"))
	for _, never := range []string{w.store, "image.erofs", "attach.lock", "objects/", "LARDER"} {
		if strings.Contains(out, never) {
			t.Errorf("%q shows in the container:\n%s", never, out)
		}
	}
}

// A later hook fails: the runtime calls poststop, and nothing stays.
func TestE2ERuncLaterHookFails(t *testing.T) {
	w := newWorld(t, "")
	s := w.spec(":", "--required")
	s.Hooks.CreateRuntime = append(s.Hooks.CreateRuntime, specs.Hook{Path: "/bin/false", Args: []string{"false"}, Env: []string{"A=b"}})
	before := w.host()
	if stdout, _, err := w.run("f", s); err == nil || stdout != "" {
		t.Errorf("started: %q, %v", stdout, err)
	}
	w.unchanged(before)
	if !strings.Contains(w.logged(), "release f: released") {
		t.Errorf("log: %s", w.logged())
	}
}
