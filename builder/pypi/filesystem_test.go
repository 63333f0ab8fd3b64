package pypi_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"larder/builder"
	"larder/builder/pypi/pypitest"
	"larder/overlay/overlaytest"
	"larder/snapshot"
)

// Promise 7: the same inputs give the same id on ext4, XFS and btrfs, with another
// umask and another number of jobs.
func TestMountBuildIsTheSameOnEveryFileSystem(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	w := newWorld(t, pypitest.Options{})
	for _, name := range []string{"alpha", "beta", "gamma"} {
		w.add(pypitest.Wheel{Name: name, Console: []string{name + " = " + name + ":main"}})
	}
	want := w.must(ranking("alpha", "beta", "gamma"))
	for i, fs := range []string{"ext4", "xfs", "btrfs"} {
		t.Run(fs, func(t *testing.T) {
			store, err := snapshot.Create(filepath.Join(loopFileSystem(t, fs), "store"))
			if err != nil {
				t.Fatal(err)
			}
			old := syscall.Umask([]int{0, 0o077, 0o027}[i])
			defer syscall.Umask(old)
			got := w.must(ranking("gamma", "beta", "alpha"), func(c *builder.Config) { c.Store, c.Jobs = store, 1+3*i })
			if got.Snapshot != want.Snapshot {
				t.Errorf("on %s the id is %s, elsewhere %s", fs, got.Snapshot, want.Snapshot)
			}
		})
	}
}

// loopFileSystem mounts a new file system of that type, in a file, until the test ends.
func loopFileSystem(t *testing.T, fs string) string {
	t.Helper()
	dir := t.TempDir()
	disk, point := filepath.Join(dir, "disk"), filepath.Join(dir, "mnt")
	f, err := os.Create(disk)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(512 << 20); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(point, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"mkfs." + fs, "-q", disk}, {"mount", "-o", "loop", disk, point}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", point).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
	return point
}
