//go:build linux

package run_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/overlaytest"
	"larder/overlay/run"
)

// TestMain is also a program: with the variable set it runs its arguments as
// larder run would, with nothing attached, and keeps the status. LARDER_TEST_USER
// is a number to run them as.
func TestMain(m *testing.M) {
	if os.Getenv("LARDER_TEST_RUN") == "" {
		os.Exit(m.Run())
	}
	os.Unsetenv("LARDER_TEST_RUN")
	c := run.Config{Command: os.Args[1:], Env: os.Environ(), Warn: func(string) {}}
	if uid, err := strconv.Atoi(os.Getenv("LARDER_TEST_USER")); err == nil {
		c.User = run.User{Owner: overlay.Owner{UID: uid, GID: uid}, Switch: true}
	}
	r, err := run.Run(context.Background(), c)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(125)
	}
	os.Exit(r.Status)
}

func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), "LARDER_TEST_RUN=1")
	cmd.Stderr = os.Stderr
	return cmd
}

// waitLine reads one line, for not longer than a test may take.
func waitLine(t *testing.T, r io.Reader) string {
	t.Helper()
	line, err := bufio.NewReader(r).ReadString('\n')
	must(t, err)
	return strings.TrimRight(line, "\r\n")
}

func TestRunForwardsSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2} {
		name := strings.TrimPrefix(unix.SignalName(sig), "SIG")
		cmd := program(t, "sh", "-c", fmt.Sprintf(`trap 'echo got %s; exit 7' %s; echo ready; while :; do sleep 0.01; done`, name, name))
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		if line := waitLine(t, out); line != "ready" {
			t.Fatalf("first line %q", line)
		}
		must(t, cmd.Process.Signal(sig))
		rest, err := io.ReadAll(out)
		must(t, err)
		err = cmd.Wait()
		if string(rest) != "got "+name+"\n" || cmd.ProcessState.ExitCode() != 7 {
			t.Errorf("%v: output %q, %v", sig, rest, err)
		}
	}
}

// What was ignored before, as under nohup, stays so for us and the command.
func TestRunKeepsIgnoredSignals(t *testing.T) {
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.Command("sh", "-c", `trap '' HUP; exec "$0" sh -c 'echo ready; sleep 0.3; echo still here'`, exe)
	cmd.Env = append(os.Environ(), "LARDER_TEST_RUN=1")
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	r := bufio.NewReader(out)
	if line, _ := r.ReadString('\n'); line != "ready\n" {
		t.Fatalf("first line %q", line)
	}
	must(t, cmd.Process.Signal(unix.SIGHUP))
	rest, _ := io.ReadAll(r)
	if err := cmd.Wait(); err != nil || string(rest) != "still here\n" {
		t.Errorf("output %q, %v", rest, err)
	}
}

// Killed, we take the command with us.
func TestRunKilledTakesTheCommandAlong(t *testing.T) {
	cmd := program(t, "sh", "-c", "echo $$; exec sleep 60")
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	var pid int
	if _, err := fmt.Sscan(waitLine(t, out), &pid); err != nil {
		t.Fatal(err)
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if unix.Kill(pid, 0) == unix.ESRCH || isZombie(pid) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d is still there", pid)
		}
	}
}

func isZombie(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || bytes.Contains(b, []byte(") Z "))
}

// On a terminal: the command reads it, is in its foreground, and one ^C is one
// SIGINT.
func TestRunKeepsTheTerminal(t *testing.T) {
	master, slave := openPTY(t)
	defer master.Close()
	cmd := program(t, "sh", "-c", `n=0; trap 'n=$((n+1)); echo INT $n' INT
		tty -s && echo terminal; read line; echo "read $line"
		i=0; while [ $i -lt 40 ]; do sleep 0.02; i=$((i+1)); done; echo "total $n"; exit 9`)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	must(t, cmd.Start())
	slave.Close()
	r := bufio.NewReader(master)
	expect := func(want string) {
		t.Helper()
		for {
			line, err := r.ReadString('\n')
			if strings.Contains(line, want) {
				return
			}
			if err != nil {
				t.Fatalf("terminal ended before %q: %v", want, err)
			}
		}
	}
	expect("terminal")
	_, err := master.WriteString("hello\n")
	must(t, err)
	expect("read hello")
	_, err = master.WriteString("\x03")
	must(t, err)
	expect("INT 1")
	expect("total 1")
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 9 {
		t.Errorf("status %d, want 9", code)
	}
}

func openPTY(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	must(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	must(t, err)
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	return master, slave
}

// P11: the command inherits its three files and nothing of ours.
func TestMountRunLeaksNoDescriptors(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	w := newWorld(t)
	w.c.Required = true
	must(t, os.Mkdir(filepath.Join(w.home, ".cache"), 0o700))
	const script = "ls -l /proc/self/fd | grep -v -e '/proc/' -e ' [012] -> ' | tail -n +2 | sed 's/.*:.. //'; pwd"
	// What the caller left open for its children stays so.
	plain, err := exec.Command("sh", "-c", script).Output()
	must(t, err)
	if out, _ := w.sh(script); out != string(plain) {
		t.Errorf("open files and working directory:\n%swithout us:\n%s", out, plain)
	}
}
