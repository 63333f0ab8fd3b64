package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"larder/overlay"
)

// deed is a specification of one of the test's deeds.
func deed(t testing.TB, name string, args ...string) Spec {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	if deeds[name] == nil {
		t.Fatalf("no deed %s", name)
	}
	return Spec{Args: append([]string{insideName, name}, args...), Mounts: append(libraries(self), Mount{self, insideName})}
}

func open(t *testing.T) *Runner {
	t.Helper()
	r, err := Open(t.TempDir())
	must(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

func run(t *testing.T, r *Runner, s Spec) *Result {
	t.Helper()
	result, err := r.Run(t.Context(), s)
	must(t, err)
	t.Cleanup(func() { result.Close() })
	return result
}

// both runs a test with either variant.
func both(t *testing.T, s Spec, check func(t *testing.T, got *Result)) {
	t.Helper()
	r := open(t)
	for vary := range 2 {
		t.Run(fmt.Sprint(vary), func(t *testing.T) {
			s.Vary = vary
			check(t, run(t, r, s))
			leaveNothing(t, r)
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantDone(t *testing.T, got *Result) {
	t.Helper()
	if got.Status != 0 || got.Limit != "" {
		t.Errorf("status %d, limit %q, log %s", got.Status, got.Limit, got.Log)
	}
}

// A command's log, status and output come out, from either variant.
func TestMountSandbox(t *testing.T) {
	both(t, deed(t, "say", "hello"), func(t *testing.T, got *Result) {
		wantDone(t, got)
		if text, err := got.Output.ReadFile("said"); err != nil || string(text) != "hello" || string(got.Log) != "hello\n" {
			t.Errorf("output %q, %v, log %q", text, err, got.Log)
		}
	})
}

func TestMountStatus(t *testing.T) {
	r := open(t)
	for status, s := range map[int]Spec{0: deed(t, "nothing"), 1: deed(t, "fill", "/nowhere/file"), 2: deed(t, "say")} { // 2: Go's for a panic
		if got := run(t, r, s); got.Status != status || got.Limit != "" {
			t.Errorf("%s: status %d, limit %q, log %s", s.Args, got.Status, got.Limit, got.Log)
		}
	}
}

// Whatever its caller's umask, a command's user reads its files, and its own umask is 022.
func TestMountUmask(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077))
	s := deed(t, "ordinary")
	s.Files = map[string][]byte{"/etc/deep/file": nil}
	wantDone(t, run(t, open(t), s))
}

func TestMountOrdinaryPrograms(t *testing.T) {
	s := deed(t, "ordinary")
	s.Files = map[string][]byte{"/etc/deep/file": nil}
	both(t, s, wantDone)
}

func TestMountNoNetwork(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	abstract, err := net.Listen("unix", "@"+filepath.Base(t.TempDir())+t.Name())
	must(t, err)
	defer abstract.Close()
	both(t, deed(t, "dial", "tcp!"+l.Addr().String(), "tcp!192.0.2.1:80", "udp!192.0.2.1:53", "tcp![2001:db8::1]:80", "unix!"+abstract.Addr().String()), wantDone)
}

func TestMountWritesOutsideRefused(t *testing.T) {
	shown := t.TempDir()
	must(t, os.Chmod(shown, 0o777))
	file := filepath.Join(shown, "written")
	s := deed(t, "write", "/shown", "/files")
	s.Mounts = append(s.Mounts, Mount{shown, "/shown"})
	s.Files = map[string][]byte{"/files/one": []byte("1")}
	both(t, s, wantDone)
	if _, err := os.Stat(file); err == nil {
		t.Error("the host's directory was written to")
	}
}

func TestMountSystemCallsRefused(t *testing.T) { both(t, deed(t, "calls"), wantDone) }

func TestMountDaemonsDie(t *testing.T) {
	both(t, deed(t, "daemon"), func(t *testing.T, got *Result) {
		wantDone(t, got)
		before, err := got.Output.ReadFile("alive")
		must(t, err)
		time.Sleep(50 * time.Millisecond)
		if after, err := got.Output.ReadFile("alive"); err != nil || string(after) != string(before) {
			t.Errorf("still written: %q, then %q, %v", before, after, err)
		}
	})
}

// No link in the output leads anywhere, and nothing but the output is behind it.
func TestMountLinksInOutput(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(secret, []byte("secret"), 0o644))
	both(t, deed(t, "links", secret), func(t *testing.T, got *Result) {
		wantDone(t, got)
		for _, name := range []string{"absolute", "relative", "up/build/other", "up", "../build/other", "root" + secret, "loop"} {
			if text, err := got.Output.ReadFile(name); err == nil {
				t.Errorf("read %s: %q", name, text)
			}
		}
		if text, err := got.Output.ReadFile("file"); err != nil || string(text) != "mine" {
			t.Errorf("a file without permissions: %q, %v", text, err)
		}
	})
}

// All that a command can see is what its specification says, and what the package comment does.
func TestMountHostFilesHidden(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	must(t, os.WriteFile(secret, []byte("secret"), 0o644))
	must(t, os.Mkdir(filepath.Join(dir, "shown"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "shown/file"), nil, 0o644))
	s := deed(t, "look", secret, "/etc/hostname", "/etc/machine-id")
	s.Mounts = append(s.Mounts, Mount{filepath.Join(dir, "shown"), "/opt/shown"})
	s.Files = map[string][]byte{"/etc/group": []byte("root:x:0:\n"), "/opt/shown2": nil}
	both(t, s, func(t *testing.T, got *Result) {
		wantDone(t, got)
		lines := strings.Split(strings.TrimSpace(string(got.Log)), "\n")
		slices.Sort(lines)
		want := []string{"/", "/build", "/dev", "/dev/fd", "/dev/full", "/dev/null", "/dev/random", "/dev/shm", "/dev/stderr", "/dev/stdin", "/dev/stdout", "/dev/urandom", "/dev/zero",
			"/etc", "/etc/group", "/inside", "/opt", "/opt/shown", "/opt/shown/file", "/opt/shown2", "/out",
			"/sys", "/sys/devices", "/sys/devices/system", "/sys/devices/system/cpu", "/sys/devices/system/cpu/online", "/tmp", "[/proc/1]",
			"fd /dev/null", "fd pipe"}
		for i, l := range lines {
			if strings.HasPrefix(l, "fd anon_inode") || strings.HasPrefix(l, "/lib") || strings.HasPrefix(l, "/usr") {
				continue // Go's, and a program's that is not static
			}
			if !slices.Contains(want, l) {
				t.Errorf("line %d: %s", i, l)
			}
		}
		for _, w := range want {
			if !slices.Contains(lines, w) {
				t.Errorf("lacks %s", w)
			}
		}
	})
}

// Two runs agree in all that they can see, but for what they are to differ in.
func TestMountVary(t *testing.T) {
	var said [2]string
	s := deed(t, "describe")
	s.Env = []string{"A=1", "B=2"}
	r := open(t)
	for vary := range said {
		s.Vary = vary
		got := run(t, r, s)
		wantDone(t, got)
		said[vary] = string(got.Log)
	}
	one, other := strings.Split(said[0], "\n"), strings.Split(said[1], "\n")
	if len(one) != len(other) || len(one) < 7 {
		t.Fatalf("%s\n%s", said[0], said[1])
	}
	for i := range one {
		varies := strings.HasPrefix(one[i], "varies: ") && (runtime.NumCPU() > 1 || !strings.HasPrefix(one[i], "varies: processors"))
		if differs := one[i] != other[i]; differs != varies {
			t.Errorf("differs: %t\n%s\n%s", differs, one[i], other[i])
		}
	}
	if !strings.Contains(said[0], "host sandbox (none) cwd /build ids 0 0 umask 22 pid 1 environment [\"A=1\" \"B=2\" \"HOME=/\"]\n") {
		t.Errorf("%s", said[0])
	}
}

func TestMountCancelled(t *testing.T) {
	r := open(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	time.AfterFunc(300*time.Millisecond, func() { cancel(why) })
	if _, err := r.Run(ctx, deed(t, "sleep")); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
	leaveNothing(t, r)
}

func TestMountSeveralAtOnce(t *testing.T) {
	r := open(t)
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			s := deed(t, "say", fmt.Sprint(i))
			s.Vary = i % 2
			got, err := r.Run(t.Context(), s)
			if err != nil {
				t.Error(err)
				return
			}
			defer got.Close()
			if text, err := got.Output.ReadFile("said"); err != nil || string(text) != fmt.Sprint(i) {
				t.Errorf("%d: %q, %v", i, text, err)
			}
		})
	}
	all.Wait()
	leaveNothing(t, r)
}

// What is wrong with a specification, or with the host, is an error that says so.
func TestMountErrors(t *testing.T) {
	r := open(t)
	good := deed(t, "nothing")
	for want, change := range map[string]func(s *Spec){
		"no command":                     func(s *Spec) { s.Args = nil },
		"there are 0 and 1":              func(s *Spec) { s.Vary = 2 },
		"working directory \"x\" is not": func(s *Spec) { s.Dir = "x" },
		"a limit below zero":             func(s *Spec) { s.Limits.Memory = -1 },
		"/nowhere: no such file":         func(s *Spec) { s.Mounts = append(s.Mounts, Mount{"/nowhere", "/x"}) },
		"/none\": stat /none: no such":   func(s *Spec) { s.Args = []string{"/none"} },
		"mkdirat shown/below: read-only file s": func(s *Spec) {
			s.Mounts = append(s.Mounts, Mount{t.TempDir(), "/shown"}, Mount{"/dev", "/shown/below"})
		},
	} {
		s := good
		s.Mounts = slices.Clone(good.Mounts)
		change(&s)
		if _, err := r.Run(t.Context(), s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	leaveNothing(t, r)
}

// A host without a runtime, or with one that makes no containers, is told what to do.
func TestMountNoRuntime(t *testing.T) {
	t.Setenv("TMPDIR", "/var/tmp") // no programs are found in /tmp
	bin := t.TempDir()
	format, err := exec.LookPath("mkfs.ext4")
	must(t, err)
	t.Setenv("PATH", bin)
	check := func(want string) {
		t.Helper()
		_, err := Open(t.TempDir())
		var p *overlay.Problem
		if !errors.Is(err, ErrUnsupported) || !errors.As(err, &p) || p.Hint() == "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	check("neither runc nor crun is on PATH")
	runc := filepath.Join(bin, "runc")
	must(t, os.WriteFile(runc, nil, 0o755))
	check("mkfs.ext4 is not on PATH")
	must(t, os.Symlink(format, filepath.Join(bin, "mkfs.ext4")))
	must(t, os.WriteFile(runc, []byte("#!/bin/sh\necho it is broken >&2\necho '{\"msg\":\"it is broken\"}' > \"$4\"\nexit 1\n"), 0o755))
	check("runc create: exit status 1: it is broken")
}
