package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// forwarded are the signals passed on to the command.
var forwarded = []os.Signal{
	unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM,
}

// start runs a command as a child of this thread, in its namespace, and waits.
func start(ctx context.Context, command, env []string, u User, files []*os.File) (status int, signaled bool, err error) {
	path, err := lookPath(command[0], lookup(env, "PATH"))
	if err != nil {
		return 0, false, err
	}
	attr := &os.ProcAttr{
		Env:   env,
		Files: files,
		// The parent is this thread, which waits: if the process is killed, so
		// is the command, and with it the namespace.
		Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	}
	if u.Switch {
		attr.Sys.Credential = credential(u)
	}
	// From here on nothing may end us before the command. What was ignored when
	// we were started (nohup) stays ignored, for the command too.
	signals := make(chan os.Signal, 16)
	for _, sig := range forwarded {
		if !signal.Ignored(sig) {
			signal.Notify(signals, sig)
		}
	}
	defer signal.Stop(signals)
	// A signal before this line is the context's, one after it the command's.
	if err := ctx.Err(); err != nil {
		return 0, false, err
	}
	p, err := os.StartProcess(path, command, attr)
	if err != nil {
		return 0, false, startError(command[0], err)
	}
	ended := make(chan struct{})
	defer close(ended)
	go forward(p, signals, ended)
	state, err := p.Wait()
	if err != nil {
		return 0, false, fmt.Errorf("wait for the command: %w", err)
	}
	ws := state.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		return 128 + int(ws.Signal()), true, nil
	}
	return ws.ExitStatus(), false, nil
}

func credential(u User) *syscall.Credential {
	c := &syscall.Credential{Uid: uint32(u.Owner.UID), Gid: uint32(u.Owner.GID)}
	for _, g := range u.Groups {
		c.Groups = append(c.Groups, uint32(g))
	}
	return c
}

func forward(p *os.Process, signals <-chan os.Signal, ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		case sig := <-signals:
			// ^C and ^\ go to the whole foreground group, the command
			// included: passed on, it would get them twice.
			if (sig == unix.SIGINT || sig == unix.SIGQUIT) && inForeground() {
				continue
			}
			_ = p.Signal(sig) // an error means that it has ended
		}
	}
}

// inForeground says whether our process group is the terminal's.
func inForeground() bool {
	tty, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer unix.Close(tty)
	group, err := unix.IoctlGetInt(tty, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// lookPath finds the command as execvp would, on the command's PATH and in its
// namespace: the environment's bin is only there.
func lookPath(name, path string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	found := false
	for _, dir := range filepath.SplitList(path) {
		if dir == "" {
			dir = "."
		}
		file := dir + "/" + name
		st, err := os.Stat(file)
		if err != nil || st.IsDir() {
			continue
		}
		if st.Mode()&0o111 != 0 {
			return file, nil
		}
		found = true
	}
	if found {
		return "", fmt.Errorf("%s: %w", name, ErrNotExecutable)
	}
	return "", fmt.Errorf("%s: %w", name, ErrNotFound)
}

// startError tells not found (127) from not executable (126).
func startError(name string, err error) error {
	var errno syscall.Errno
	switch {
	case !errors.As(err, &errno):
		return fmt.Errorf("start %s: %w", name, err)
	case errno == unix.ENOENT:
		return fmt.Errorf("%s: %w", name, ErrNotFound)
	case errno == unix.EAGAIN || errno == unix.ENOMEM || errno == unix.EPERM:
		return fmt.Errorf("start %s: %w", name, errno)
	}
	return fmt.Errorf("%s: %w: %w", name, ErrNotExecutable, errno)
}
