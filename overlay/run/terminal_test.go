//go:build linux

package run_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// screen is a terminal and who looks at it.
type screen struct {
	t             *testing.T
	master, slave *os.File
	mu            sync.Mutex
	text          bytes.Buffer
}

func newScreen(t *testing.T) *screen {
	s := &screen{t: t}
	s.master, s.slave = openPTY(t)
	must(t, unix.IoctlSetWinsize(int(s.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 33, Col: 77}))
	t.Cleanup(func() { s.master.Close(); s.slave.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := s.master.Read(buf)
			s.mu.Lock()
			s.text.Write(buf[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return s
}

func (s *screen) shows() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// expect waits until the screen shows something.
func (s *screen) expect(want string) []string {
	s.t.Helper()
	pattern := regexp.MustCompile(want)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if m := pattern.FindStringSubmatch(s.shows()); m != nil {
			return m
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("no %q on the screen:\n%s", want, s.shows())
		}
	}
}

func (s *screen) enter(keys string) {
	s.t.Helper()
	_, err := s.master.WriteString(keys)
	must(s.t, err)
}

// start runs a command of another user's from this terminal, in its foreground.
func (s *screen) start(stdin, stdout *os.File, command ...string) *exec.Cmd {
	s.t.Helper()
	cmd := program(s.t, command...)
	cmd.Env = append(cmd.Env, "LARDER_TEST_USER=12345")
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, s.slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 2}
	must(s.t, cmd.Start())
	return cmd
}

func (s *screen) modes() unix.Termios {
	s.t.Helper()
	m, err := unix.IoctlGetTermios(int(s.slave.Fd()), unix.TCGETS)
	must(s.t, err)
	return *m
}

// typed is what waits to be read from the terminal.
func (s *screen) typed() int {
	s.t.Helper()
	n, err := unix.IoctlGetInt(int(s.slave.Fd()), unix.TIOCINQ)
	must(s.t, err)
	return n
}

// What another user's command gets is a terminal of its own, with which all is
// as it was: keys, signals, size, status, and the caller's modes afterwards.
func TestMountTerminalOfAnotherUser(t *testing.T) {
	s := newScreen(t)
	before := s.modes()
	cmd := s.start(s.slave, s.slave, "sh", "-c", `trap 'echo INT' INT; stty size; echo "on $(tty) for $(stat -c %u $(tty))"
		read line; echo "<$line>"; while ! read line; do :; done; stty size; exit 9`)
	s.expect(`33 77`)
	m := s.expect(`on (/dev/pts/\d+) for 12345`)
	if m[1] == s.slave.Name() {
		t.Errorf("it is on the caller's terminal %s", m[1])
	}
	s.enter("hello\r")
	s.expect("<hello>")
	s.enter("\x03")
	s.expect("INT")
	must(t, unix.IoctlSetWinsize(int(s.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 44, Col: 88}))
	time.Sleep(50 * time.Millisecond)
	s.enter("\r")
	s.expect("44 88")
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 9 {
		t.Errorf("status %d, want 9", code)
	}
	if after := s.modes(); after != before {
		t.Errorf("the caller's terminal was %+v and is %+v", before, after)
	}
	if n := strings.Count(s.shows(), "INT"); n != 1 {
		t.Errorf("one ^C was %d signals", n)
	}
}

// typeAhead is the attack: push a command into every terminal there is.
const typeAhead = `
import fcntl, os, termios
for name in (0, 1, 2, 3, "/dev/tty"):
    try:
        fd = name if isinstance(name, int) else os.open(name, os.O_RDWR)
        for c in b"evil\n":
            fcntl.ioctl(fd, termios.TIOCSTI, bytes([c]))
    except OSError as e:
        pass
`

func TestMountTerminalIsNotTypedInto(t *testing.T) {
	s := newScreen(t)
	for name, command := range map[string][]string{
		"terminal":              {"python3", "-c", typeAhead},
		"nothing but the error": {"sh", "-c", `exec </dev/null >/dev/null; exec python3 -c "$0"`, typeAhead},
	} {
		python(t, command)
		cmd := s.start(s.slave, s.slave, command...)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		cmd = s.start(nil, nil, command...)
		cmd.Wait()
		if n := s.typed(); n != 0 {
			t.Errorf("%s: %d bytes were typed for the caller", name, n)
		}
	}
	// A terminal left open beside the standard files.
	cmd := program(t, "sh", "-c", "! test -t 3")
	cmd.Env = append(cmd.Env, "LARDER_TEST_USER=12345")
	cmd.ExtraFiles = []*os.File{s.slave}
	cmd.Dir = "/"
	if err := cmd.Run(); err != nil {
		t.Errorf("it has the terminal as its file 3: %v", err)
	}
}

// python puts an interpreter that everybody can run in the place of python3.
func python(t *testing.T, command []string) {
	t.Helper()
	for n := range command {
		command[n] = strings.Replace(command[n], "python3", "/usr/bin/python3", 1)
	}
}

// In a pipe the keyboard is the next program's, and a terminal is no input.
func TestMountTerminalInAPipe(t *testing.T) {
	s := newScreen(t)
	before := s.modes()
	r, w, err := os.Pipe()
	must(t, err)
	cmd := s.start(s.slave, w, "sh", "-c", `cat; test -t 2 && echo error is a terminal >&2; seq 1 20000; sleep 0.3`)
	w.Close()
	s.expect("error is a terminal\r\n")
	s.enter("for the next\r")
	out, err := io.ReadAll(r)
	must(t, err)
	must(t, cmd.Wait())
	if len(out) != 108894 {
		t.Errorf("%d bytes through the pipe", len(out))
	}
	if n := s.typed(); n != len("for the next\n") {
		t.Errorf("%d bytes are left of what was typed", n)
	}
	if after := s.modes(); after != before {
		t.Errorf("the caller's terminal was %+v and is %+v", before, after)
	}
}

// All of the output arrives, however soon the command ends.
func TestMountTerminalShowsAll(t *testing.T) {
	s := newScreen(t)
	for range 5 {
		cmd := s.start(nil, s.slave, "sh", "-c", "seq 1 30000; echo END")
		must(t, cmd.Wait())
		s.expect("30000\r\nEND")
		s.mu.Lock()
		if n := strings.Count(s.text.String(), "\r\n"); n != 30001 {
			t.Errorf("%d lines", n)
		}
		s.text.Reset()
		s.mu.Unlock()
	}
}

// Without a terminal: a session of its own, so that there is none to open.
func TestMountTerminalNone(t *testing.T) {
	s := newScreen(t)
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	cmd := program(t, "sh", "-c", `! (: </dev/tty) 2>/dev/null; echo $?`)
	cmd.Env = append(cmd.Env, "LARDER_TEST_USER=12345")
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, w, w
	cmd.ExtraFiles = []*os.File{s.slave}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	must(t, cmd.Start())
	w.Close()
	out, err := io.ReadAll(r)
	must(t, err)
	if err := cmd.Wait(); err != nil || string(out) != "0\n" {
		t.Errorf("it opened the caller's terminal: %q, %v", out, err)
	}
}
