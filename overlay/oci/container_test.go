//go:build linux

package oci

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/overlaytest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fake is a container without a runtime: a process in a mount namespace of its
// own in which rootfs is a mount, as a runtime leaves it at createRuntime.
type fake struct {
	pid    int
	rootfs string
	stop   func()
}

// start runs setup with sh in the new namespace, $R being the root.
func start(t testing.TB, rootfs, setup string, userns bool) fake {
	t.Helper()
	// The signal comes with the death of the thread, and a Container's thread
	// dies with it: the starter must be another.
	runtime.LockOSThread()
	cmd := exec.Command("/bin/sh", "-ec", "mount --make-rprivate /\nmount --rbind $R $R\n"+setup+"\necho ready\nexec sleep 600")
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "R=" + rootfs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if userns {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100000, Size: 65536}}
		cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = ids, ids
		cmd.SysProcAttr.GidMappingsEnableSetgroups = true
		cmd.SysProcAttr.Credential = &syscall.Credential{}
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	stop := func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Cleanup(stop)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("fake container: %q, %v", line, err)
	}
	return fake{cmd.Process.Pid, rootfs, stop}
}

// root makes a root file system below a directory that everybody can walk, as
// a container's user in a user namespace must. It is off /tmp's own path
// because mode 0700 directories of the test are not.
func root(t testing.TB, uid int) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	rootfs := filepath.Join(dir, "rootfs")
	for _, d := range []string{"", "proc", "sys", "dev", "etc", "opt", "home", "home/a", "root"} {
		must(t, os.Mkdir(filepath.Join(rootfs, d), 0o755))
		must(t, os.Chown(filepath.Join(rootfs, d), uid, uid))
	}
	return rootfs
}

