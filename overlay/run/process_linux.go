package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"larder/snapshot/failpoint"
)

// forwarded are the signals passed on to the command.
var forwarded = []os.Signal{
	unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM,
}

// forwardedApart are those that a terminal or a shell sends to a whole group, and
// that a command in a session of its own would miss.
var forwardedApart = []os.Signal{unix.SIGTSTP, unix.SIGCONT, unix.SIGWINCH}

// job is a command that runs.
type job struct {
	process *os.Process
	apart   bool      // in a session of its own
	tty     *terminal // its own, nil when it has none or the caller's
}

// start runs a command as a child of this thread, in its namespace, and waits.
func start(ctx context.Context, command, env []string, u User, files []*os.File) (status int, signaled bool, err error) {
	path, err := lookPath(command[0], lookup(env, "PATH"))
	if err != nil {
		return 0, false, err
	}
	return startAs(ctx, path, command, env, u, files, &syscall.SysProcAttr{})
}

// startAs starts the program at path as sys says, and waits.
func startAs(ctx context.Context, path string, command, env []string, u User, files []*os.File, sys *syscall.SysProcAttr) (status int, signaled bool, err error) {
	// The parent is this thread, which waits: if the process is killed, so
	// is the command, and with it the namespace.
	sys.Pdeathsig = syscall.SIGKILL
	attr := &os.ProcAttr{Env: env, Files: files, Sys: sys}
	j := job{apart: u.Switch}
	passed := forwarded
	if j.apart {
		attr.Sys.Credential, attr.Sys.Setsid = credential(u), true
		passed = slices.Concat(forwarded, forwardedApart)
		if j.tty, err = newTerminal(files, u); err != nil {
			return 0, false, err
		}
		defer j.tty.close()
		keepTerminals()
		if j.tty != nil {
			attr.Files, attr.Sys.Setctty, attr.Sys.Ctty = j.tty.files, true, j.tty.ctty
		}
	}
	// From here on nothing may end us before the command. What was ignored when
	// we were started (nohup) stays ignored, for the command too.
	signals := make(chan os.Signal, 16)
	for _, sig := range passed {
		if !signal.Ignored(sig) {
			signal.Notify(signals, sig)
		}
	}
	defer signal.Stop(signals)
	// A signal before this line is the context's, one after it the command's.
	if err := ctx.Err(); err != nil {
		return 0, false, err
	}
	if j.process, err = os.StartProcess(path, command, attr); err != nil {
		return 0, false, startError(command[0], err)
	}
	failpoint.Here("run: command started")
	j.tty.relay()
	ended := make(chan struct{})
	var forwarding sync.WaitGroup
	forwarding.Go(func() { j.forward(signals, ended) })
	state, err := j.process.Wait()
	close(ended)
	forwarding.Wait()
	j.tty.end()
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

func (j job) forward(signals <-chan os.Signal, ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		case sig := <-signals:
			j.pass(sig)
		}
	}
}

// pass passes a signal on. An error means that the command has ended.
func (j job) pass(sig os.Signal) {
	group := func(sig unix.Signal) { _ = unix.Kill(-j.process.Pid, sig) }
	switch sig {
	case unix.SIGINT, unix.SIGQUIT:
		switch {
		case j.apart:
			group(sig.(unix.Signal)) // as a terminal sends it
		case inForeground():
			// ^C and ^\ go to the whole foreground group, the command
			// included: passed on, it would get them twice.
		default:
			_ = j.process.Signal(sig)
		}
	case unix.SIGTSTP: // which nobody in a session of its own stops at
		j.tty.giveKeys()
		group(unix.SIGSTOP)
		_ = unix.Kill(os.Getpid(), unix.SIGSTOP)
	case unix.SIGCONT:
		j.tty.takeKeys()
		group(unix.SIGCONT)
	case unix.SIGWINCH:
		j.tty.resize()
	default:
		_ = j.process.Signal(sig)
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
