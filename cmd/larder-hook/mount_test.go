//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"larder/overlay/instance"
	"larder/overlay/overlaytest"
	"larder/snapshot"
	"larder/snapshot/gc"
)

// fake is a container without a runtime: a shell in namespaces of its own, in
// which $R is a mount, that does what it is told line by line.
type fake struct {
	t          testing.TB
	cmd        *exec.Cmd
	in         io.WriteCloser
	out        *bufio.Reader
	bundle     string
	rootfs     string
	store      string
	id         string
	base       int // of its ids on the host
	namespaces uintptr
}

// start makes a container over a new root that belongs to base. The starting
// thread must outlive it, because the kernel kills it with that.
func start(t testing.TB, store, id string, base int) *fake {
	t.Helper()
	return startIn(t, store, id, base, syscall.CLONE_NEWNS)
}

// startIn is start in more new namespaces.
func startIn(t testing.TB, store, id string, base int, namespaces uintptr) *fake {
	t.Helper()
	return startAt(t, store, id, base, t.TempDir(), namespaces)
}

// startAt is startIn with a bundle of that name.
func startAt(t testing.TB, store, id string, base int, bundle string, namespaces uintptr) *fake {
	t.Helper()
	f := &fake{t: t, store: store, id: id, base: base, bundle: bundle, namespaces: namespaces}
	f.makeBundle()
	f.begin()
	return f
}

// again is the container's next process, over the same bundle and root.
func (f *fake) again() *fake {
	f.t.Helper()
	next := &fake{t: f.t, bundle: f.bundle, rootfs: f.rootfs, store: f.store, id: f.id, base: f.base, namespaces: f.namespaces}
	next.begin()
	return next
}

func (f *fake) begin() {
	t, base, namespaces := f.t, f.base, f.namespaces
	t.Helper()
	runtime.LockOSThread()
	f.cmd = exec.Command("/bin/sh", "-c", `mount --make-rprivate / && mount --rbind $R $R && while read -r line; do eval "$line"; echo "= $?"; done`)
	f.cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "R=" + f.rootfs}
	f.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Pdeathsig: syscall.SIGKILL, Credential: &syscall.Credential{}}
	if base != 0 {
		ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: base, Size: 65536}}
		f.cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		f.cmd.SysProcAttr.UidMappings, f.cmd.SysProcAttr.GidMappings = ids, ids
		f.cmd.SysProcAttr.GidMappingsEnableSetgroups = true
	}
	var err error
	f.in, err = f.cmd.StdinPipe()
	must(t, err)
	out, err := f.cmd.StdoutPipe()
	must(t, err)
	f.cmd.Stderr = f.cmd.Stdout
	f.out = bufio.NewReader(out)
	must(t, f.cmd.Start())
	t.Cleanup(f.stop)
	f.sh(":")
}

// makeBundle makes its bundle, with a root that belongs to base.
func (f *fake) makeBundle() {
	f.t.Helper()
	for d := f.bundle; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		must(f.t, os.Chmod(d, 0o755))
	}
	f.rootfs = filepath.Join(f.bundle, "rootfs")
	for _, d := range []string{"", "proc", "etc", "home", "home/a", "mnt"} {
		must(f.t, os.Mkdir(filepath.Join(f.rootfs, d), 0o755))
		must(f.t, os.Chown(filepath.Join(f.rootfs, d), f.base, f.base))
	}
	f.spec(specs.Spec{Root: &specs.Root{Path: "rootfs"}, Process: &specs.Process{Env: []string{"HOME=/home/a"}}})
}

// holder is its name in the store.
func (f *fake) holder() string { return snapshot.HolderName(f.id, f.bundle) }

func (f *fake) stop() {
	_ = f.cmd.Process.Kill()
	_ = f.cmd.Wait()
}

// sh runs a line in the container and returns what it printed; it must succeed.
func (f *fake) sh(line string) string {
	f.t.Helper()
	_, err := io.WriteString(f.in, line+"\n")
	must(f.t, err)
	var b strings.Builder
	for {
		got, err := f.out.ReadString('\n')
		if err != nil {
			f.t.Fatalf("%s: %q, %v", line, got, err)
		}
		if status, ok := strings.CutPrefix(got, "= "); ok {
			if status != "0\n" {
				f.t.Errorf("%s: status %s%s", line, status, &b)
			}
			return b.String()
		}
		b.WriteString(got)
	}
}

