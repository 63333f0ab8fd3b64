package oci

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"

	"larder/overlay"
)

// ErrContainer is wrapped by what is wrong with the container as a whole: it
// is gone, shares our mount namespace, or its root is not one.
var ErrContainer = errors.New("container")

// Container is a container being created, held by descriptors: its process,
// its root, and a thread of ours that has entered its mount namespace, or goes
// there for each look. It is for one goroutine.
type Container struct {
	pid       int
	created   bool // its process has its root already, and waits to be started
	pidfd     *os.File
	proc      *os.File // the host's /proc: no path of it is known inside
	ids       user.IdentityMapping
	root      *os.File
	rootPath  string // as the thread inside sees it; "" for that thread's own root
	rootMount uint64
	table     []*mountinfo.Info // of its mounts; nil: to be read
	work      chan func()       // of a thread of its own; nil without
	here      *visitor          // nil with a thread of its own

	// Reads is what may still be read of the container's files, by whoever does.
	Reads overlay.Budget
}

// Enter enters the mount namespace of pid and pins its root, which must be the
// root of a mount there, as every runtime makes it before createRuntime.
func Enter(pid int, rootfs string) (*Container, error) {
	return open(&Container{pid: pid, work: make(chan func())}, rootfs)
}

// EnterHere is Enter on the caller's thread, which goes into the namespace for
// each look and comes back: a thread of its own has to be made, and woken each
// time. The goroutine must be locked to its thread until Close. Its working
// directory becomes the root.
func EnterHere(pid int, rootfs string) (*Container, error) {
	return open(&Container{pid: pid, here: &visitor{}}, rootfs)
}

// EnterCreated is EnterHere for a container that is created and not yet started: its process has
// the container's root already, and where that is to be read-only it is.
func EnterCreated(pid int) (*Container, error) {
	return open(&Container{pid: pid, created: true, here: &visitor{}}, "of the process")
}

func open(c *Container, rootfs string) (*Container, error) {
	if err := c.open(rootfs); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Container) open(rootfs string) (err error) {
	fd, err := unix.PidfdOpen(c.pid, 0)
	if err == unix.ESRCH || err == unix.EINVAL {
		return fmt.Errorf("%w: no process %d", ErrContainer, c.pid)
	}
	if err != nil {
		return fmt.Errorf("%w: pidfd_open %d: %w", ErrContainer, c.pid, err)
	}
	c.pidfd = os.NewFile(uintptr(fd), "pidfd")
	if c.proc, err = openPath("/proc"); err != nil {
		return err
	}
	if magic, err := filesystem(c.proc); err != nil || magic != unix.PROC_SUPER_MAGIC {
		return fmt.Errorf("%w: /proc of the host is not mounted", ErrContainer)
	}
	if err := c.identify(); err != nil {
		return err
	}
	if c.here != nil {
		err = c.here.prepare(c)
	} else {
		ready := make(chan error)
		go c.thread(ready)
		err = <-ready
	}
	if err != nil {
		return err
	}
	return c.inside(func() error { return c.pinRoot(rootfs) })
}

// identify reads who the ids of the container are, and then makes sure that
// all of it was read of the process the pidfd holds.
func (c *Container) identify() error {
	dir := strconv.Itoa(c.pid)
	for _, m := range []struct {
		name string
		to   *[]user.IDMap
	}{{"uid_map", &c.ids.UIDMaps}, {"gid_map", &c.ids.GIDMaps}} {
		f, err := c.openProc(dir+"/"+m.name, unix.O_RDONLY)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrContainer, err)
		}
		*m.to, err = parseIDMap(f)
		f.Close()
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrContainer, m.name, err)
		}
	}
	return c.Alive()
}

// Alive fails when the process has exited.
func (c *Container) Alive() error {
	fds := []unix.PollFd{{Fd: int32(c.pidfd.Fd()), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 0)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("%w: poll process %d: %w", ErrContainer, c.pid, err)
		case n > 0:
			return fmt.Errorf("%w: process %d has exited", ErrContainer, c.pid)
		}
		return nil
	}
}