func enter(t testing.TB, f fake) *Container {
	t.Helper()
	c, err := Enter(f.pid, f.rootfs)
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// tmpfs is a detached mount that can be told apart.
func tmpfs(t testing.TB, source string) *os.File {
	t.Helper()
	fd, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	must(t, err)
	defer unix.Close(fd)
	must(t, unix.FsconfigSetString(fd, "source", source))
	must(t, unix.FsconfigCreate(fd))
	m, err := unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	must(t, err)
	f := os.NewFile(uintptr(m), source)
	t.Cleanup(func() { f.Close() })
	return f
}

// mounted lists the mount points below the root whose source begins larder:.
func mounted(t testing.TB, c *Container) []string {
	t.Helper()
	var places []string
	must(t, c.inside(func() error {
		table, err := c.readMounts()
		for _, m := range table {
			// The host may keep snapshots mounted, and this container sees its namespace.
			kept := strings.HasPrefix(m.Mountpoint, "/run/larder/snapshots/")
			if strings.HasPrefix(m.Source, overlay.SourcePrefix) && !kept {
				places = append(places, c.inRoot(m.Mountpoint))
			}
		}
		return err
	}))
	return places
}

func TestMountEnterRefuses(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	// A /run of its own, as a booted host has: some machines keep it on their root.
	must(t, syscall.Mount("tmpfs", "/run", "tmpfs", 0, ""))
	f := start(t, root(t, 0), "mkdir -p $R/sub", false)
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink("/", link))
	dead := start(t, root(t, 0), "", false)
	dead.stop()
	for _, tc := range []struct {
		name   string
		pid    int
		rootfs string
		want   string
	}{
		{"dead", dead.pid, dead.rootfs, "no process"},
		{"no such pid", 4194303, f.rootfs, "no process"},
		{"ourselves", os.Getpid(), f.rootfs, "no mount namespace of its own"},
		{"root missing", f.pid, f.rootfs + "/none", "no such file"},
		{"root a file", f.pid, "/etc/hostname", "not a directory"},
		{"root no mount", f.pid, f.rootfs + "/sub", "not the root of a mount"},
		{"root by a link to /", f.pid, link, "the root of its mount namespace"},
		{"root is the host's devices", f.pid, "/dev", "is a devtmpfs"},
		{"root is proc", f.pid, "/proc", "is a proc"},
		{"root is sysfs", f.pid, "/sys", "is a sysfs"},
		{"root is the host's /run", f.pid, "/run", "a directory of the host's own"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := Enter(tc.pid, tc.rootfs)
			if err == nil {
				c.Close()
			}
			if !errors.Is(err, ErrContainer) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
	// A zombie has a pid and no namespaces.
	c := enter(t, f)
	must(t, c.Alive())
	must(t, syscall.Kill(f.pid, syscall.SIGKILL))
	for i := 0; c.Alive() == nil && i < 100; i++ {
		time.Sleep(10 * time.Millisecond)
	}
	if err := c.Alive(); err == nil || !strings.Contains(err.Error(), "has exited") {
		t.Errorf("killed: %v", err)
	}
}

// The hostile roots of the issue: none leads out, none is mounted on, each is
// one line.
func TestMountPointRefuses(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	canary := t.TempDir()
	const pip = "/home/a/.cache/pip"
	for _, tc := range []struct{ name, setup, want string }{
		{"link to the host", "mkdir $R/home/a/.cache; ln -s " + canary + " $R/home/a/.cache/pip", "dangling link"},
		{"dangling link", "mkdir $R/home/a/.cache; ln -s nowhere $R/home/a/.cache/pip", "dangling link"},
		{"dangling home", "rmdir $R/home/a; ln -s nowhere $R/home/a", "dangling link"},
		{"dots to the root", "mkdir $R/home/a/.cache; ln -s ../../../../../../.. $R/home/a/.cache/pip", "leads to the root"},
		{"link to /", "mkdir $R/home/a/.cache; ln -s / $R/home/a/.cache/pip", "leads to the root"},
		{"link to etc", "mkdir $R/home/a/.cache; ln -s /etc $R/home/a/.cache/pip", "is the directory /etc"},
		{"magic link to a root", "mount --rbind /proc $R/proc; ln -s /proc/self/root $R/home/a/.cache", "kernel's own links"},
		{"magic link to a cwd", "mount --rbind /proc $R/proc; ln -s /proc/self/cwd $R/home/a/.cache", "kernel's own links"},
		{"proc", "mount --rbind /proc $R/proc; mkdir $R/home/a/.cache; ln -s /proc $R/home/a/.cache/pip", "is on proc"},
		{"in proc", "mount --rbind /proc $R/proc; ln -s /proc/sys $R/home/a/.cache", "is on proc"},
		{"proc elsewhere", "mkdir -p $R" + pip + "; mount --rbind /proc $R" + pip, "is on proc"},
		{"sys", "mount --rbind /sys $R/sys; mkdir $R/home/a/.cache; ln -s /sys/kernel $R/home/a/.cache/pip", "is on sysfs"},
		{"in cgroup", "mount --rbind /sys $R/sys; ln -s /sys/fs/cgroup/memory $R/home/a/.cache", "is on cgroup"},
		{"dev", "mkdir $R/home/a/.cache $R/dev/x; ln -s /dev/x $R/home/a/.cache/pip", "is in /dev"},
		{"made in dev", "ln -s /dev $R/home/a/.cache", "is in /dev"},
		{"made in the host's dev elsewhere", "mkdir $R/home/a/.cache; mount --bind /dev $R/home/a/.cache", "is on devtmpfs"},
		{"file", "mkdir $R/home/a/.cache; echo > $R/home/a/.cache/pip", "not a directory"},
		{"file on the way", "echo > $R/home/a/.cache", "not a directory"},
		{"fifo", "mkdir $R/home/a/.cache; mkfifo $R/home/a/.cache/pip", "not a directory"},
		{"device", "mkdir $R/home/a/.cache; mknod $R/home/a/.cache/pip c 1 3", "not a directory"},
		{"loop", "ln -s .cache $R/home/a/.cache", "a loop of links"},
		{"volume on it", "mkdir -p $R" + pip + "; mount -t tmpfs vol $R" + pip, "has a volume on it"},
		{"mount below it", "mkdir -p $R" + pip + "/http; mount -t tmpfs vol $R" + pip + "/http", "another mount below it"},
		{"ours already", "mkdir -p $R" + pip + "; mount -t tmpfs larder:x $R" + pip, "already provisioned"},
		{"shared volume", "mount -t tmpfs vol $R/home; mount --make-shared $R/home; mkdir -p $R" + pip, "shared with others"},
		{"missing in a volume", "mkdir -p $R/srv/home/a; mount --bind $R/srv/home $R/home", "have to be made in a volume that is in use"},
		{"missing on the host's disk in memory", "mount -t tmpfs vol $R/opt; mkdir -p $R/opt/run/a; mount --bind $R/opt/run $R/home", "have to be made in a volume that is in use"},
		{"read-only root", "mount -o remount,ro,bind $R", "read-only"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := start(t, root(t, 0), tc.setup, false)
			c := enter(t, f)
			before := tree(t, canary) + tree(t, f.rootfs)
			had := len(mounted(t, c))
			p, err := c.Point(pip, PointOptions{Make: true, Keep: true})
			if err == nil {
				p.Abandon()
			}
			if !errors.Is(err, ErrPoint) || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q", err, tc.want)
			}
			if after := tree(t, canary) + tree(t, f.rootfs); after != before {
				t.Errorf("left behind:\n%s\nwas:\n%s", after, before)
			}
			if now := mounted(t, c); len(now) != had {
				t.Errorf("mounted: %q", now)
			}
		})
	}
}