func (f *fake) spec(s specs.Spec) {
	f.t.Helper()
	data, err := json.Marshal(s)
	must(f.t, err)
	must(f.t, os.WriteFile(filepath.Join(f.bundle, "config.json"), data, 0o644))
}

func (f *fake) state() string {
	return fmt.Sprintf(`{"ociVersion":"1.0.2","id":%q,"status":"creating","pid":%d,"bundle":%q}`, f.id, f.cmd.Process.Pid, f.bundle)
}

func (f *fake) attach(args ...string) (int, string) {
	f.t.Helper()
	return hook(f.t, f.state(), append([]string{"attach", "--store", f.store, "--config", emptyConfig(f.t), "--log", "/dev/null"}, args...)...)
}

func (f *fake) release() {
	f.t.Helper()
	if status, stderr := f.poststop(); status != 0 || stderr != "" {
		f.t.Errorf("release: exit %d, %q", status, stderr)
	}
}

func (f *fake) poststop() (status int, stderr string) {
	f.t.Helper()
	state := fmt.Sprintf(`{"ociVersion":"1.0.2","id":%q,"status":"stopped","bundle":%q}`, f.id, f.bundle)
	return hook(f.t, state, "release", "--store", f.store, "--config", emptyConfig(f.t), "--log", "/dev/null")
}

// left counts what a store holds for containers.
func left(t testing.TB, store string) string {
	t.Helper()
	var b strings.Builder
	for _, d := range []string{"leases", "instances", "trash"} {
		entries, err := os.ReadDir(filepath.Join(store, d))
		must(t, err)
		fmt.Fprintf(&b, "%d %s ", len(entries), d)
	}
	return strings.TrimSpace(b.String())
}

func TestMountHook(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	for _, base := range []int{0, 100000} {
		t.Run(fmt.Sprint("ids from ", base), func(t *testing.T) {
			store := filepath.Join(t.TempDir(), "store")
			id := publish(t, store, nil)
			f := start(t, store, "c1", base)
			if base > 0xffff && !overlaytest.Has("high owners") {
				status, stderr := f.attach("--required")
				if status != 1 || !strings.Contains(stderr, "this kernel cannot give a snapshot's files to user 100000") {
					t.Errorf("attach: exit %d, %q", status, stderr)
				}
				return
			}
			if status, stderr := f.attach("--required"); status != 0 || stderr != "" {
				t.Fatalf("attach: exit %d, %q", status, stderr)
			}
			if got := f.sh(`cat $R/home/a/.cache/pip/http-v2/a/body; stat -c ' %u:%g %a' $R/home/a/.cache/pip $R/home/a/.cache`); got != "a wheel 0:0 755\n 0:0 755\n" {
				t.Errorf("in the container: %q", got)
			}
			f.sh(`echo mine > $R/home/a/.cache/pip/http-v2/a/body; test -f $R/mnt/cacache/targets/` + target + `.json`)
			f.sh(`! touch $R/mnt/cacache/x 2>/dev/null && ! mount -o remount,bind,rw $R/mnt/cacache 2>/dev/null || ! touch $R/mnt/cacache/x 2>/dev/null`)
			s, err := snapshot.Open(store)
			must(t, err)
			l, err := s.Lease(f.holder())
			if err != nil || l.Snapshot != id || l.PID != f.cmd.Process.Pid || l.PIDStart == 0 || l.Instance != s.InstanceDir(f.holder()) {
				t.Errorf("lease %+v, %v", l, err)
			}
			if got, err := os.ReadFile(filepath.Join(s.InstanceDir(f.holder()), "pip/u/http-v2/a/body")); err != nil || string(got) != "mine\n" {
				t.Errorf("upper: %q, %v", got, err)
			}
			// The same state once more, and the same container from another process.
			if status, stderr := f.attach("--required"); status != 0 || stderr != "" {
				t.Errorf("replayed: exit %d, %q", status, stderr)
			}
			other := f.again()
			if status, stderr := other.attach("--required"); status != 1 || !strings.Contains(stderr, "already provisioned") {
				t.Errorf("same id: exit %d, %q", status, stderr)
			}
			f.sh(`grep -q mine $R/home/a/.cache/pip/http-v2/a/body`)
			if got := left(t, store); got != "1 leases 1 instances 0 trash" {
				t.Errorf("after the refusals: %s", got)
			}
			// It died, nobody released it, and its id comes again.
			f.stop()
			if status, stderr := other.attach("--required"); status != 0 {
				t.Errorf("id of a dead one: exit %d, %q", status, stderr)
			}
			other.sh(`grep -q 'a wheel' $R/home/a/.cache/pip/http-v2/a/body`)
			if got := left(t, store); got != "1 leases 1 instances 1 trash" {
				t.Errorf("after a leftover: %s", got)
			}
			// A directory of the snapshot is moved, not copied.
			other.sh(`mv $R/home/a/.cache/pip/http-v2 $R/home/a/.cache/pip/moved && grep -q 'a wheel' $R/home/a/.cache/pip/moved/a/body`)
			if _, err := os.Lstat(filepath.Join(s.InstanceDir(f.holder()), "pip/u/moved/a/body")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the upper has a copy of what was moved: %v", err)
			}
			other.stop()
			other.release()
			other.release()
			// What was released may be in the trash still, where a busy host left no time for it.
			if got := left(t, store); !strings.HasPrefix(got, "0 leases 0 instances ") {
				t.Errorf("after release: %s", got)
			}
			parked, err := filepath.Glob(filepath.Join(store, "trash/*/pip/u/http-v2/a/body"))
			if err != nil || len(parked) != 1 {
				t.Errorf("parked uppers: %q, %v", parked, err)
			}
		})
	}
}

