package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"larder/overlay/overlaytest"
	"larder/snapshot"
)

// What a command left running keeps its upper, whether larder run was killed or ended well: gc
// takes neither the files nor the snapshot below them, until the last process is gone.
func TestMountGCLeavesWhatIsStillMounted(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	for _, killed := range []bool{true, false} {
		t.Run(map[bool]string{true: "killed", false: "ended"}[killed], func(t *testing.T) {
			p := newProgram(t)
			s, old := runStore(t, p, "/usr/bin/python3")
			dir := t.TempDir()
			runDir := "--run-dir=" + filepath.Join(dir, "run")
			script := `cd ~/.cache/pip && echo mine >file && { setsid sh -c 'exec 3<file; while sleep 0.05; do [ -e ` + dir + `/end ] && exit; done' >/dev/null 2>&1 & } && echo $! >` + dir + `/left`
			if killed {
				script += "; exec sleep 100"
			}
			cmd := exec.Command(p.bin, "run", runDir, "--", "sh", "-c", script)
			cmd.Env = p.env
			noError(t, cmd.Start())
			defer func() { _ = cmd.Process.Kill() }()
			var left int
			soon(t, "the command to leave a process", func() bool {
				b, _ := os.ReadFile(filepath.Join(dir, "left"))
				left, _ = strconv.Atoi(strings.TrimSpace(string(b)))
				return left > 0
			})
			if killed {
				noError(t, cmd.Process.Kill())
			}
			_ = cmd.Wait()
			defer syscall.Kill(left, syscall.SIGKILL)

			publishFile(t, s, "new")
			collect := func() {
				t.Helper()
				p.must("larder", "gc", "--keep", "1", runDir)
			}
			collect()
			uppers, err := filepath.Glob(filepath.Join(s.Dir(), "instances/*/pip/u/file"))
			if err != nil || len(uppers) != 1 {
				t.Errorf("uppers: %v, %v", uppers, err)
			}
			if _, err := os.Stat(s.ImagePath(old)); err != nil {
				t.Error(err)
			}
			noError(t, os.WriteFile(filepath.Join(dir, "end"), nil, 0o600))
			soon(t, "gc to take what nobody needs", func() bool {
				collect()
				_, err := os.Stat(s.ImagePath(old))
				return os.IsNotExist(err) && entries(t, s, "instances") == 0 && entries(t, s, "leases") == 0
			})
		})
	}
}

// A run killed in another process namespace: its instance's lock is free.
func TestMountGCReapsARunOfAnotherPIDNamespace(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	p := newProgram(t)
	s, _ := runStore(t, p, "/usr/bin/python3")
	runDir := "--run-dir=" + filepath.Join(t.TempDir(), "run")
	cmd := exec.Command("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", p.bin, "run", runDir, "--", "sleep", "100")
	cmd.Env = p.env
	noError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill() }()
	var lease snapshot.Lease
	soon(t, "the run to begin", func() bool {
		leases, err := s.Leases()
		noError(t, err)
		if len(leases) != 1 {
			return false
		}
		lease = leases[0]
		mounted, _ := filepath.Glob(filepath.Join(lease.Instance, "pip/w/work"))
		return len(mounted) == 1
	})
	// As if it had begun some minutes ago.
	lease.Time = lease.Time.Add(-5 * time.Minute)
	noError(t, s.AcquireLease(lease))
	collect := func() {
		t.Helper()
		p.must("larder", "gc", runDir)
	}
	collect()
	if entries(t, s, "leases") != 1 || entries(t, s, "instances") != 1 {
		t.Error("gc reaped a live run of another process namespace")
	}
	noError(t, cmd.Process.Signal(unix.SIGKILL))
	_ = cmd.Wait()
	soon(t, "gc to reap it", func() bool {
		collect()
		return entries(t, s, "leases") == 0 && entries(t, s, "instances") == 0
	})
}

func soon(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited 20 s for %s", what)
		}
	}
}