// tree lists what is below a directory of the host.
func tree(t testing.TB, dir string) string {
	t.Helper()
	out, err := exec.Command("find", dir, "-xdev", "-printf", "%p %y %m %U %G %l\n").Output()
	must(t, err)
	return string(out)
}

func TestMountAttach(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	for _, userns := range []bool{false, true} {
		name, base := "host ids", 0
		if userns {
			name, base = "user namespace", 100000
		}
		t.Run(name, func(t *testing.T) {
			f := start(t, root(t, base), "mkdir -p $R/opt/venv/lib $R/opt/empty; ln -s ../opt $R/home/link; chmod 2750 $R/opt/venv", userns)
			c := enter(t, f)
			owner, err := c.Owner(1000, 100)
			must(t, err)
			if owner != (overlay.Owner{UID: base + 1000, GID: base + 100}) {
				t.Errorf("1000:100 is %+v on the host", owner)
			}
			pip, err := c.Point("/home/a/.cache/pip", PointOptions{Make: true, Owner: owner, Keep: true})
			must(t, err)
			defer pip.Close()
			if pip.Owner != owner || pip.Mode != 0o755 || pip.Below != nil {
				t.Errorf("made: %+v", pip)
			}
			st, err := os.Stat(f.rootfs + "/home/a/.cache")
			must(t, err)
			if s := st.Sys().(*syscall.Stat_t); int(s.Uid) != owner.UID || int(s.Gid) != owner.GID {
				t.Errorf(".cache belongs to %d:%d", s.Uid, s.Gid)
			}
			venv, err := c.Point("/home/link/venv", PointOptions{Keep: true})
			must(t, err)
			defer venv.Close()
			if venv.Path != "/opt/venv" || venv.Owner.UID != base || venv.Mode != 0o750 || venv.Below == nil {
				t.Errorf("there: %+v", venv)
			}
			empty, err := c.Point("/opt/empty", PointOptions{Keep: true})
			must(t, err)
			defer empty.Close()
			if empty.Below != nil {
				t.Error("an empty directory was cloned")
			}

			// The second cannot be attached: the first is taken away again.
			closed := tmpfs(t, "larder:closed")
			closed.Close()
			err = c.Attach([]Mount{{tmpfs(t, "larder:one"), pip}, {closed, venv}})
			if err == nil || !strings.Contains(err.Error(), `attach at "/opt/venv"`) {
				t.Errorf("a closed mount: %v", err)
			}
			if m := mounted(t, c); len(m) != 0 {
				t.Errorf("still mounted: %q", m)
			}
			must(t, c.Attach([]Mount{{tmpfs(t, "larder:one"), pip}, {tmpfs(t, "larder:two"), venv}}))
			if m := mounted(t, c); strings.Join(m, " ") != "/home/a/.cache/pip /opt/venv" {
				t.Errorf("mounted: %q", m)
			}
			if _, err := c.Point("/home/a/.cache/pip", PointOptions{Cover: true}); err == nil || !strings.Contains(err.Error(), "already provisioned") {
				t.Errorf("a second time: %v", err)
			}
			if userns {
				return
			}
			strange, err := c.Point("/root", PointOptions{})
			if err == nil {
				strange.Close()
				t.Error("/root as a mount point")
			}
		})
	}
}

func TestMountPointOfNobody(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	rootfs := root(t, 100000)
	must(t, os.Mkdir(rootfs+"/opt/x", 0o755)) // root's on the host
	c := enter(t, start(t, rootfs, "", true))
	if _, err := c.Point("/opt/x", PointOptions{}); err == nil || !strings.Contains(err.Error(), "nobody in the container") {
		t.Errorf("a directory of the host's root: %v", err)
	}
	if _, err := c.Owner(70000, 0); !errors.Is(err, ErrContainer) {
		t.Errorf("an id that is not mapped: %v", err)
	}
}

