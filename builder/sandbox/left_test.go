package sandbox

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// callerVar makes the test's program one that runs a container and is killed: in this directory.
const callerVar = "LARDER_SANDBOX_CALLER"

// runForever runs both variants of a command without an end, and says when they have begun.
func runForever(dir string) {
	r, err := Open(dir)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("open")
	self, _ := os.Executable()
	for vary := range 2 {
		go r.Run(context.Background(), Spec{Args: []string{insideName, "daemon", "child"}, Mounts: append(libraries(self), Mount{self, insideName}), Vary: vary})
	}
	select {}
}

// left is what runs in a scratch directory have left: files, mounts, processes, loop devices, groups.
func left(r *Runner) (all []string) {
	files, _ := os.ReadDir(r.dir.Name())
	for _, f := range files {
		all = append(all, "file "+f.Name())
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	if strings.Contains(string(mounts), ourMounts) {
		all = append(all, "mounts")
	}
	all = append(all, groupDirs(r.groups.prefix+"*")...)
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range processes {
		group, _ := os.ReadFile(p + "/cgroup")
		args, _ := os.ReadFile(p + "/cmdline")
		if strings.Contains(string(group), r.groups.prefix) || strings.HasPrefix(string(args), keeperName+"\x00"+r.dir.Name()+"\x00") {
			all = append(all, "process "+p)
		}
	}
	backing, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, name := range backing {
		if text, _ := os.ReadFile(name); strings.HasPrefix(string(text), r.dir.Name()) {
			all = append(all, name)
		}
	}
	return all
}

const ourMounts = "larder:sandbox"

// leaveNothing waits for all to be gone that a run makes, while results may still be open: those of the
// variant in a file keep its loop device.
func leaveNothing(t *testing.T, r *Runner) {
	t.Helper()
	var all []string
	for range 100 {
		all = nil
		for _, l := range left(r) {
			if !strings.HasPrefix(l, "/sys/block/loop") {
				all = append(all, l)
			}
		}
		if len(all) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("left: %s", all)
}

// A result that is closed is the end of its file system.
func TestMountClosedResult(t *testing.T) {
	r := open(t)
	s := deed(t, "say", "x")
	s.Vary = 1
	got, err := r.Run(t.Context(), s)
	must(t, err)
	if all := left(r); len(all) != 1 {
		t.Errorf("before: %s", all)
	}
	must(t, got.Close())
	until(t, func() []string { return left(r) })
}

// until waits for nothing to be left.
func until(t *testing.T, left func() []string) {
	t.Helper()
	var all []string
	for range 200 {
		if all = left(); len(all) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("left: %s", all)
}

// Whenever its caller is killed, a container ends with it, and nothing is left but empty control
// groups, which the next caller removes.
func TestMountCallerKilled(t *testing.T) {
	self, err := os.Executable()
	must(t, err)
	dir := t.TempDir()
	for _, wait := range []time.Duration{0, 5, 20, 50, 200} {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), callerVar+"="+dir)
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "open\n" {
			t.Errorf("caller: %q, %v", line, err)
		}
		time.Sleep(wait * time.Millisecond)
		must(t, cmd.Process.Kill())
		_ = cmd.Wait()
		r := &Runner{}
		r.dir, err = os.Open(dir)
		must(t, err)
		r.groups.prefix, err = groupPrefix(r.dir)
		must(t, err)
		until(t, func() (all []string) {
			for _, l := range left(r) {
				if !strings.HasPrefix(l, groupsDir) {
					all = append(all, l)
				} else if procs, err := os.ReadFile(filepath.Join(l, "cgroup.procs")); err != nil || len(procs) > 0 {
					all = append(all, l)
				}
			}
			return all
		})
		r.Close()
	}
	r, err := Open(dir)
	must(t, err)
	defer r.Close()
	leaveNothing(t, r)
}
