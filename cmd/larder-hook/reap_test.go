//go:build linux

package main

import (
	"fmt"
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

// die leaves in a store what a container of that id leaves that died without poststop.
func die(t testing.TB, s *snapshot.Store, id string, of snapshot.ID) (upper string) {
	t.Helper()
	l, err := snapshot.ProcessLease(id, of, os.Getpid())
	must(t, err)
	l.PIDStart++ // another process had the number
	l.Instance = s.InstanceDir(id)
	must(t, s.AcquireLease(l))
	upper = filepath.Join(l.Instance, "pip/u")
	must(t, os.MkdirAll(upper, 0o755))
	must(t, os.MkdirAll(filepath.Join(l.Instance, "pip/w/work"), 0o755))
	return upper
}

// reapBy runs larder gc over the store, to its end or until it is killed.
func reapBy(t testing.TB, bin, store string, kill time.Duration) (took, cpu time.Duration, peak int64, said string) {
	t.Helper()
	config := emptyConfig(t)
	cmd := exec.Command(filepath.Join(bin, "larder"), "--store", store, "--config", config, "gc", "--leftovers")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	begin := time.Now()
	must(t, cmd.Start())
	if kill > 0 {
		time.Sleep(kill)
		_ = cmd.Process.Kill()
	}
	if err := cmd.Wait(); err != nil && kill == 0 {
		t.Errorf("gc: %v\n%s", err, &out)
	}
	p := cmd.ProcessState
	return time.Since(begin), p.UserTime() + p.SystemTime(), p.SysUsage().(*syscall.Rusage).Maxrss << 10, out.String()
}

// 1,000 containers that died without poststop are reaped by one gc in less than ten seconds, for as
// much as that is gc's: a disk that others keep busy is not.
func TestMountReapsManyDead(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	bin := heldPrograms(t)
	store := filepath.Join(t.TempDir(), "store")
	id := publish(t, store, nil)
	s, err := snapshot.Open(store)
	must(t, err)
	for i := range 1000 {
		upper := die(t, s, fmt.Sprint("dead-", i), id)
		for f := range 5 {
			must(t, os.WriteFile(filepath.Join(upper, strconv.Itoa(f)), nil, 0o644))
		}
	}
	took, cpu, peak, said := reapBy(t, bin, store, 0)
	if got := left(t, store); got != "0 leases 0 instances 0 trash" || cpu > 10*time.Second || peak > 128<<20 {
		t.Errorf("%s after %v of %v\n%.2000s", got, cpu, took, said)
	}
	t.Logf("%v, %v of the processor, %d MB at most", took, cpu, peak>>20)
}

// filesVariable is how many files the largest hostile upper has.
const filesVariable = "LARDER_HOSTILE_FILES"

// Uppers that were made to be in the way are gone after one gc, or, when it is killed again and again,
// after as many as it takes; in memory that does not grow with them.
func TestMountReapsHostileUppers(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	files, err := strconv.Atoi(os.Getenv(filesVariable))
	if err != nil {
		files = 5_000
	}
	bin := heldPrograms(t)
	store := filepath.Join(t.TempDir(), "store")
	id := publish(t, store, nil)
	s, err := snapshot.Open(store)
	must(t, err)
	for name, fill := range map[string]func(upper string){
		"files in one directory": func(upper string) { touch(t, upper, files) },
		"files in many directories": func(upper string) {
			for i := range files / 100 {
				dir := filepath.Join(upper, strconv.Itoa(i), "a/b")
				must(t, os.MkdirAll(dir, 0o700))
				touch(t, dir, 100)
			}
		},
		"levels":      func(upper string) { dig(t, upper, max(files/100, 1000)) },
		"directories": func(upper string) { spread(t, upper, files/4) },
		"flags":       func(upper string) { lockUp(t, upper, files/200) },
	} {
		for _, kills := range []int{0, 5} {
			fill(die(t, s, "hostile", id))
			var total time.Duration
			for k := range kills {
				took, _, _, _ := reapBy(t, bin, store, time.Duration(k+1)*30*time.Millisecond)
				total += took
			}
			took, cpu, peak, said := reapBy(t, bin, store, 0)
			if got := left(t, store); got != "0 leases 0 instances 0 trash" {
				t.Errorf("%s: %s\n%.2000s", name, got, said)
			}
			if peak > 128<<20 {
				t.Errorf("%s: %d MB at most", name, peak>>20)
			}
			t.Logf("%s, %d kills: %v and %v, %v of the processor, %d MB at most", name, kills, total, took, cpu, peak>>20)
		}
	}
}

func touch(t *testing.T, dir string, n int) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	for i := range n {
		must(t, unix.Mknodat(fd, strconv.Itoa(i), unix.S_IFREG|0o600, 0))
	}
}

func spread(t *testing.T, dir string, n int) {
	for i := range n {
		must(t, os.MkdirAll(filepath.Join(dir, strconv.Itoa(i), "x"), 0o700))
	}
}

// dig makes directories in one another, each with a file.
func dig(t *testing.T, dir string, levels int) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	for range levels {
		must(t, unix.Mkdirat(fd, "d", 0o700))
		next, err := unix.Openat(fd, "d", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		must(t, err)
		must(t, unix.Mknodat(next, "f", unix.S_IFREG|0o600, 0))
		unix.Close(fd)
		fd = next
	}
	unix.Close(fd)
}

// lockUp makes what only root gets rid of: immutable and append-only files and directories, and modes of 0.
func lockUp(t *testing.T, dir string, n int) {
	const immutable, appendOnly = 0x10, 0x20 // FS_IMMUTABLE_FL, FS_APPEND_FL of linux/fs.h
	flag := func(path string, flags int) {
		f, err := os.Open(path)
		must(t, err)
		defer f.Close()
		must(t, unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags))
	}
	for i := range n {
		sub := filepath.Join(dir, strconv.Itoa(i))
		must(t, os.MkdirAll(filepath.Join(sub, "closed/in"), 0o700))
		for name, flags := range map[string]int{"fixed": immutable, "log": appendOnly} {
			must(t, os.WriteFile(filepath.Join(sub, name), nil, 0))
			flag(filepath.Join(sub, name), flags)
		}
		must(t, os.Chmod(filepath.Join(sub, "closed/in"), 0))
		must(t, os.Chmod(filepath.Join(sub, "closed"), 0))
		flag(sub, immutable)
	}
}
