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

// Mapping says whose a snapshot's files are: ids in the image to ids of the
// host. An image has one owner, 0, so a mapping usually has one row each.
type Mapping struct {
	UID, GID []syscall.SysProcIDMap // ContainerID is the id in the image
}

// Owner is who a container's files belong to, in the host's ids.
type Owner struct{ UID, GID int }

// Mapping maps the image's one owner, root, to o.
func (o Owner) Mapping() Mapping {
	return Mapping{
		UID: []syscall.SysProcIDMap{{ContainerID: 0, HostID: o.UID, Size: 1}},
		GID: []syscall.SysProcIDMap{{ContainerID: 0, HostID: o.GID, Size: 1}},
	}
}

// UserNS makes a user namespace with this mapping and returns it as a file.
// A user namespace needs a process: a copy of this program, traced, so that it
// stops before its first instruction, and is killed as soon as the namespace is
// open. It costs 1.5 to 2.5 ms, which is why trees are kept per owner.
func (m Mapping) UserNS() (*os.File, error) {
	// The tracer is a thread, and only that thread may wait.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"larder-userns"}
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: m.UID,
		GidMappings: m.GID,
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

// Idmap gives a detached mount an id mapping, once.
func Idmap(m, userns *os.File) error {
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(fdOf(userns))}
	if err := unix.MountSetattr(fdOf(m), "", unix.AT_EMPTY_PATH, &attr); err != nil {
		e := newError("idmap", m.Name(), "", "", err)
		if err == unix.EINVAL {
			e.kind = ErrUnsupported // the file system has no idmapped mounts
		}
		return e
	}
	return nil
}
