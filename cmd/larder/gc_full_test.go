package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"larder/overlay/overlaytest"
	"larder/snapshot"
)

// A full disk is what gc is for: on btrfs, which can refuse even an empty file, what a dead
// container left goes, and so does the old snapshot.
func TestMountGCOnFullDisk(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	for _, disk := range []struct {
		size int64
		mkfs []string
	}{
		{128 << 20, []string{"mkfs.btrfs", "-q", "-m", "single", "-n", "4096"}},
		{32 << 20, []string{"mkfs.ext4", "-q", "-m", "0"}},
		{300 << 20, []string{"mkfs.xfs", "-q"}},
	} {
		t.Run(disk.mkfs[0], func(t *testing.T) {
			dir := t.TempDir()
			image, mnt := filepath.Join(dir, "image"), filepath.Join(dir, "mnt")
			noError(t, os.WriteFile(image, nil, 0o600))
			noError(t, os.Truncate(image, disk.size))
			mustRun(t, append(disk.mkfs, image)...)
			noError(t, os.Mkdir(mnt, 0o755))
			mustRun(t, "mount", "-o", "loop", image, mnt)
			defer func() { noError(t, unix.Unmount(mnt, unix.MNT_DETACH)) }()
			store, err := snapshot.Create(filepath.Join(mnt, "store"))
			noError(t, err)
			old := publishFile(t, store, "old")
			publishFile(t, store, "new")
			lease, err := snapshot.ProcessLease("dead", old, os.Getpid())
			noError(t, err)
			lease.PIDStart++
			noError(t, store.AcquireLease(lease))
			upper := filepath.Join(store.InstanceDir("dead"), "pip/u")
			noError(t, os.MkdirAll(upper, 0o700))
			fill(t, upper)
			if err := os.WriteFile(filepath.Join(mnt, "more"), make([]byte, 1<<16), 0o600); err == nil {
				t.Error("the disk is not full")
			}
			_ = os.Remove(filepath.Join(mnt, "more"))

			begin := time.Now()
			run := filepath.Join(dir, "run")
			if code := mainCode([]string{"larder", "--store", store.Dir(), "gc", "--keep", "1", "--run-dir", run}); code != 0 {
				t.Errorf("gc: exit %d", code)
			}
			t.Log("gc took", time.Since(begin))
			for _, gone := range []string{store.SnapshotDir(old), store.InstanceDir("dead")} {
				if _, err := os.Lstat(gone); !os.IsNotExist(err) {
					t.Errorf("%s: %v", gone, err)
				}
			}
			if n := entries(t, store, "trash"); n != 0 {
				t.Errorf("%d entries left in the trash", n)
			}
			if err := os.WriteFile(filepath.Join(mnt, "more"), make([]byte, 1<<20), 0o600); err != nil {
				t.Errorf("after gc: %v", err)
			}
		})
	}
}

// fill writes into dir until not even an empty file is taken any more.
func fill(t *testing.T, dir string) {
	t.Helper()
	n := 0
	for size := 16 << 20; ; size /= 4 {
		for ; n < 100000; n++ {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(n)), make([]byte, size), 0o600); err != nil {
				break
			}
		}
		if size == 0 {
			return
		}
	}
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustRun(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}
