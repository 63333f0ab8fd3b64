package trash

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dir string) *os.File {
	t.Helper()
	d, err := os.Open(dir)
	must(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

func empty(t testing.TB, dir string) {
	t.Helper()
	if _, left, err := Empty(t.Context(), open(t, dir)); err != nil || left != 0 {
		t.Errorf("%d left: %v", left, err)
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 0 {
		t.Errorf("still there: %v %v", names, err)
	}
}

func TestRemove(t *testing.T) {
	dir := t.TempDir()
	canary := t.TempDir()
	must(t, os.WriteFile(filepath.Join(canary, "precious"), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o400))
	must(t, os.Symlink(canary, filepath.Join(dir, "link")))
	must(t, os.MkdirAll(filepath.Join(dir, "d/a/b/c"), 0o700))
	must(t, os.Symlink(canary, filepath.Join(dir, "d/a/link")))
	must(t, os.Symlink("../../..", filepath.Join(dir, "d/a/up")))
	must(t, os.WriteFile(filepath.Join(dir, "d/a/b/\nodd\xff"), nil, 0o000))
	must(t, unix.Mkfifo(filepath.Join(dir, "d/fifo"), 0o600)) // must not be opened
	must(t, os.WriteFile(filepath.Join(dir, "kept"), nil, 0o600))
	d := open(t, dir)
	for _, name := range []string{"file", "link", "d"} {
		must(t, Remove(d, name))
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
	if err := Remove(d, "file"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "kept" {
		t.Error(left, err)
	}
	if _, err := os.Stat(filepath.Join(canary, "precious")); err != nil {
		t.Error("followed a link:", err)
	}
}

// B141: as deep as a container likes, with two open files and little memory.
func TestRemoveDeep(t *testing.T) {
	dir := t.TempDir()
	const depth = 5_000
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	for i := range depth {
		must(t, unix.Mkdirat(fd, "d", 0o700))
		next, err := unix.Openat(fd, "d", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		must(t, err)
		if i%1000 == 0 {
			must(t, unix.Mknodat(fd, "f", unix.S_IFREG|0o600, 0))
		}
		unix.Close(fd)
		fd = next
	}
	unix.Close(fd)
	empty(t, dir)
}

func TestRemoveWide(t *testing.T) {
	dir := t.TempDir()
	for i := range 3000 {
		if i%2 == 0 {
			must(t, os.MkdirAll(fmt.Sprintf("%s/d/%d/x/y", dir, i), 0o700))
		} else {
			must(t, os.WriteFile(fmt.Sprintf("%s/d/%d", dir, i), nil, 0o600))
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	empty(t, dir)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 20<<20 {
		t.Errorf("%d MB allocated", n>>20)
	}
}

func TestEmptyTwiceAtOnce(t *testing.T) {
	dir := t.TempDir()
	for i := range 200 {
		must(t, os.MkdirAll(fmt.Sprintf("%s/%d/a/b/c", dir, i), 0o700))
	}
	var wg sync.WaitGroup
	for range 4 {
		d := open(t, dir)
		wg.Go(func() {
			if _, _, err := Empty(t.Context(), d); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	empty(t, dir)
}

// B144: what a container may leave to be in the way.
func TestRemoveModesAndFlags(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "locked/inner"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "locked/inner/f"), nil, 0o000))
	must(t, os.Chmod(filepath.Join(dir, "locked/inner"), 0o000))
	must(t, os.Chmod(filepath.Join(dir, "locked"), 0o000))
	if os.Geteuid() == 0 {
		must(t, os.MkdirAll(filepath.Join(dir, "flags/inner"), 0o700))
		must(t, os.WriteFile(filepath.Join(dir, "flags/inner/f"), nil, 0o600))
		must(t, os.WriteFile(filepath.Join(dir, "flags/log"), nil, 0o600))
		for path, flag := range map[string]int{"flags/inner/f": 0x10, "flags/log": 0x20, "flags/inner": 0x10, "flags": 0x10} {
			f, err := os.Open(filepath.Join(dir, path))
			must(t, err)
			err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flag)
			f.Close()
			if err != nil {
				t.Logf("no flags on this file system: %v", err)
				break
			}
		}
	}
	empty(t, dir)
}

// B142: somebody renames and replaces while we remove. Nothing outside goes, and it ends.
func TestRemoveRace(t *testing.T) {
	dir, canary := t.TempDir(), t.TempDir()
	must(t, os.WriteFile(filepath.Join(canary, "precious"), nil, 0o600))
	for range 30 {
		top := filepath.Join(dir, "top")
		must(t, os.MkdirAll(filepath.Join(top, "a/b/c/d"), 0o700))
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_ = os.Rename(filepath.Join(top, "a/b"), filepath.Join(top, "a/x"))
				_ = os.Symlink(canary, filepath.Join(top, "a/b"))
				_ = os.Remove(filepath.Join(top, "a/b"))
				_ = os.Rename(filepath.Join(top, "a/x"), filepath.Join(top, "a/b"))
			}
		})
		_ = Remove(open(t, dir), "top")
		close(stop)
		wg.Wait()
		empty(t, dir)
	}
	if _, err := os.Stat(filepath.Join(canary, "precious")); err != nil {
		t.Error(err)
	}
}

// B143: a mount inside stops the removal, and what is mounted keeps its files.
func TestMountIsNotEntered(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount")
	}
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "x/y/mnt"), 0o700))
	must(t, os.MkdirAll(filepath.Join(dir, "other/z"), 0o700))
	script := fmt.Sprintf(`mount -t tmpfs larder-test %[1]s/x/y/mnt && touch %[1]s/x/y/mnt/precious && exec %[2]s -test.run=TestMountIsNotEntered`,
		dir, os.Args[0])
	if d := os.Getenv("LARDER_TEST_MOUNTED"); d != "" {
		_, left, err := Empty(t.Context(), open(t, d))
		if left != 1 || err == nil || !strings.Contains(err.Error(), "a mount is there") {
			t.Errorf("%d left, %v", left, err)
		}
		found := false
		_ = filepath.WalkDir(d, func(p string, _ fs.DirEntry, _ error) error {
			found = found || filepath.Base(p) == "precious"
			return nil
		})
		if !found {
			t.Error("removed what is mounted")
		}
		if _, err := os.Stat(filepath.Join(d, "other")); err == nil {
			t.Error("the rest was not removed")
		}
		fmt.Println("looked at the mount")
		return
	}
	cmd := exec.Command("unshare", "-m", "--propagation", "private", "sh", "-c", script)
	cmd.Env = append(os.Environ(), "LARDER_TEST_MOUNTED="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "looked at the mount") {
		t.Errorf("%v\n%s", err, out)
	}
	empty(t, dir)
}

// Only this package deletes: everything else of the store renames into the trash.
func TestNobodyElseDeletes(t *testing.T) {
	n := 0
	for _, pattern := range []string{"../*.go", "../*/*.go", "../../cmd/larder-hook/*.go"} {
		files, err := filepath.Glob(pattern)
		must(t, err)
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "../trash/") {
				continue
			}
			n++
			b, err := os.ReadFile(path)
			must(t, err)
			for _, call := range []string{"os.Remove", "Unlink", "os.Truncate", "Rmdir", ".RemoveAll", "root.Remove"} {
				if strings.Contains(string(b), call) {
					t.Errorf("%s calls %s", path, call)
				}
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d files looked at", n)
	}
}
