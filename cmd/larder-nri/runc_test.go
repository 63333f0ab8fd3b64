package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// The container's own view of what it got.
const look = `
set -e
cd $HOME/.cache/pip
test "$(cat http-v2/a/body)" = "a wheel"
test "$(cat wheels/b)" = "an old wheel"
echo mine > http-v2/a/new
echo changed > http-v2/a/body
rm wheels/b
stat -c 'cache %u:%g %a' .
test "$(cat /mnt/cacache/views/pip/http-v2/a/body)" = "a wheel"
if echo x > /mnt/cacache/new; then exit 9; fi 2>/dev/null
echo good
`

// A pod that asks has its snapshot when its process begins, whoever the process is and whatever its
// root: and when it ends nothing of it is on the host.
func TestE2EPod(t *testing.T) {
	e := newEngine(t)
	before := e.host()
	e.start("", "--required")
	alice := func(s *specs.Spec) { s.Process.User = specs.User{UID: 1000, GID: 1000} }
	readonly := func(s *specs.Spec) { s.Root.Readonly = true }
	for _, tc := range []struct {
		name   string
		change []func(*specs.Spec)
		owner  string
	}{
		{"root", nil, "0:0"}, {"alice", []func(*specs.Spec){alice}, "1000:1000"},
		{"readonly", []func(*specs.Spec){readonly}, "0:0"}, {"readonly-alice", []func(*specs.Spec){readonly, alice}, "1000:1000"},
		{"userns", []func(*specs.Spec){e.inUserNS}, "0:0"}, {"userns-readonly-alice", []func(*specs.Spec){e.inUserNS, alice, readonly}, "1000:1000"},
	} {
		e.fresh()
		c := e.create("c-"+tc.name, look, tc.change...)
		if out := c.run(); !strings.Contains(out, "cache "+tc.owner+" 755\n") || !strings.HasSuffix(out, "good\n") {
			t.Fatalf("%s: %q\n%s", tc.name, out, e.log)
		}
		if got := e.left(); !strings.HasPrefix(got, "1 leases 1 instances ") {
			t.Errorf("%s ended, and is not removed: %s", tc.name, got)
		}
		c.remove()
		e.wait("released", func() bool { return strings.HasPrefix(e.left(), "0 leases 0 instances ") })
	}
	if after := e.host(); after != before {
		t.Errorf("the host's mounts changed:\n%s\nwere:\n%s", after, before)
	}
	e.stop()
	if _, err := os.Stat(e.ready); err == nil {
		t.Error("the plugin has ended, and its file says that it is registered")
	}
	if got := strings.Count(e.log.String(), ": released"); got != 6 {
		t.Errorf("%d releases in the log:\n%s", got, e.log)
	}
}

// fresh takes away the mount points that the container before had made.
func (e *engine) fresh() {
	for _, root := range []string{e.rootfs, e.rootfs + "-userns"} {
		for _, d := range []string{"root/.cache", "home/alice/.cache", "mnt/cacache"} {
			must(e.t, os.RemoveAll(filepath.Join(root, d)))
		}
	}
}

// inUserNS gives a container a user namespace and a copy of the root that belongs to its ids.
func (e *engine) inUserNS(s *specs.Spec) {
	root := e.rootfs + "-userns"
	if _, err := os.Stat(root); err != nil {
		must(e.t, exec.Command("cp", "-a", e.rootfs, root).Run())
		must(e.t, filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
			var st syscall.Stat_t
			must(e.t, err)
			must(e.t, syscall.Lstat(path, &st))
			return os.Lchown(path, int(st.Uid)+100000, int(st.Gid)+100000)
		}))
	}
	s.Root.Path = root
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
	s.Linux.UIDMappings, s.Linux.GIDMappings = ids, ids
}
