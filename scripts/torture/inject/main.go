//go:build linux && amd64

package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const exitInject = 99

// ptrace answers only the thread that began it.
func init() { runtime.LockOSThread() }

func main() {
	if len(os.Args) > 2 && os.Args[1] == stopped {
		fatal(execFiltered(os.Args[2:]))
	}
	t := &tracer{}
	logName := flag.String("log", os.DevNull, "")
	flag.StringVar(&t.root, "root", "/", "")
	flag.StringVar(&t.class, "class", "", "")
	flag.IntVar(&t.nth, "nth", 1, "")
	flag.StringVar(&t.do, "do", "kill", "")
	flag.BoolVar(&t.persist, "persist", false, "")
	flag.Parse()
	var err error
	if t.errno, err = errnoOf(t.do); err != nil {
		fatal(err)
	}
	f, err := os.Create(*logName)
	if err != nil {
		fatal(err)
	}
	log := bufio.NewWriter(f)
	t.log = log
	status, err := run(t, flag.Args())
	if err := errors.Join(err, log.Flush(), f.Close()); err != nil {
		fatal(err)
	}
	os.Exit(status)
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "inject:", err)
	os.Exit(exitInject)
}

func errnoOf(action string) (unix.Errno, error) {
	if strings.HasPrefix(action, "kill") {
		return 0, nil
	}
	for e := unix.Errno(1); e < 200; e++ {
		if unix.ErrnoName(e) == action {
			return e, nil
		}
	}
	return 0, fmt.Errorf("no action %q", action)
}

// stopped is the first argument of the process that becomes the command.
const stopped = "-stopped"

// run starts the command, stopped by a filter at each of our calls, and follows it.
func run(t *tracer, command []string) (status int, err error) {
	if len(command) == 0 {
		return 0, errors.New("no command")
	}
	cmd := exec.Command("/proc/self/exe", append([]string{stopped}, command...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	pid := cmd.Process.Pid
	var ws unix.WaitStatus
	if _, err := unix.Wait4(pid, &ws, unix.WALL, nil); err != nil {
		return 0, fmt.Errorf("wait: %w", err)
	}
	if err := unix.PtraceSetOptions(pid, traceOptions); err != nil {
		return 0, fmt.Errorf("trace: %w", err)
	}
	if err := unix.PtraceCont(pid, 0); err != nil {
		return 0, fmt.Errorf("trace: %w", err)
	}
	return t.follow(pid)
}

// execFiltered becomes the command under a filter that stops it at each of our calls.
func execFiltered(command []string) error {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	load := unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS} // the call's number
	filter := []unix.SockFilter{load}
	for nr := range calls {
		filter = append(filter,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: uint32(nr)},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_TRACE})
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// For every thread: exec keeps the filter of the one that calls it, and that may be any.
	if _, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program))); e != 0 {
		return fmt.Errorf("filter: %w", e)
	}
	return unix.Exec(path, command, os.Environ())
}