// A container never gets a snapshot that is marked bad: it gets the newest good one and a line that
// says so, or nothing where that is not enough.
func TestMountHookBadSnapshot(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	store := filepath.Join(t.TempDir(), "store")
	good := publish(t, store, nil)
	bad := publish(t, store, map[string]string{"views/pip/http-v2/a/evil": "evil"})
	s, err := snapshot.Open(store)
	must(t, err)
	must(t, s.MarkRevoked(bad, []string{"evil 1.0 (it steals)"}))
	f := start(t, store, "c1", 0)
	if status, stderr := f.attach("--required"); status != 1 || !strings.Contains(stderr, "evil 1.0 (it steals)") {
		t.Errorf("required: exit %d, %q", status, stderr)
	}
	status, stderr := f.attach()
	if status != 0 || !strings.Contains(stderr, "marked bad: the newest good one, "+good.Short()+" (revoked: evil 1.0 (it steals))") {
		t.Errorf("exit %d, %q", status, stderr)
	}
	f.sh(`test -f $R/home/a/.cache/pip/http-v2/a/body && ! test -e $R/home/a/.cache/pip/http-v2/a/evil`)
	if l, err := s.Lease(f.holder()); err != nil || l.Snapshot != good {
		t.Errorf("lease %+v, %v", l, err)
	}
	must(t, s.MarkDamaged(good, "object ab/cd is gone", nil))
	other := start(t, store, "c2", 0)
	if status, stderr := other.attach(); status != 0 || !strings.Contains(stderr, "nothing attached") || !strings.Contains(stderr, "there is no good one") {
		t.Errorf("without a good one: exit %d, %q", status, stderr)
	}
}

func TestMountHookKeepsWhatWasThere(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	store := filepath.Join(t.TempDir(), "store")
	publish(t, store, nil)
	f := start(t, store, "c1", 0)
	must(t, os.MkdirAll(f.rootfs+"/home/a/.cache/pip/http-v2/mine", 0o755))
	must(t, os.WriteFile(f.rootfs+"/home/a/.cache/pip/http-v2/mine/x", []byte("x"), 0o644))
	must(t, os.Chmod(f.rootfs+"/home/a/.cache/pip", 0o700))
	if status, stderr := f.attach("--required"); status != 0 {
		t.Fatalf("attach: exit %d, %q", status, stderr)
	}
	if got := f.sh(`cd $R/home/a/.cache/pip; cat http-v2/mine/x http-v2/a/body; stat -c ' %a' .; echo y > http-v2/mine/x; cd /`); got != "xa wheel 700\n" {
		t.Errorf("in the container: %q", got)
	}
	if got, err := os.ReadFile(f.rootfs + "/home/a/.cache/pip/http-v2/mine/x"); err != nil || string(got) != "x" {
		t.Errorf("what was there: %q, %v", got, err)
	}
}