func TestMountCover(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	f := start(t, root(t, 0), "mkdir $R/opt/vol; mount -t tmpfs vol $R/opt/vol; echo > $R/opt/vol/file", false)
	c := enter(t, f)
	p, err := c.Point("/opt/vol", PointOptions{Cover: true, Keep: true})
	must(t, err)
	defer p.Close()
	if p.Below == nil {
		t.Error("what the volume holds is not kept")
	}
	must(t, c.Attach([]Mount{{tmpfs(t, "larder:one"), p}}))
	q, err := c.Point("/opt/vol/made", PointOptions{Make: true, Cover: true})
	if err != nil {
		t.Fatal(err)
	}
	q.Abandon()
}

// A home on a volume has no cache yet: it is made where nobody else's files are.
func TestMountPointMadeInVolume(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	for _, tc := range []struct{ name, setup string }{
		{"tmpfs", "mount -t tmpfs vol $R/home; mkdir $R/home/a; echo > $R/home/a/.profile"},
		{"empty volume", "mkdir $R/srv; mount --bind $R/srv $R/home/a"},
		{"new disk", "mkdir -p $R/srv/lost+found; mount --bind $R/srv $R/home/a"},
		{"engine's volume", "mkdir -p $R/srv/volumes/home/_data; echo > $R/srv/volumes/home/_data/.profile; mount --bind $R/srv/volumes/home/_data $R/home/a"},
		{"pod's volume", "mkdir -p $R/srv/volumes/kubernetes.io~empty-dir/home; echo > $R/srv/volumes/kubernetes.io~empty-dir/home/x; mount --bind $R/srv/volumes/kubernetes.io~empty-dir/home $R/home/a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := enter(t, start(t, root(t, 0), tc.setup, false))
			p, err := c.Point("/home/a/.cache/pip", PointOptions{Make: true, Keep: true, Owner: overlay.Owner{UID: 1000, GID: 1000}})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Abandon()
			if p.Path != "/home/a/.cache/pip" || p.Owner.UID != 1000 {
				t.Errorf("made %+v", p)
			}
			must(t, c.Attach([]Mount{{tmpfs(t, "larder:one"), p}}))
		})
	}
}

func TestMountReadFile(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	f := start(t, root(t, 0), `
echo ok > $R/etc/file
truncate -s 1M $R/etc/large
ln -s file $R/etc/link
ln -s /etc $R/home/etc
mkfifo $R/etc/fifo
mknod $R/etc/null c 1 3
mknod $R/etc/tape c 9 0
mount --rbind /proc $R/proc
ln -s /proc/self/root $R/home/magic
ln -s /../../../../../../etc/hostname $R/home/hostname`, false)
	c := enter(t, f)
	for _, name := range []string{"/etc/file", "/home/etc/file", "/home/../../etc/file"} {
		b, err := c.ReadFile(name, 100)
		if strings.Contains(name, "..") {
			if err == nil {
				t.Errorf("%s: read", name)
			}
			continue
		}
		if err != nil || string(b) != "ok\n" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	for name, want := range map[string]string{
		"/etc/none":                        "no such file",
		"/etc/link":                        "not a regular file",
		"/etc/fifo":                        "not a regular file",
		"/etc/null":                        "not a regular file",
		"/etc/tape":                        "not a regular file",
		"/etc":                             "not a regular file",
		"/home/hostname":                   "not a regular file",
		"/proc/uptime":                     "on proc",
		"/home/magic/etc/file":             "too many levels",
		"etc/file":                         "no plain absolute path",
		"/etc/file/x":                      "not a directory",
		"/etc/" + strings.Repeat("x", 300): "name too long",
	} {
		if b, err := c.ReadFile(name, 100); !errors.Is(err, ErrContainer) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %q, %v; want %q", name, b, err, want)
		}
	}
	if _, err := c.ReadFile("/etc/file", 2); err == nil || !strings.Contains(err.Error(), "larger than 2 bytes") {
		t.Errorf("too large: %v", err)
	}
	var err error
	for range overlay.MaxRead >> 20 {
		if _, err = c.ReadFile("/etc/large", 1<<20); err != nil {
			break
		}
	}
	if !errors.Is(err, overlay.ErrMaxRead) {
		t.Errorf("more than may be read in all: %v", err)
	}
}

