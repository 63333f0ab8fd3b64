//go:build linux && amd64

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// workDir is where a run's directory is for it, whatever its name on the host: paths are in leases
// and ports in snapshots, and with the same ones a case is the same each time.
const workDir = "/run/torture"

// isolated runs the program as inside, in a mount namespace and a network of its own, with a new
// directory, which it removes when that has ended.
func isolated(args []string) (status int, err error) {
	if _, err := parse(args); err != nil {
		return 1, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "larder-torture-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(ctx, self, append([]string{"inside", dir}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	// With CLONE_NEWNS Go makes all mounts private.
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET, Setpgid: true}
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		return 1, nil // and it has said why
	} else if err != nil {
		return 1, fmt.Errorf("make private namespaces: %w", err)
	}
	return 0, nil
}

// inside plays the campaigns: "inside DIR [FLAG...]". It has a /run of its own, with DIR in it.
func inside(args []string) (status int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	if err := errors.Join(unix.Mount("torture", "/run", "tmpfs", 0, "mode=0755"), os.Mkdir(workDir, 0o755),
		unix.Mount(args[0], workDir, "", unix.MS_BIND, ""), loopbackUp()); err != nil {
		return 1, fmt.Errorf("make private namespaces: %w", err)
	}
	o, err := parse(args[1:])
	if err != nil {
		return 1, err
	}
	bad, err := torture(ctx, o)
	return min(bad, 1), err
}

// loopbackUp makes 127.0.0.1 work in a new network namespace.
func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo)
}
