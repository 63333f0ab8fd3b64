package run

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// terminal stands between the caller's terminal and a command of another user,
// which gets one of its own (a pty): with the caller's it could type into the
// caller's shell (TIOCSTI), or go on reading its keyboard after we have ended.
// A nil terminal does nothing.
type terminal struct {
	caller *os.File   // the caller's terminal, opened once more
	pty    *os.File   // our side of the command's
	slave  *os.File   // its side; open until the end, so that it can close and open it
	files  []*os.File // what the command gets
	ctty   int        // which of them is its controlling terminal

	keyboard bool        // is relayed
	saved    *term.State // the caller's modes while they are changed
	resumed  chan bool   // we may be in the foreground again
	shown    chan bool   // closed when all of the output is relayed
}

// newTerminal replaces the terminals among a command's three files; nil when
// there are none. The keyboard is relayed only when the standard output is a
// terminal too: in a pipe it may be the next program that reads it.
func newTerminal(files []*os.File, u User) (t *terminal, err error) {
	isTerminal := func(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
	first := slices.IndexFunc(files, isTerminal)
	if first < 0 {
		return nil, nil
	}
	t = &terminal{keyboard: isTerminal(files[1]), resumed: make(chan bool, 1), shown: make(chan bool)}
	defer func() {
		if err != nil {
			t.close()
			err = fmt.Errorf("make a terminal for the command: %w", err)
		}
	}()
	// Not blocking, which is a property of the opening and not of the terminal:
	// reads can be given up.
	name := "/proc/self/fd/" + strconv.Itoa(int(files[first].Fd()))
	if t.caller, err = os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0); err != nil {
		return nil, err
	}
	if err = t.open(u); err != nil {
		return nil, err
	}
	for n, f := range files {
		switch {
		case !isTerminal(f):
		case n == 0 && !t.keyboard:
			if f, err = os.Open(os.DevNull); err != nil {
				return nil, err
			}
		default:
			f, t.ctty = t.slave, n
		}
		t.files = append(t.files, f)
	}
	return t, nil
}

// open makes the command's terminal, which is its user's and like the caller's.
func (t *terminal) open(u User) (err error) {
	if t.pty, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0); err != nil {
		return err
	}
	return control(t.pty, func(pty int) error {
		if err := unix.IoctlSetPointerInt(pty, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		// By the descriptor: /dev/pts may be another's here.
		slave, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(pty), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
		if errno != 0 {
			return errno
		}
		t.slave = os.NewFile(slave, "terminal")
		if err := unix.Fchown(int(slave), u.Owner.UID, -1); err != nil {
			return err
		}
		t.resize()
		return control(t.caller, func(caller int) error {
			modes, err := unix.IoctlGetTermios(caller, unix.TCGETS)
			if err != nil {
				return err
			}
			if !t.keyboard {
				modes.Oflag &^= unix.OPOST // the caller's does it
			}
			return unix.IoctlSetTermios(int(slave), unix.TCSETS, modes)
		})
	})
}

// control calls f with a file's descriptor, which stays as it is.
func control(f *os.File, do func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if e := raw.Control(func(fd uintptr) { err = do(int(fd)) }); e != nil {
		return e
	}
	return err
}

// keepTerminals has no terminal inherited by the command that the caller left
// open for us besides the standard files.
func keepTerminals() {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, e := range open {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 && term.IsTerminal(fd) {
			unix.CloseOnExec(fd)
		}
	}
}

// relay begins to pass on what is typed and written.
func (t *terminal) relay() {
	if t == nil {
		return
	}
	t.takeKeys()
	go t.show()
	if t.keyboard {
		go t.typed()
	}
}

func (t *terminal) show() {
	defer close(t.shown)
	buf := make([]byte, 32<<10)
	for {
		n, err := t.pty.Read(buf)
		_, _ = t.caller.Write(buf[:n]) // one that hung up reads no more; the command goes on
		if err != nil {
			break
		}
	}
	// The command has ended. What it wrote before that is there to be read.
	_ = control(t.pty, func(pty int) error {
		for {
			n, err := unix.Read(pty, buf)
			if err == unix.EINTR {
				continue
			}
			if n <= 0 {
				return err
			}
			_, _ = t.caller.Write(buf[:n])
		}
	})
}

func (t *terminal) typed() {
	buf := make([]byte, 4<<10)
	for {
		// In the background a read would stop us.
		for !t.inForeground() {
			if more := <-t.resumed; !more {
				return
			}
		}
		n, err := t.caller.Read(buf)
		if err != nil {
			return
		}
		if _, err := t.pty.Write(buf[:n]); err != nil {
			return
		}
	}
}

// inForeground says whether the caller's terminal is ours to read and change:
// our group's, or nobody's whom we know.
func (t *terminal) inForeground() bool {
	group := 0
	err := control(t.caller, func(fd int) (err error) {
		group, err = unix.IoctlGetInt(fd, unix.TIOCGPGRP)
		return err
	})
	return err != nil || group == unix.Getpgrp()
}

// takeKeys has the caller's terminal pass every key on as it is: the command's
// own terminal makes signals and lines of them.
func (t *terminal) takeKeys() {
	if t == nil || !t.keyboard || t.saved != nil || !t.inForeground() {
		return
	}
	_ = control(t.caller, func(fd int) (err error) {
		t.saved, err = term.MakeRaw(fd)
		return err
	})
	select {
	case t.resumed <- true:
	default:
	}
}

// giveKeys puts the caller's terminal back as it was.
func (t *terminal) giveKeys() {
	if t == nil || t.saved == nil {
		return
	}
	if t.inForeground() { // else the shell has done it, and we would be stopped
		_ = control(t.caller, func(fd int) error { return term.Restore(fd, t.saved) })
	}
	t.saved = nil
}

// resize gives the command's terminal the caller's size; the kernel tells it.
func (t *terminal) resize() {
	if t == nil {
		return
	}
	_ = control(t.caller, func(fd int) error {
		size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
		if err != nil {
			return err
		}
		return unix.IoctlSetWinsize(int(t.slave.Fd()), unix.TIOCSWINSZ, size)
	})
}

// end passes on what the command wrote last, and gives the caller's terminal back.
func (t *terminal) end() {
	if t == nil {
		return
	}
	_ = t.caller.SetReadDeadline(time.Unix(1, 0))
	close(t.resumed)
	_ = t.pty.SetReadDeadline(time.Unix(1, 0))
	<-t.shown
	t.giveKeys()
}

func (t *terminal) close() {
	if t == nil {
		return
	}
	for _, f := range append([]*os.File{t.caller, t.pty, t.slave}, t.files...) {
		if f != nil && f != os.Stdin && f != os.Stdout && f != os.Stderr {
			f.Close()
		}
	}
}