// thread enters the namespace and works there until Close. It never unlocks
// its thread, so that the thread dies with it and nothing else of the program
// ever runs inside. The process's first thread must not be it: /proc/self is
// that thread's view, and Go keeps it for ever.
func (c *Container) thread(ready chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == os.Getpid() {
		done := make(chan struct{})
		go func() {
			c.thread(ready)
			close(done)
		}()
		<-done
		runtime.UnlockOSThread()
		return
	}
	if err := c.enter(); err != nil {
		ready <- err
		return
	}
	ready <- nil
	for f := range c.work {
		f()
	}
}

func (c *Container) enter() error {
	before, err := c.namespace("thread-self")
	if err != nil {
		return err
	}
	defer before.Close()
	if err := unshare(); err != nil {
		return err
	}
	after, err := c.setns(before)
	if err == nil {
		after.Close()
	}
	return err
}

// unshare gives the calling thread a root and a working directory of its own. Threads share them
// until told otherwise, and setns(2) refuses a thread that does.
func unshare() error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("%w: unshare: %w", ErrContainer, err)
	}
	return nil
}

// setns enters the namespace with the calling thread, which is in before.
func (c *Container) setns(before *os.File) (after *os.File, err error) {
	if err := unix.Setns(int(c.pidfd.Fd()), unix.CLONE_NEWNS); err != nil {
		if err == unix.ESRCH {
			return nil, fmt.Errorf("%w: process %d has exited", ErrContainer, c.pid)
		}
		return nil, fmt.Errorf("%w: enter mount namespace of %d: %w", ErrContainer, c.pid, err)
	}
	if after, err = c.namespace("thread-self"); err != nil {
		return nil, err
	}
	same, err := sameFile(before, after)
	if err == nil && !same && c.created {
		same = c.isHosts(after)
	}
	if same || err != nil {
		after.Close()
		return nil, errors.Join(fmt.Errorf("%w: process %d has no mount namespace of its own", ErrContainer, c.pid), err)
	}
	return after, nil
}

// isHosts says whether a mount namespace is that of the first process. A resident program may be in a
// container of its own: the host's namespace is not its own, then.
func (c *Container) isHosts(namespace *os.File) bool {
	first, err := c.namespace("1")
	if err != nil {
		return false
	}
	defer first.Close()
	same, _ := sameFile(first, namespace)
	return same
}

// namespace is the mount namespace of a process, or of the calling thread.
func (c *Container) namespace(process string) (*os.File, error) {
	f, err := c.openProc(process+"/ns/mnt", unix.O_RDONLY)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrContainer, err)
	}
	return f, nil
}

func sameFile(a, b *os.File) (bool, error) {
	one, err := a.Stat()
	if err != nil {
		return false, err
	}
	other, err := b.Stat()
	return err == nil && os.SameFile(one, other), err
}

// inside runs f in the container's mount namespace.
func (c *Container) inside(f func() error) error {
	if c.here != nil {
		return c.here.visit(f)
	}
	result := make(chan error)
	c.work <- func() { result <- f() }
	return <-result
}

func (c *Container) pinRoot(rootfs string) (err error) {
	if c.created {
		c.root, err = c.rootOfProcess()
	} else {
		c.root, err = openPath(rootfs)
	}
	if err != nil {
		return fmt.Errorf("%w: root file system: %w", ErrContainer, err)
	}
	st, err := overlay.Status(c.root)
	if err != nil {
		return err
	}
	if st.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0 {
		return fmt.Errorf("%w: root file system %s is not the root of a mount in the container", ErrContainer, rootfs)
	}
	c.rootMount = st.Mnt_id
	if c.rootPath, err = c.pathOf(c.root); err != nil {
		return err
	}
	if c.created {
		c.rootPath = strings.TrimSuffix(c.rootPath, "/")
	}
	if c.rootPath == "/" {
		return fmt.Errorf("%w: root file system %s is the root of its mount namespace", ErrContainer, rootfs)
	}
	// What config.json names can be any mount, and we make directories in it.
	kind, err := c.kernelFilesystem(c.root)
	if err != nil {
		return fmt.Errorf("%w: root file system: %w", ErrContainer, err)
	}
	if kind != "" {
		return fmt.Errorf("%w: root file system %s is a %s", ErrContainer, rootfs, kind)
	}
	if slices.Contains(system, c.rootPath) {
		return fmt.Errorf("%w: root file system %s is a directory of the host's own", ErrContainer, rootfs)
	}
	return nil
}