// What is at the mount point lies on two overlays: with it below, the kernel
// would have to stack three. The cache does without it, and says so.
func TestMountHookDepth(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	store := filepath.Join(t.TempDir(), "store")
	publish(t, store, nil)
	f := start(t, store, "c1", 0)
	must(t, os.MkdirAll(f.rootfs+"/home/a/.cache/pip/mine", 0o755))
	for i := range 2 {
		f.sh(fmt.Sprintf(`D=$(mktemp -d) && mkdir $D/u $D/w && mount -t overlay o%d -o lowerdir=$R/home,upperdir=$D/u,workdir=$D/w $R/home 2>&1 || mount -t overlay o%d -o lowerdir=$R/home:$D/u $R/home`, i, i))
	}
	status, stderr := f.attach("--required")
	if status != 0 || !strings.Contains(stderr, "pip without what was there, which lies on too many stacked file systems") {
		t.Errorf("exit %d, %q", status, stderr)
	}
	f.sh(`test "$(cat $R/home/a/.cache/pip/http-v2/a/body)" = "a wheel" && ! test -e $R/home/a/.cache/pip/mine`)
	f.sh(`echo x > $R/home/a/.cache/pip/new`)
}

// Another profile: a view the snapshot lacks, a mount point of the operator's,
// no read-only view.
func TestMountHookProfile(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	store := filepath.Join(t.TempDir(), "store")
	id := publish(t, store, nil)
	profiles := filepath.Join(t.TempDir(), "config.toml")
	must(t, os.WriteFile(profiles, []byte(fmt.Sprintf(`
[profile.odd]
views = ["uv", "pip-old"]
mount_points = { pip = "/srv/pip" }
view = ""
snapshot = %q
`, id.Short())), 0o600))
	plain := start(t, store, "c0", 0)
	if status, stderr := plain.attach("--required"); status != 0 {
		t.Fatalf("exit %d, %q", status, stderr)
	}
	plain.sh(`test -e $R/home/a/.cache/pip/wheels/b && ! test -e $R/home/a/.cache/pip/http`) // pip-old is only for whom names it
	f := start(t, store, "c1", 0)
	status, stderr := f.attach("--config", profiles, "--profile", "odd")
	if status != 0 || !strings.Contains(stderr, `pip at "/srv/pip"; left out: uv: snapshot `+id.Short()+" has no such view") {
		t.Errorf("exit %d, %q", status, stderr)
	}
	f.sh(`test -e $R/srv/pip/http/b && ! test -e $R/srv/pip/http-v2 && ! test -e $R/home/a/.cache && ! test -e $R/mnt/cacache`)
}

// The caches of a container can have different owners; its read-only view has the
// first one's, every time.
func TestMountHookViewOwner(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	store := filepath.Join(t.TempDir(), "store")
	publish(t, store, map[string]string{"views/uv/x": "x", "views/poetry/x": "x"})
	profiles := filepath.Join(t.TempDir(), "config.toml")
	must(t, os.WriteFile(profiles, []byte("[profile.default]\nviews = [\"poetry\", \"uv\", \"pip\"]\n"), 0o600))
	for n := range 16 {
		f := start(t, store, fmt.Sprint("c", n), 0)
		f.sh(`mkdir -p $R/home/a/.cache/pip $R/home/a/.cache/uv; chown 1000:100 $R/home/a/.cache/pip; chown 2000 $R/home/a/.cache/uv`)
		if status, stderr := f.attach("--required", "--config", profiles); status != 0 {
			t.Fatalf("exit %d, %q", status, stderr)
		}
		if got := f.sh(`stat -c %u:%g $R/mnt/cacache/views`); got != "1000:100\n" {
			t.Errorf("container %d: the view belongs to %s", n, got)
		}
		f.stop()
	}
}

// A user that the image does not know (--user 4711) has the home that runtimes give it, /, or the one of
// its environment, or the profile's place.
func TestMountHookUnknownUser(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	placed := filepath.Join(t.TempDir(), "config.toml")
	must(t, os.WriteFile(placed, []byte("[profile.default]\nmount_points = {pip = \"/srv/pip\"}\n"), 0o600))
	for _, tc := range []struct{ env, config, want string }{
		{"X=1", emptyConfig(t), "/.cache/pip"},
		{"HOME=/home/a", emptyConfig(t), "/home/a/.cache/pip"},
		{"X=1", placed, "/srv/pip"},
	} {
		store := filepath.Join(t.TempDir(), "store")
		publish(t, store, nil)
		f := start(t, store, "c1", 0)
		f.spec(specs.Spec{Root: &specs.Root{Path: "rootfs"}, Process: &specs.Process{User: specs.User{UID: 4711, GID: 4711}, Env: []string{tc.env}}})
		if status, stderr := f.attach("--required", "--config", tc.config); status != 0 {
			t.Errorf("%s: exit %d, %q", tc.want, status, stderr)
			continue
		}
		f.sh(`test -f $R` + tc.want + `/http-v2/a/body && test "$(stat -c %u $R` + tc.want + `)" = 4711`)
		f.stop()
	}
}

