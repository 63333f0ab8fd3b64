//go:build linux && amd64

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// tracer follows a process tree. All its calls must come from the thread that started the tree.
type tracer struct {
	fault
	errno unix.Errno // of Do, 0 for a kill
	root  string
	log   io.Writer
	armed bool         // the command itself runs, no longer what prepared it
	seen  map[int]bool // threads that have reported, and live
	after map[int]bool // threads whose process dies when their call returns
	count int          // calls of the class so far
}

const traceOptions = unix.PTRACE_O_TRACESECCOMP | unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_EXITKILL | unix.PTRACE_O_TRACESYSGOOD |
	unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK

// follow lets the tree run until its last process has ended, and returns the exit status of main.
func (t *tracer) follow(main int) (status int, err error) {
	t.seen, t.after = map[int]bool{main: true}, map[int]bool{}
	for {
		var ws unix.WaitStatus
		tid, err := unix.Wait4(-1, &ws, unix.WALL, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.ECHILD:
			return status, nil
		case err != nil:
			return 0, fmt.Errorf("wait: %w", err)
		}
		switch {
		case ws.Exited(), ws.Signaled():
			delete(t.seen, tid)
			if tid == main {
				status = exitStatus(syscall.WaitStatus(ws))
			}
		case ws.Stopped():
			if err := t.stopped(tid, ws); err != nil && err != unix.ESRCH { // killed meanwhile
				return 0, fmt.Errorf("trace: %w", err)
			}
		}
	}
}

// stopped handles one stop of a thread and lets it go on.
func (t *tracer) stopped(tid int, ws unix.WaitStatus) error {
	first := !t.seen[tid]
	t.seen[tid] = true
	switch sig := ws.StopSignal(); {
	case sig == unix.SIGTRAP|0x80: // the end of the call that was to be followed by death
		if t.after[tid] {
			delete(t.after, tid)
			t.kill(tid)
		}
		return unix.PtraceCont(tid, 0)
	case ws.TrapCause() == unix.PTRACE_EVENT_SECCOMP:
		return t.called(tid)
	case ws.TrapCause() == unix.PTRACE_EVENT_EXEC:
		t.armed = true
		return unix.PtraceCont(tid, 0)
	case ws.TrapCause() > 0, first && sig == unix.SIGSTOP: // a new thread or process, from both sides
		return unix.PtraceCont(tid, 0)
	default:
		return unix.PtraceCont(tid, int(sig))
	}
}

// called looks at a call that is about to be made.
func (t *tracer) called(tid int) error {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &regs); err != nil {
		return err
	}
	class, ok := t.classify(tid, &regs)
	switch {
	case !ok || !t.armed:
		return unix.PtraceCont(tid, 0)
	case t.Class == "":
		fmt.Fprintln(t.log, class)
		return unix.PtraceCont(tid, 0)
	case t.Class == class:
		t.count++
	}
	if t.Class != class || t.count < t.Nth || t.count > t.Nth && !t.Persist {
		return unix.PtraceCont(tid, 0)
	}
	if t.count == t.Nth {
		fmt.Fprintln(t.log, class)
	}
	switch {
	case t.errno != 0:
		regs.Orig_rax, regs.Rax = ^uint64(0), uint64(-int64(t.errno))
		if err := unix.PtraceSetRegs(tid, &regs); err != nil {
			return err
		}
	case strings.HasSuffix(t.Do, "-after"):
		t.after[tid] = true
		return unix.PtraceSyscall(tid, 0)
	default:
		t.kill(tid)
	}
	return unix.PtraceCont(tid, 0)
}

// kill ends the process of the thread, or the tree.
func (t *tracer) kill(tid int) {
	if strings.HasPrefix(t.Do, "kill-one") {
		_ = unix.Kill(tid, unix.SIGKILL) // a thread's id names its process
		return
	}
	for tid := range t.seen {
		_ = unix.Kill(tid, unix.SIGKILL)
	}
}

// classify names the class of a call; false for one that does not count.
func (t *tracer) classify(tid int, regs *unix.PtraceRegs) (class string, ok bool) {
	c := calls[regs.Orig_rax]
	args := [6]uint64{regs.Rdi, regs.Rsi, regs.Rdx, regs.R10, regs.R8, regs.R9}
	if regs.Orig_rax == unix.SYS_FCNTL && args[1] != unix.F_SETLEASE {
		return "", false
	}
	exe, _ := os.Readlink(proc(tid, "exe"))
	ours := strings.HasPrefix(filepath.Base(exe), "larder")
	if len(c.files) == 0 && !ours {
		return "", false
	}
	var b strings.Builder
	b.WriteString(c.name)
	if regs.Orig_rax == unix.SYS_IOCTL || regs.Orig_rax == unix.SYS_FSCONFIG {
		fmt.Fprintf(&b, " %#x", args[1])
	}
	for i, p := range c.files {
		name := p.resolve(tid, args)
		if !strings.HasPrefix(name, "/") || strings.HasPrefix(name, "/dev/null") || strings.HasPrefix(name, "/dev/pts/") {
			return "", false // a pipe, a socket, a terminal
		}
		rel, below := strings.CutPrefix(name, t.root+"/")
		if !ours && !below {
			return "", false
		}
		if i > 0 {
			b.WriteString(" ->")
		}
		b.WriteString(" " + equal(rel))
	}
	return b.String(), true
}

var (
	fanOut = regexp.MustCompile(`\b(objects|pages)/[0-9a-f]{2}\b`)
	random = regexp.MustCompile(`[0-9a-f]{8,}|[A-Z2-7]{20,}`)
	number = regexp.MustCompile(`[0-9]+`)
)

// equal makes paths equal that differ only in digests, names drawn by chance, and numbers.
func equal(path string) string {
	path = fanOut.ReplaceAllString(path, "$1/##")
	path = random.ReplaceAllString(path, "#")
	return number.ReplaceAllString(path, "0")
}

func proc(tid int, name string) string { return "/proc/" + strconv.Itoa(tid) + "/" + name }

// resolve is the path that the arguments name, as far as it is known before the call.
func (p fileArg) resolve(tid int, args [6]uint64) string {
	name := ""
	if p.path >= 0 {
		name = text(tid, args[p.path])
	}
	if strings.HasPrefix(name, "/") {
		return name
	}
	link := "cwd"
	if p.dirfd >= 0 && int32(args[p.dirfd]) != unix.AT_FDCWD {
		link = fmt.Sprintf("fd/%d", int32(args[p.dirfd]))
	}
	dir, err := os.Readlink(proc(tid, link))
	if err != nil || !strings.HasPrefix(dir, "/") {
		return dir
	}
	return filepath.Join(dir, name)
}

// text reads a string of the traced process, "" if that has none there.
func text(tid int, address uint64) string {
	var buf [unix.PathMax]byte // a page: the string may go on in the next one, which need not be there
	rest := 4096 - int(address%4096)
	n, _ := unix.ProcessVMReadv(tid, []unix.Iovec{{Base: &buf[0], Len: uint64(len(buf))}},
		[]unix.RemoteIovec{{Base: uintptr(address), Len: rest}, {Base: uintptr(address) + uintptr(rest), Len: len(buf) - rest}}, 0)
	s, _, ended := bytes.Cut(buf[:max(n, 0)], []byte{0})
	if !ended {
		return ""
	}
	return string(s)
}
