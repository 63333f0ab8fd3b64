package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"larder/overlay"
)

// mounting is what a process needs to mount an overlay in its user namespace, and the overlay then
// to copy files up in its name: the work directory of one has mode 0000.
var mounting = []uintptr{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH, unix.CAP_FOWNER, unix.CAP_FSETID,
	unix.CAP_SYS_CHROOT, unix.CAP_SYS_ADMIN, unix.CAP_SETFCAP,
}

// Again starts this program again as the user it is, in a user namespace of that user's, and waits
// for it. There it may mount, and nothing else that it might not before. (A program of several
// threads, as this one is, cannot enter one itself.) It finds the files from descriptor 3 on. The
// environment's last value of a variable counts.
func Again(ctx context.Context, args, env []string, files ...*os.File) (status int, err error) {
	u := User{Owner: overlay.Owner{UID: os.Getuid(), GID: os.Getgid()}}
	err = overlay.OnThread(func() error {
		attr := &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: u.Owner.UID, HostID: u.Owner.UID, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: u.Owner.GID, HostID: u.Owner.GID, Size: 1}},
			AmbientCaps: mounting,
		}
		all := append([]*os.File{os.Stdin, os.Stdout, os.Stderr}, files...)
		var e error
		status, _, e = startAs(ctx, "/proc/self/exe", args, env, u, all, attr)
		return e
	})
	if errors.Is(err, context.Canceled) || err == nil {
		return status, err
	}
	return 0, namespaceProblem("/proc/sys", err)
}

// namespaceProblem says why there is no user namespace, as far as the host's settings below sys tell,
// and what root can do about it.
func namespaceProblem(sys string, err error) error {
	for _, s := range []struct{ file, refused, advice string }{
		{"user/max_user_namespaces", "0", "as root: sysctl -w user.max_user_namespaces=10000"},
		{"kernel/unprivileged_userns_clone", "0", "as root: sysctl -w kernel.unprivileged_userns_clone=1"},
		{"kernel/apparmor_restrict_unprivileged_userns", "1", "as root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile with userns for this program"},
	} {
		value, readErr := os.ReadFile(filepath.Join(sys, s.file))
		if readErr == nil && strings.TrimSpace(string(value)) == s.refused {
			name := strings.ReplaceAll(s.file, "/", ".") + "=" + s.refused
			return &overlay.Problem{Kind: overlay.ErrUnsupported, Text: "this host lets only root mount (" + name + ")", Advice: s.advice}
		}
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err
	}
	return &overlay.Problem{Kind: overlay.ErrUnsupported, Text: fmt.Sprintf("no user namespace to mount in: %v", errno),
		Advice: "a container's seccomp filter may refuse it; run as root, or have the runtime attach"}
}

// dropMounting takes from this thread, and so from the command that it starts, what the namespace
// gave beyond the user's own rights.
func dropMounting() error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	data[0].Inheritable, data[1].Inheritable = 0, 0
	if err := unix.Capset(&head, &data[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}
