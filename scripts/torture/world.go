//go:build linux && amd64

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"larder/builder/pypi/pypitest"
)

// The files that all cases have, and live, the one directory that a case may change.
const (
	live           = workDir + "/live"
	proof          = workDir + "/proof" // what a command of run saw
	configFile     = workDir + "/config.toml"
	rankingAddress = "127.0.0.1:8002"
)

// patience is how long a command may take before it counts as hanging.
const patience = 60 * time.Second

// world is where cases are played: the programs, an index, and live, which begins each case as a
// copy of a template.
type world struct {
	env []string
	ids [8]string // of the snapshot that the n-th lock's build makes, from 1; see viewBuild, revokedBuild, sourceBuild
	options

	classes map[string]map[string]int // of calls, by scenario: how many it makes of each
	box     *container                // of the case, if it has one
}

func newWorld(ctx context.Context, o options) (*world, error) {
	w := &world{options: o, classes: map[string]map[string]int{}}
	// The shim of a version manager would be traced too, and costs more than the interpreter.
	python, err := exec.CommandContext(ctx, "python3", "-c", "import os, sys; print(os.path.dirname(os.path.realpath(sys._base_executable)), end='')").Output()
	if err != nil {
		return nil, fmt.Errorf("find python3: %w", err)
	}
	index := pypitest.NewIndex(stand{}, pypitest.Options{Listen: "127.0.0.1:8001"})
	for _, wheel := range wheels() {
		index.Add(map[string][]byte{wheel.Filename(): wheel.Bytes()})
	}
	made := pypitest.Sdist{Name: "made", Version: "1.0"}
	index.Add(map[string][]byte{made.Filename(): made.Bytes(stand{})})
	w.env = slices.DeleteFunc(index.Env(), func(e string) bool {
		return strings.HasPrefix(e, "LARDER_") || strings.HasPrefix(e, "PYTHONDONTWRITEBYTECODE=")
	})
	w.env = append(w.env, "HOME="+w.path("home"), "LARDER_STORE="+w.store(), "LC_ALL=C.UTF-8",
		"PATH="+strings.Join([]string{w.bin, string(python), os.Getenv("PATH")}, ":"))
	// No index here has a certificate, and the host's are a few hundred files.
	w.env = append(w.env, "SSL_CERT_FILE=/dev/null", "SSL_CERT_DIR=/dev/null")
	for n, pins := range locks {
		if err := writeLock(n, pins); err != nil {
			return nil, err
		}
	}
	if err := writeLock(sourceBuild, locks[3]+" made==1.0"); err != nil {
		return nil, err
	}
	// The disks of cuts are small.
	if err := os.WriteFile(configFile, []byte("[run]\nmin_free = \"1MB\"\n"), 0o644); err != nil {
		return nil, err
	}
	// From an address, so that the store keeps an answer.
	ranking, err := net.Listen("tcp", rankingAddress)
	if err != nil {
		return nil, err
	}
	go http.Serve(ranking, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, "alpha\nbeta\npip\n") }))
	return w, w.makeTemplates(ctx)
}

// stand is what the index asks of a test: there is none here. The index ends with the process.
type stand struct{ testing.TB }

