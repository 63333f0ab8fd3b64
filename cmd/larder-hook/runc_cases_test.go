//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// home is that of the containers' root.
const home = "/root"

// runtimes are the commands that start a container here: runc's always, and crun's where it is.
func runtimes(t testing.TB) map[string][]string {
	t.Helper()
	needRunc(t)
	found := map[string][]string{"runc": {"runc"}}
	if _, err := exec.LookPath("crun"); err == nil {
		// Older ones refuse a host that has both kinds of cgroups mounted.
		found["crun"] = []string{"unshare", "-m", "sh", "-c", `umount /sys/fs/cgroup/unified 2>/dev/null; exec crun "$@"`, "crun"}
	}
	return found
}

// A hostileCase is a container that wants something of the hook that it must not get.
type hostileCase struct {
	name   string
	image  func(w *world)                // what is in its root
	spec   func(w *world, s *specs.Spec) // what its user asks for
	script string                        // what it does
	prints string
	log    string // in the hook's line
}

// Every container starts, gets what it may have and no more, and leaves the host as it was: its mount
// table, the store, and a tree beside the container's root.
func TestE2EHostileCases(t *testing.T) {
	const ours = `grep -c ' larder:' /proc/self/mountinfo; true` // how many mounts
	link := func(to string) func(*world) {
		return func(w *world) { must(w.t, os.Symlink(to, w.rootfs+home+"/.cache/pip")) }
	}
	node := func(mode uint32, device uint64) func(*world) {
		return func(w *world) { must(w.t, unix.Mknod(w.rootfs+home+"/.cache/pip", mode|0o666, int(device))) }
	}
	stage := func(set func(*specs.Hooks)) func(*world, *specs.Spec) {
		return func(_ *world, s *specs.Spec) { set(s.Hooks) }
	}
	cases := []hostileCase{
		{"2 home by dots", func(w *world) { must(w.t, os.Symlink("../../../../../../..", w.rootfs+"/opt/home")) },
			environ("HOME=/opt/home"), ours, "1\n", "left out: pip"},
		{"3 the kernel's link to a root", link("/proc/self/root"), nil, ours, "1\n", "left out: pip"},
		{"3 the kernel's link to a directory", link("/proc/1/cwd"), nil, ours, "1\n", "kernel's own links"},
		{"4 sysfs", link("/sys/kernel"), sysfs, ours, "1\n", "is on sysfs"},
		{"4 control groups", link("/sys/fs/cgroup"), sysfs, ours, "1\n", "left out: pip"},
		{"4 devices", link("/dev/mqueue"), nil, ours, "1\n", "left out: pip"},
		{"5 programs", link("/bin"), nil, ours, "1\n", "is the directory /bin"},
		{"6 fifo", node(unix.S_IFIFO, 0), nil, ours, "1\n", "not a directory"},
		{"6 socket", node(unix.S_IFSOCK, 0), nil, ours, "1\n", "not a directory"},
		{"6 device", node(unix.S_IFCHR, unix.Mkdev(1, 3)), nil, ours, "1\n", "not a directory"},
		{"8 volume shared with the host", nil, func(w *world, s *specs.Spec) {
			environ("HOME=/vol")(w, s)
			volume("/vol", "rshared")(w, s)
		}, ours, "1\n", "shared with others"},
		{"9 the host's mount namespace", nil, func(w *world, s *specs.Spec) {
			s.Linux.Namespaces = s.Linux.Namespaces[1:]
			w.runtime = append([]string{"unshare", "-m"}, w.runtime...) // which mounts the root there itself
		}, "echo started", "", "no mount namespace of its own"},
		{"14 annotation as a path", nil, annotate(profileAnnotation, "../../etc"), ours, "0\n", "by a name that is none"},
		{"14 annotation as a lock", nil, annotate(lockAnnotation, "/etc/passwd"), ours, "2\n", "does not allow it"},
		{"15 a later stage, and the container's environment", func(w *world) {
			// What a hook with its working directory in the root could take for its own.
			for _, name := range []string{"config.json", "evil.so", "ld.so.preload", "larder-hook"} {
				must(w.t, os.WriteFile(filepath.Join(w.rootfs, name), []byte("{}"), 0o755))
			}
		}, func(w *world, s *specs.Spec) {
			environ("LD_PRELOAD=./evil.so", "LD_LIBRARY_PATH=.", "GODEBUG=inittrace=1", "PATH=.:/bin", "TMPDIR=.", "LARDER_STORE=/tmp")(w, s)
			stage(func(h *specs.Hooks) {
				h.CreateContainer, h.CreateRuntime = h.CreateRuntime, nil
				h.CreateContainer[0].Env = nil
			})(w, s)
		}, `unset LD_PRELOAD; ` + ours, "0\n", "attach"},
		{"17 every capability", nil, powerful, attacks, "below\n", "pip at"},
		{"17 every capability in a user namespace", nil, func(w *world, s *specs.Spec) {
			w.inUserNS(s)
			powerful(w, s)
		}, attacks, "below\n", "pip at"},
		{"18 without its mounts", cacheOfImage, powerful,
			`umount -l $HOME/.cache/pip; umount -l /mnt/cacache; cat $HOME/.cache/pip/own; ls /mnt/cacache; ` + ours, "own\n0\n", "pip at"},
		{"34 a volume on the place", nil, volume(home+"/.cache/pip", "rw"), `cat $HOME/.cache/pip/file; ` + ours, "a file\n1\n", "has a volume on it"},
		{"44 a profile of the operator's own", nil, annotate(profileAnnotation, "ops"), ours, "0\n", "not requestable"},
	}
	for name, command := range runtimes(t) {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "[profile.ops]\n")
			w.runtime = command
			must(t, os.MkdirAll(filepath.Join(w.rootfs, "mnt/cacache"), 0o755))
			must(t, os.MkdirAll(filepath.Join(w.dir, "volume/.cache/pip"), 0o755))
			must(t, os.WriteFile(filepath.Join(w.dir, "volume/file"), []byte("a file\n"), 0o644))
			for n, tc := range cases {
				t.Run(tc.name, func(t *testing.T) { w.hostile(t, fmt.Sprint("h", n), tc) })
			}
		})
	}
}