// Somebody exchanges a component while it is resolved: whatever comes back is
// inside the root, and nothing is made or mounted outside.
func TestMountPointRace(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	canary := t.TempDir()
	must(t, os.MkdirAll(canary+"/.cache", 0o755))
	rootfs := root(t, 0)
	must(t, os.Mkdir(rootfs+"/home/b", 0o755))
	must(t, os.Symlink(canary, rootfs+"/home/c"))
	f := start(t, rootfs, "mount --rbind /proc $R/proc; ln -s /proc/1/root"+canary+" $R/home/d", false)
	c := enter(t, f)
	before := tree(t, canary)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			other := []string{"/home/b", "/home/c", "/home/d"}[i%3]
			_ = unix.Renameat2(unix.AT_FDCWD, rootfs+"/home/a", unix.AT_FDCWD, rootfs+other, unix.RENAME_EXCHANGE)
		}
	}()
	got, refused := 0, 0
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		p, err := c.Point("/home/a/.cache/pip", PointOptions{Make: true, Cover: true})
		if err != nil {
			refused++
			continue
		}
		got++
		if !strings.HasPrefix(p.Path, "/home/") {
			t.Errorf("resolved to %q", p.Path)
		}
		p.Abandon()
	}
	close(stop)
	<-done
	if after := tree(t, canary); after != before {
		t.Errorf("the host changed:\n%s\nwas:\n%s", after, before)
	}
	t.Logf("%d resolved, %d refused", got, refused)
	if got == 0 || refused == 0 {
		t.Error("the race was not run both ways")
	}
}

// Containers that share a root make the same mount points, and may do so at once.
func TestMountPointMadeAtOnce(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	f := start(t, root(t, 0), "", false)
	defer f.stop()
	var makers sync.WaitGroup
	for range 3 {
		c, err := Enter(f.pid, f.rootfs)
		must(t, err)
		defer c.Close()
		makers.Go(func() {
			for n := range 100 {
				if _, err := c.Point(fmt.Sprintf("/home/a/%d/.cache/pip", n), PointOptions{Make: true}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	makers.Wait()
}

// A container that is created has pivoted, and its root may be read-only: what is missing is made
// all the same, for the mount and nothing else.
func TestMountCreated(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	const pivot = `for d in bin sbin lib lib64 usr proc; do mkdir -p $R/$d; mount --rbind /$d $R/$d; done
mkdir -p $R/old; cd $R; pivot_root . old; umount -l /old; `
	for name, after := range map[string]string{"writable": "", "read-only": "mount -o remount,bind,ro /"} {
		t.Run(name, func(t *testing.T) {
			rootfs := t.TempDir()
			f := start(t, rootfs, pivot+after, false)
			defer f.stop()
			for name := ""; name != "sleep\n"; { // it is the shell of outside until then
				comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", f.pid))
				must(t, err)
				name = string(comm)
			}
			if _, err := Enter(f.pid, "/"); !errors.Is(err, ErrContainer) {
				t.Errorf("as one that is being created: %v", err)
			}
			c, err := EnterCreated(f.pid)
			must(t, err)
			defer c.Close()
			if err := c.Waits(); !errors.Is(err, ErrContainer) || !strings.Contains(err.Error(), "started already") {
				t.Errorf("its program is its own: %v", err)
			}
			p, err := c.Point("/home/a/.cache/pip", PointOptions{Make: true, Owner: overlay.Owner{UID: 7, GID: 7}})
			must(t, err)
			if p.Path != "/home/a/.cache/pip" || p.Owner.UID != 7 {
				t.Errorf("%+v", p)
			}
			if _, err := os.Stat(filepath.Join(rootfs, "home/a/.cache/pip")); err != nil {
				t.Error(err)
			}
			if got := isReadOnly(p.Dir); got != (name == "read-only") {
				t.Errorf("read-only %v", got)
			}
			for _, refused := range []string{"/etc", "/proc/1", "/../x", "/"} {
				if _, err := c.Point(refused, PointOptions{Make: true}); !errors.Is(err, ErrPoint) {
					t.Errorf("%s: %v", refused, err)
				}
			}
			p.Abandon()
			if _, err := os.Stat(filepath.Join(rootfs, "home")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("left: %v", err)
			}
		})
	}
	if _, err := EnterCreated(os.Getpid()); err == nil {
		t.Error("a process of the host's own was entered")
	}
}