// What makes one place impossible leaves the others alone, names itself in one
// line, and with --required nothing is attached and nothing left.
func TestMountHookLeavesOut(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	pip := "pip: mount point "
	for _, tc := range []struct {
		name, setup string
		process     specs.Process
		want, rest  string
	}{
		{"link out", "mkdir $R/home/a/.cache; ln -s /var/lib $R/home/a/.cache/pip", specs.Process{}, pip + `"/home/a/.cache/pip": a dangling link`, "view"},
		{"proc", "mount --rbind /proc $R/proc; mkdir $R/home/a/.cache; ln -s /proc $R/home/a/.cache/pip", specs.Process{}, "is on proc", "view"},
		{"magic link", "mount --rbind /proc $R/proc; ln -s /proc/self/root $R/home/a/.cache", specs.Process{}, "kernel's own links", "view"},
		{"file", "mkdir $R/home/a/.cache; echo > $R/home/a/.cache/pip", specs.Process{}, "not a directory", "view"},
		{"home in proc", "mount --rbind /proc $R/proc", specs.Process{Env: []string{"HOME=/proc/self"}}, pip, "view"},
		{"volume", "mkdir -p $R/home/a/.cache/pip; mount -t tmpfs vol $R/home/a/.cache/pip", specs.Process{}, "has a volume on it", "view"},
		{"no home", "mkdir $R/etc/passwd", specs.Process{User: specs.User{UID: 77}, Env: []string{"X=1"}}, "pip: no home directory: HOME is not set", "view"},
		{"relative", ":", specs.Process{Env: []string{"PIP_CACHE_DIR=cache"}}, `"cache" is not an absolute path`, "view"},
		{"dots", ":", specs.Process{Env: []string{"PIP_CACHE_DIR=/a/../../etc"}}, "a .. in it", "view"},
		{"control characters", ":", specs.Process{Env: []string{"PIP_CACHE_DIR=a\nlarder-hook: all is well"}}, `"a\nlarder-hook: all is well"`, "view"},
		{"overlapping the view", ":", specs.Process{Env: []string{"PIP_CACHE_DIR=/mnt/cacache/x"}}, "view: mount point", "pip"},
		{"same as the view", ":", specs.Process{Env: []string{"PIP_CACHE_DIR=/mnt/cacache"}}, `view: mount point "/mnt/cacache" overlaps that of pip`, "pip"},
		{"view is a file", "rmdir $R/mnt/cacache $R/mnt; echo > $R/mnt", specs.Process{}, "view: mount point", "pip"},
		{"read-only root", "mount -o remount,ro,bind $R", specs.Process{}, "file system is read-only", "view"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store := filepath.Join(t.TempDir(), "store")
			publish(t, store, nil)
			f := start(t, store, "c1", 0)
			must(t, os.Mkdir(f.rootfs+"/mnt/cacache", 0o755))
			if tc.process.Env == nil {
				tc.process.Env = []string{"HOME=/home/a"}
			}
			f.spec(specs.Spec{Root: &specs.Root{Path: "rootfs"}, Process: &tc.process})
			f.sh(tc.setup)
			before := f.sh("find $R -xdev | sort; cat /proc/self/mountinfo")
			status, stderr := f.attach("--required")
			if status != 1 || !strings.Contains(stderr, tc.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("required: exit %d, %q; want %q", status, stderr, tc.want)
			}
			if after := f.sh("find $R -xdev | sort; cat /proc/self/mountinfo"); after != before {
				t.Errorf("left behind:\n%s\nwas:\n%s", after, before)
			}
			if got := left(t, store); !strings.HasPrefix(got, "0 leases 0 instances") {
				t.Errorf("left in the store: %s", got)
			}
			status, stderr = f.attach()
			if status != 0 || !strings.Contains(stderr, tc.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("exit %d, %q; want %q", status, stderr, tc.want)
			}
			if got := f.sh("grep $R /proc/self/mountinfo | grep -c ' larder:' || true"); (got == "1\n") != (tc.rest != "") {
				t.Errorf("%s mounts, want %q", got, tc.rest)
			}
		})
	}
}