// hostile runs one case, in a root as the image has it.
func (w *world) hostile(t *testing.T, id string, tc hostileCase) {
	must(t, os.RemoveAll(w.log))
	for _, d := range []string{"root/.cache", "userns"} {
		must(t, os.RemoveAll(filepath.Join(w.rootfs, d)))
	}
	must(t, os.Mkdir(filepath.Join(w.rootfs, "root/.cache"), 0o755))
	if tc.image != nil {
		tc.image(w)
	}
	s := w.spec(tc.script)
	defer func(command []string) { w.runtime = command }(w.runtime)
	if tc.spec != nil {
		tc.spec(w, s)
	}
	before := w.host()
	stdout, stderr, err := w.run(id, s)
	if tc.prints != "" && (err != nil || stdout != tc.prints) {
		t.Errorf("printed %q, want %q; %v %q", stdout, tc.prints, err, stderr)
	}
	if log := w.logged(); !strings.Contains(log, tc.log) {
		t.Errorf("the log lacks %q: %s", tc.log, log)
	}
	if changed := difference(before, w.host()); changed != "" {
		t.Errorf("the host changed:\n%s", changed)
	}
}

func sysfs(_ *world, s *specs.Spec) {
	s.Mounts = append(s.Mounts, specs.Mount{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"ro", "nosuid", "nodev", "noexec"}})
}

func environ(vars ...string) func(*world, *specs.Spec) {
	return func(_ *world, s *specs.Spec) { s.Process.Env = append(s.Process.Env, vars...) }
}

func annotate(key, value string) func(*world, *specs.Spec) {
	return func(_ *world, s *specs.Spec) { s.Annotations = map[string]string{key: value} }
}

// volume puts a directory of the host's, which is a mount shared with others, at a place.
func volume(at, propagation string) func(*world, *specs.Spec) {
	return func(w *world, s *specs.Spec) {
		dir := filepath.Join(w.dir, "volume")
		if propagation == "rshared" {
			must(w.t, unix.Mount(dir, dir, "", unix.MS_BIND, ""))
			must(w.t, unix.Mount("", dir, "", unix.MS_SHARED, ""))
			w.t.Cleanup(func() { must(w.t, unix.Unmount(dir, unix.MNT_DETACH)) })
		}
		s.Mounts = append(s.Mounts, specs.Mount{Destination: at, Type: "bind", Source: dir, Options: []string{"rbind", propagation}})
	}
}

func cacheOfImage(w *world) {
	must(w.t, os.Mkdir(w.rootfs+home+"/.cache/pip", 0o755))
	must(w.t, os.WriteFile(w.rootfs+home+"/.cache/pip/own", []byte("own\n"), 0o644))
}

// powerful gives a container the capabilities that change mounts and read files of others.
func powerful(_ *world, s *specs.Spec) {
	var all []string
	for _, c := range []string{"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "SYS_ADMIN", "SYS_PTRACE", "MKNOD", "SYS_CHROOT"} {
		all = append(all, "CAP_"+c)
	}
	s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: all, Effective: all, Permitted: all}
}

// attacks are what such a container tries. It prints what worked, and at the end what it sees below
// the mounts: nothing of the snapshot.
const attacks = `exec 2>/dev/null
for d in $HOME/.cache/pip /mnt/cacache; do
  mount -o remount,rw $d; mount -o remount,bind,rw $d; mount -t overlay -o remount,rw,upperdir=/tmp,workdir=/tmp o $d
done
for f in $(find /mnt/cacache -type f); do echo evil > $f && echo wrote $f; done
mount --bind /mnt/cacache /opt && mount -o remount,bind,rw /opt
echo evil > /opt/views/pip/http-v2/a/body && echo wrote through a bind
umount -l /opt; umount -l $HOME/.cache/pip; umount -l /mnt/cacache
test -e /mnt/cacache/views || echo below
`
