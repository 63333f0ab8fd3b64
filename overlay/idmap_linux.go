package overlay

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Owner is who a container's files belong to, in the host's ids.
type Owner struct{ UID, GID int }

// userNS makes a user namespace that maps the image's one owner, root, to o, and returns it as a
// file. A user namespace needs a process: a copy of this program, traced, so that it
// stops before its first instruction, and is killed as soon as the namespace is
// open. It costs 1.5 to 2.5 ms, which is why trees are kept per owner.
func (o Owner) userNS() (*os.File, error) {
	// The tracer is a thread, and only that thread may wait.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"larder-userns"}
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: o.UID, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: o.GID, Size: 1}},
		Ptrace:      true,
		Pdeathsig:   syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("make user namespace for an id mapping: %w", err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	// The child is ours and not yet waited for: its pid names nobody else.
	f, err := os.Open("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/ns/user")
	if err != nil {
		return nil, fmt.Errorf("open user namespace for an id mapping: %w", err)
	}
	return f, nil
}

// errNoIdmap is what a kernel says whose EROFS has no idmapped mounts, before 5.19.
var errNoIdmap = fmt.Errorf("EROFS has no idmapped mounts: %w", ErrUnsupported)

// idmap gives a detached mount an id mapping, once.
func idmap(m, userns *os.File, to Owner) error {
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(fdOf(userns))}
	err := unix.MountSetattr(fdOf(m), "", unix.AT_EMPTY_PATH, &attr)
	if err == unix.EINVAL {
		return fmt.Errorf("give a snapshot's files to user %d: %w", to.UID, errNoIdmap)
	}
	if err != nil {
		return newError("idmap", m.Name(), "", "", err)
	}
	return nil
}
