package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Somebody changes the run directory for long. gc waits for it, with the store locked, until it
// is told to stop.
func TestGCStopsWaitingOnASignal(t *testing.T) {
	dir := t.TempDir()
	s, _, _ := stockedStore(t)
	held, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := unix.Flock(int(held.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("larder", "--store", s.Dir(), "gc", "--keep", "1", "--run-dir", dir)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-ended:
		t.Fatalf("it did not wait: %s", out.String())
	case <-time.After(500 * time.Millisecond):
	}
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		cmd.Process.Kill()
		<-ended
		t.Fatal("it goes on waiting after SIGTERM")
	}
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
		t.Errorf("exit %d, want %d: %s", code, exitInterrupted, out.String())
	}
	// The writer's lock is free again.
	lock, err := s.Lock()
	if err != nil {
		t.Fatal(err)
	}
	lock.Unlock()
}