// Waits fails when a container that was created has been started, by whoever did not wait: then a program
// of its image runs already. What waits for a start is a program of the runtime's, which no mount of
// the container has.
func (c *Container) Waits() error {
	var exe unix.Statx_t
	if err := unix.Statx(int(c.proc.Fd()), strconv.Itoa(c.pid)+"/exe", 0, unix.STATX_MNT_ID, &exe); err != nil {
		return fmt.Errorf("%w: program of process %d: %w", ErrContainer, c.pid, err)
	}
	var table []*mountinfo.Info
	err := c.inside(func() (err error) {
		table, err = c.mounts()
		return err
	})
	if err != nil {
		return err
	}
	if slices.ContainsFunc(table, func(m *mountinfo.Info) bool { return m.ID == int(exe.Mnt_id) }) {
		return fmt.Errorf("%w: process %d has been started already", ErrContainer, c.pid)
	}
	return c.Alive()
}

// rootOfProcess is where the process is: not always the root of its mount namespace, when the runtime is
// in a chroot(2). The host's own is nobody's.
func (c *Container) rootOfProcess() (*os.File, error) {
	root, err := c.openProc(strconv.Itoa(c.pid)+"/root", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	err = c.Alive() // it was this process's
	if host, unseen := c.openProc("1/root", unix.O_PATH|unix.O_DIRECTORY); err == nil && unseen == nil {
		var same bool
		if same, err = sameFile(root, host); same {
			err = errors.New("it is the host's")
		}
		host.Close()
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	return root, nil
}

// kernelFilesystem names the file system of a directory that is not for storing
// files, and is "" for another.
func (c *Container) kernelFilesystem(dir *os.File) (string, error) {
	magic, err := filesystem(dir)
	if err != nil || magic != unix.TMPFS_MAGIC {
		return forbidden[magic], err
	}
	// devtmpfs calls itself tmpfs; only the mount table tells them apart.
	st, err := overlay.Status(dir)
	if err != nil {
		return "", err
	}
	table, err := c.mounts()
	if err != nil {
		return "", err
	}
	for _, m := range table {
		if m.ID == int(st.Mnt_id) && m.FSType == "devtmpfs" {
			return m.FSType, nil
		}
	}
	return "", nil
}

// Close lets go of the container. What was attached stays.
func (c *Container) Close() {
	if c.here != nil {
		c.here.close()
	} else {
		close(c.work)
	}
	for _, f := range []*os.File{c.root, c.proc, c.pidfd} {
		if f != nil {
			f.Close()
		}
	}
}

// Owner is who two ids of the container's are on the host.
func (c *Container) Owner(uid, gid uint32) (overlay.Owner, error) {
	hostUID, hostGID, err := c.ids.ToHost(int(uid), int(gid))
	if err != nil {
		return overlay.Owner{}, fmt.Errorf("%w: %d:%d in its user namespace: %w", ErrContainer, uid, gid, err)
	}
	return overlay.Owner{UID: hostUID, GID: hostGID}, nil
}

// pathOf is the path of an open file as the calling thread sees it.
func (c *Container) pathOf(f *os.File) (string, error) {
	buf := make([]byte, 2*unix.PathMax)
	n, err := unix.Readlinkat(int(c.proc.Fd()), "thread-self/fd/"+strconv.Itoa(int(f.Fd())), buf)
	if err != nil {
		return "", fmt.Errorf("%w: path of an open file: %w", ErrContainer, err)
	}
	p := string(buf[:n])
	if !strings.HasPrefix(p, "/") {
		return "", fmt.Errorf("%w: %.80q is outside its mount namespace", ErrContainer, p)
	}
	return p, nil
}

func (c *Container) openProc(name string, flags int) (*os.File, error) {
	fd, err := unix.Openat(int(c.proc.Fd()), name, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: "/proc/" + name, Err: err}
	}
	return os.NewFile(uintptr(fd), "/proc/"+name), nil
}

func openPath(name string) (*os.File, error) {
	fd, err := unix.Open(name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

func filesystem(f *os.File) (int64, error) {
	var st unix.Statfs_t
	for {
		switch err := unix.Fstatfs(int(f.Fd()), &st); err {
		case nil:
			return st.Type, nil
		case unix.EINTR:
		default:
			return 0, &os.PathError{Op: "statfs", Path: f.Name(), Err: err}
		}
	}
}
