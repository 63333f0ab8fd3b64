package main

import (
	"bytes"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// guardFlag is the linker's flag for the entry of the program, as in the Makefile.
func guardFlag() string {
	if runtime.GOARCH == "amd64" {
		return " -E larder_guard"
	}
	return ""
}

// fewThreads is a command that runs what follows it as a user who may have so many processes and
// threads.
func fewThreads(n int) []string {
	return []string{"setpriv", "--reuid=54321", "--clear-groups", "prlimit", "--nproc=" + strconv.Itoa(n)}
}

// A host that gives no thread, or no process, costs the container what the hook would have
// brought and nothing else; --required says that it may not do without.
func TestMountWithoutThreads(t *testing.T) {
	crashed := 0
	for n := 1; n <= 8; n++ {
		for _, tt := range []struct {
			args []string
			want int
		}{
			{[]string{"attach"}, 0}, {[]string{"release"}, 0},
			{[]string{"attach", "--required"}, 1}, {[]string{"attach", "-required", "--profile", "x"}, 1},
			{[]string{"attach", "--log", "--required-not"}, -1},
		} {
			args := append(append(fewThreads(n), hookBinary(t)), tt.args...)
			cmd := exec.Command(args[0], args[1:]...)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			_ = cmd.Run()
			status := cmd.ProcessState.ExitCode()
			failed := strings.Contains(stderr.String(), "failed to create new OS thread") || strings.Contains(stderr.String(), "no process can be made")
			if failed {
				crashed++
			}
			if tt.want == -1 { // arguments that make no sense, where it came so far
				tt.want = exitUsage
				if failed {
					tt.want = exitOK
				}
			}
			if status != tt.want {
				t.Errorf("%d threads, %v: status %d, want %d: %s", n, tt.args, status, tt.want, stderr.String())
			}
		}
	}
	if crashed < 5 {
		t.Errorf("only %d of the hooks lacked a thread", crashed)
	}
}

// A runtime that has waited long enough kills the process it started: the hook goes with it.
func TestGuardTakesTheHookAlong(t *testing.T) {
	for range 5 {
		cmd := exec.Command(hookBinary(t), "attach")
		in, err := cmd.StdinPipe() // the state never comes
		must(t, err)
		must(t, cmd.Start())
		for deadline := time.Now().Add(5 * time.Second); hooks(t) < 2 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		must(t, cmd.Process.Signal(syscall.SIGKILL))
		_ = cmd.Wait()
		deadline := time.Now().Add(5 * time.Second)
		for hooks(t) > 0 && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
		}
		if n := hooks(t); n > 0 {
			t.Errorf("%d hooks go on", n)
		}
		in.Close()
	}
}

func TestE2ERuncWithoutThreads(t *testing.T) {
	w := newWorld(t, "")
	limited := func(h *specs.Hook) {
		h.Args = append(append(fewThreads(2), h.Path), h.Args[1:]...)
		path, err := exec.LookPath(h.Args[0])
		must(t, err)
		h.Path = path
	}
	s := w.spec("echo started")
	limited(&s.Hooks.CreateRuntime[0])
	limited(&s.Hooks.Poststop[0])
	if out := w.output("best-effort", s); out != "started\n" {
		t.Errorf("printed %q", out)
	}
	if log := w.logged(); log != "" {
		t.Errorf("the hook had its threads: %s", log)
	}
	s = w.spec("echo started", "--required")
	limited(&s.Hooks.CreateRuntime[0])
	if out, stderr, err := w.run("required", s); err == nil || out != "" {
		t.Errorf("started without what is required: %q %s", out, stderr)
	}
}
