//go:build linux && amd64

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// exitInject is the exit status for a fault of inject's own.
const exitInject = 99

// inject runs a command and spoils one of its system calls: "inject ROOT LOG FAULT COMMAND
// [ARG...]", with the fault as JSON.
//
// It follows the whole process tree, every thread. A call belongs to a class: its name and the
// paths it is about, with digests and numbers made equal ("renameat store/staging/# -> store/objects/##/#").
// Without a class in the fault every call is let through, and LOG gets the class of each. With it
// the n-th call of that class suffers what the fault says, and LOG gets the class when that happened:
//
//	kill, kill-after          the whole tree dies before or after the call
//	kill-one, kill-one-after  only the calling process does, its children live on
//	EIO, ENOSPC, …            the call is not made, and returns this error; if the fault
//	                          persists, every later one of its class too
//
// Counted are the calls of larder and larder-hook on files and mounts, wherever those are, and
// what other programs of the tree do below ROOT. The exit status is the command's, 128 and the
// signal if it was killed.
//
// It stops a call where seccomp says so (SECCOMP_RET_TRACE) and traces by ptrace, so the program
// under test needs no preparation. Only x86-64, whose registers it sets.
func inject(args []string) (status int, err error) {
	runtime.LockOSThread() // ptrace answers only the thread that began it
	t := tracer{root: args[0]}
	if err := json.Unmarshal([]byte(args[2]), &t.fault); err != nil {
		return exitInject, err
	}
	if t.errno, err = errnoOf(t.Do); err != nil {
		return exitInject, err
	}
	f, err := os.Create(args[1])
	if err != nil {
		return exitInject, err
	}
	log := bufio.NewWriter(f)
	t.log = log
	status, err = t.run(args[3:])
	if err := errors.Join(err, log.Flush(), f.Close()); err != nil {
		return exitInject, err
	}
	return status, nil
}

// errnoOf is the error that an action names, 0 for none.
func errnoOf(action string) (unix.Errno, error) {
	if action == "" || strings.HasPrefix(action, "kill") {
		return 0, nil
	}
	for e := unix.Errno(1); e < 200; e++ {
		if unix.ErrnoName(e) == action {
			return e, nil
		}
	}
	return 0, fmt.Errorf("no action %q", action)
}

// run starts the command, stopped by a filter at each of our calls, and follows it.
func (t *tracer) run(command []string) (status int, err error) {
	cmd := exec.Command(self, append([]string{"filtered"}, command...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	pid := cmd.Process.Pid
	if _, err := unix.Wait4(pid, nil, unix.WALL, nil); err != nil {
		return 0, fmt.Errorf("wait: %w", err)
	}
	if err := errors.Join(unix.PtraceSetOptions(pid, traceOptions), unix.PtraceCont(pid, 0)); err != nil {
		return 0, fmt.Errorf("trace: %w", err)
	}
	return t.follow(pid)
}

// filtered becomes the command under a filter that stops it at each of our calls.
func filtered(command []string) (status int, err error) {
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
		return exitInject, fmt.Errorf("filter: %w", e)
	}
	return exitInject, unix.Exec(command[0], command, os.Environ())
}