// poststop is not always run (crun leaves it out when a later hook fails): gc
// takes what a dead container left, and nothing of a live one.
func TestMountHookReaped(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	store := filepath.Join(t.TempDir(), "store")
	publish(t, store, nil)
	s, err := snapshot.Open(store)
	must(t, err)
	f := start(t, store, "c1", 0)
	if status, stderr := f.attach("--required"); status != 0 {
		t.Fatalf("attach: exit %d, %q", status, stderr)
	}
	used := publish(t, store, map[string]string{"views/pip/http-v2/c/body": "newer"})
	if _, err := gc.Run(t.Context(), s, gc.Options{Keep: 1}); err != nil {
		t.Error(err)
	}
	if all, err := s.List(); err != nil || len(all) != 2 {
		t.Errorf("snapshots while one is in use: %v, %v", all, err)
	}
	f.sh(`test "$(cat $R/home/a/.cache/pip/http-v2/a/body)" = "a wheel"`)
	f.stop()
	// The namespace goes a moment after its last process.
	for range 50 {
		_, err = gc.Run(t.Context(), s, gc.Options{Keep: 1})
		must(t, err)
		if all, _ := s.List(); len(all) == 1 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if all, err := s.List(); err != nil || len(all) != 1 || all[0].ID != used {
		t.Errorf("snapshots afterwards: %v, %v", all, err)
	}
	if got := left(t, store); got != "0 leases 0 instances 0 trash" {
		t.Errorf("after gc: %s", got)
	}
}

// A hook that is killed anywhere leaves no mount, and the next one works.
func TestMountHookKilled(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	store := filepath.Join(t.TempDir(), "store")
	publish(t, store, nil)
	f := start(t, store, "c1", 0)
	mounts := f.sh("grep $R /proc/self/mountinfo")
	// What a killed process had open the kernel may let go of a moment after its end.
	umount := func(paths []string) {
		f.sh("for p in " + strings.Join(paths, " ") + "; do n=0; until umount $p; do n=$((n+1)); test $n -lt 100 || exit 1; sleep 0.02; done; done")
	}
	killed := 0
	for i := range 60 {
		f.id = fmt.Sprint("c", i) // the lease of the one before may be there, and its process lives
		cmd := exec.Command(hookBinary(t), "attach", "--store", store, "--config", emptyConfig(t), "--log", "/dev/null")
		cmd.Stdin = strings.NewReader(f.state())
		must(t, cmd.Start())
		time.Sleep(time.Duration(i) * 100 * time.Microsecond)
		_ = cmd.Process.Kill()
		var exit *exec.ExitError
		if err := cmd.Wait(); errors.As(err, &exit) && !exit.Exited() {
			killed++
		}
		now := f.sh("grep $R /proc/self/mountinfo")
		var made []string
		for line := range strings.Lines(now) {
			if strings.Contains(line, " larder:") {
				made = append([]string{strings.Fields(line)[4]}, made...) // the last first
			}
		}
		switch len(made) {
		case 0:
			if now != mounts {
				t.Fatalf("mounts after a kill:\n%s\nwere:\n%s", now, mounts)
			}
		case 1:
			// Between two calls that take microseconds: possible, and undone
			// by nobody, so it must be a rare thing.
			t.Logf("killed between two mounts, after %d00 us: %s", i, made[0])
		}
		umount(made)
	}
	if killed < 10 {
		t.Errorf("only %d of 60 were killed in time", killed)
	}
	f.id = "c"
	if status, stderr := f.attach("--required"); status != 0 {
		t.Errorf("after the kills: exit %d, %q", status, stderr)
	}
	f.stop()
	s, err := snapshot.Open(store)
	must(t, err)
	_, err = gc.Run(t.Context(), s, gc.Options{Keep: 1, Mounted: instance.Mounted})
	must(t, err)
	leases, err := s.Leases() // not what a killed write left beside them
	if got := left(t, store); err != nil || len(leases) != 0 || !strings.HasSuffix(got, " leases 0 instances 0 trash") {
		t.Errorf("after gc: %s, %v, %v", got, leases, err)
	}
}

// A runtime that never finishes writing the state gets an answer.
func TestHookDeadline(t *testing.T) {
	r, w, err := os.Pipe()
	must(t, err)
	defer w.Close()
	cmd := exec.Command(hookBinary(t), "attach", "--required", "--log", "/dev/null")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = r, &stderr
	begin := time.Now()
	err = cmd.Run()
	if took := time.Since(begin); err == nil || took > 8*time.Second || !strings.Contains(stderr.String(), "not complete after 5s") {
		t.Errorf("%v after %v: %q", err, took, stderr.String())
	}
}