func (stand) Helper()                           {}
func (stand) Name() string                      { return "torture" }
func (stand) Cleanup(func())                    {}
func (stand) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// command runs a program that must succeed.
func command(ctx context.Context, args ...string) error {
	if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

func (w *world) path(elem ...string) string {
	return filepath.Join(append([]string{live}, elem...)...)
}
func (w *world) store(elem ...string) string {
	return filepath.Join(append([]string{live, "store"}, elem...)...)
}
func lockFile(n int) string { return fmt.Sprintf("%s/lock%d.txt", workDir, n) }

// locks are what the builds stock, from 1: each a little more, or newer.
var locks = []string{1: "alpha==1.0 beta==1.0", 2: "alpha==2.0 beta==1.0", 3: "alpha==2.0 beta==1.0 gamma==1.0", 4: "alpha==2.0 beta==2.0 gamma==1.0 delta==1.0"}

func writeLock(n int, pins string) error {
	return os.WriteFile(lockFile(n), []byte(strings.Join(strings.Fields(pins), "\n")+"\n"), 0o644)
}

// wheels are what the index has: many small files and one of some size each. pip is a small one,
// so that an environment has it as real ones do.
func wheels() (all []pypitest.Wheel) {
	for _, pin := range []string{"alpha==1.0", "alpha==2.0", "beta==1.0", "beta==2.0", "gamma==1.0", "delta==1.0", "pip==99.0"} {
		name, version, _ := strings.Cut(pin, "==")
		w := pypitest.Wheel{Name: name, Version: version, Console: []string{name + " = " + name + ":main"}, Files: []pypitest.File{
			{Path: name + "/__init__.py", Text: fmt.Sprintf("__version__ = %q\ndef main(): print(__version__)\n", version)},
			{Path: name + "/table.txt", Text: strings.Repeat(pin+" is a line of a table\n", 3000)},
		}}
		for i := range 4 {
			w.Files = append(w.Files, pypitest.File{Path: fmt.Sprintf("%s/part%d.py", name, i), Text: fmt.Sprintf("x = %q\n", strings.Repeat(pin, 40+i))})
		}
		all = append(all, w)
	}
	return all
}

// result is how a command ended: code is 128 and the signal after a kill.
type result struct {
	code           int
	stdout, stderr string
	hung           bool
}

func (r result) String() string {
	s := fmt.Sprintf("exit %d", r.code)
	if r.hung {
		s = "hangs"
	}
	if text := strings.TrimSpace(r.stderr); text != "" {
		s += fmt.Sprintf(", %.400q", text)
	}
	return s
}

// invocation is a command to run: the path of a program and its arguments.
type invocation struct {
	args  []string
	env   []string // beside the world's
	stdin string
	limit time.Duration // after which it is killed, with what it started in its process group; 0: none
}

// with is the command with one more variable.
func (in invocation) with(variable string) invocation {
	in.env = append(slices.Clone(in.env), variable)
	return in
}

// larder is larder on the live store, without the host's configuration.
func (w *world) larder(args ...string) invocation {
	return invocation{args: append([]string{filepath.Join(w.bin, "larder"), "--config", configFile}, args...)}
}

// do runs a command to its end. What it leaves behind that still holds its output counts as
// hanging.
func (w *world) do(ctx context.Context, in invocation) result {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, in.args[0], in.args[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdin = slices.Concat(w.env, in.env), live, strings.NewReader(in.stdin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Start()
	if err == nil && in.limit > 0 {
		defer time.AfterFunc(in.limit, func() { _ = cmd.Cancel() }).Stop()
	}
	if err == nil {
		err = cmd.Wait()
	}
	r := result{stdout: stdout.String(), stderr: stderr.String(), hung: ctx.Err() != nil || errors.Is(err, exec.ErrWaitDelay)}
	if cmd.ProcessState == nil {
		r.code, r.stderr = -1, err.Error()
		return r
	}
	r.code = exitStatus(cmd.ProcessState.Sys().(syscall.WaitStatus))
	return r
}

// exitStatus is the exit code, or 128 and the signal.
func exitStatus(ws syscall.WaitStatus) int {
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}

// start starts a program that says ready when it is.
func start(cmd *exec.Cmd) error {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		return fmt.Errorf("start %s: %q, %v", cmd, line, err)
	}
	return nil
}

// must runs larder, which must succeed.
func (w *world) must(ctx context.Context, args ...string) error {
	if r := w.do(ctx, w.larder(args...)); r.code != 0 {
		return fmt.Errorf("larder %s: %s", strings.Join(args, " "), r)
	}
	return nil
}

// build is the build of the n-th lock, with a few ranked projects besides.
func (w *world) build(n int, args ...string) invocation {
	return w.larder(append([]string{"--json", "build", "--lock", lockFile(n), "--ranking", "http://" + rankingAddress + "/ranking.txt", "--top", "3"}, args...)...)
}

// built builds, and returns the snapshot's id.
func (w *world) built(ctx context.Context, in invocation) (id string, err error) {
	r := w.do(ctx, in)
	var report struct{ Snapshot string }
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || r.code != 0 {
		return "", fmt.Errorf("%s: %s", strings.Join(in.args, " "), r)
	}
	return report.Snapshot, nil
}

// makeTemplates makes the stores that cases begin with:
//
//	empty    no store
//	stocked  three snapshots, a kept instance on the first, misses, what a killed run left, trash
func (w *world) makeTemplates(ctx context.Context) error {
	for _, dir := range []string{live, w.path("home"), w.path("inst")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if err := w.save(ctx, "empty"); err != nil {
		return err
	}
	for n := 1; n < len(locks); n++ {
		if n == len(locks)-1 {
			if err := w.stock(ctx); err != nil {
				return err
			}
		}
		var err error
		if w.ids[n], err = w.built(ctx, w.build(n)); err != nil {
			return err
		}
	}
	if err := errors.Join(w.load(ctx, "stocked"), w.must(ctx, "revoke", "gamma==1.0")); err != nil {
		return err
	}
	w.ids[revokedBuild] = w.current()
	if err := w.load(ctx, "stocked"); err != nil {
		return err
	}
	var err error
	if w.ids[sourceBuild], err = w.built(ctx, w.build(sourceBuild, "--sdists", "pure")); err != nil {
		return err
	}
	return w.load(ctx, "stocked")
}

func (w *world) stock(ctx context.Context) error {
	if err := w.must(ctx, "run", "--required", "--snapshot", w.ids[1], "--instance", w.path("inst", "kept"), "--", "sh", "-c", "echo mine > $HOME/.cache/pip/mine"); err != nil {
		return err
	}
	// What a container downloads is noted; of a killed run gc does it.
	const download = "mkdir -p $HOME/.cache/pip/wheels/a && echo > $HOME/.cache/pip/wheels/a/delta-1.0-py3-none-any.whl"
	if err := w.must(ctx, "run", "--required", "--", "sh", "-c", download); err != nil {
		return err
	}
	if r := w.do(ctx, w.larder("run", "--required", "--", "sh", "-c", download+"; kill -9 $PPID")); r.code != 128+9 {
		return fmt.Errorf("kill a run: %s", r)
	}
	if err := os.MkdirAll(w.store("trash", "left", "deep", "deeper"), 0o700); err != nil {
		return err
	}
	if leases := w.names("leases"); len(leases) != 2 {
		return fmt.Errorf("leases of the template: %q", leases)
	}
	if err := w.ageLeases(); err != nil {
		return err
	}
	return w.save(ctx, "stocked")
}

// ageLeases makes the leases older than the boot, as they are after a power cut.
func (w *world) ageLeases() error {
	old := time.Now().Add(-30 * 24 * time.Hour)
	for _, name := range w.names("leases") {
		if err := os.Chtimes(w.store("leases", name), old, old); err != nil {
			return err
		}
	}
	return nil
}

func template(name string) string { return workDir + "/template-" + name }

func (w *world) save(ctx context.Context, name string) error {
	return command(ctx, "cp", "-a", "--reflink=auto", live, template(name))
}

// load makes live what a template is.
func (w *world) load(ctx context.Context, name string) error {
	if err := os.RemoveAll(live); err != nil {
		return err
	}
	return command(ctx, "cp", "-a", "--reflink=auto", template(name), live)
}
