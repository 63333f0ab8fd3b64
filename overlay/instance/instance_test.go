package instance_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/instance"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// self owns what unprivileged tests make.
var self = overlay.Owner{UID: os.Geteuid(), GID: os.Getegid()}

func TestCreateIsFresh(t *testing.T) {
	unix.Umask(0o077)
	defer unix.Umask(0o022)
	dir := filepath.Join(t.TempDir(), "i")
	i, err := instance.Create(dir)
	must(t, err)
	defer i.Close()
	m, fresh, err := i.Add("pip", []string{"a"}, self, 0o755)
	must(t, err)
	if !fresh || m != dir+"/pip" {
		t.Errorf("%q, fresh %v", m, fresh)
	}
	for path, mode := range map[string]os.FileMode{dir: 0o700, m: 0o700, m + "/u": 0o755, m + "/w": 0o755} {
		if st, err := os.Lstat(path); err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want %v", path, st.Mode(), err, mode)
		}
	}
	if _, _, err := i.Add("pip", []string{"a"}, self, 0o755); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the same mount twice: %v", err)
	}
	if _, err := instance.Create(dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the same instance twice: %v", err)
	}
	for _, name := range []string{"", "..", "../x", "a/b", ".hidden", "A", strings.Repeat("x", 40)} {
		if _, _, err := i.Add(name, nil, self, 0o755); err == nil {
			t.Errorf("mount name %q was taken", name)
		}
	}
	if _, err := os.Stat(dir + "/instance.json"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a thrown-away instance has a record: %v", err)
	}
	if i.Kept() {
		t.Error("it says it is kept")
	}
}

func TestKeepRefusesOtherLowers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "i")
	lowers := []string{"s/l/1", "s/l/2", "/home/x/.venv"}
	for round := range 3 {
		i, err := instance.Keep(dir)
		must(t, err)
		_, fresh, err := i.Add("env", lowers, self, 0o700)
		must(t, err)
		if fresh != (round == 0) {
			t.Errorf("round %d: fresh %v", round, fresh)
		}
		for want, other := range map[string][]string{
			"s/l/2 then, s/l/3 now": {"s/l/1", "s/l/3", "/home/x/.venv"},
			"s/l/4 is new":          append(append([]string{}, lowers...), "s/l/4"),
			"/home/x/.venv is gone": {"s/l/1", "s/l/2"},
			"s/l/1 then, s/l/2 now": {"s/l/2", "s/l/1", "/home/x/.venv"},
			"s/l/1 is gone":         {},
		} {
			_, _, err := i.Add("env", other, self, 0o700)
			if !errors.Is(err, overlay.ErrRefused) || !strings.Contains(err.Error(), want) {
				t.Errorf("lowers %q: %v; want %q", other, err, want)
			}
		}
		if _, err := instance.Keep(dir); !errors.Is(err, overlay.ErrBusy) {
			t.Errorf("a second user: %v, want ErrBusy", err)
		}
		must(t, i.Close())
	}
}

// A crash at any point leaves something that can be used again.
func TestKeepAfterCrash(t *testing.T) {
	for name, left := range map[string]func(dir string){
		"nothing":         func(dir string) {},
		"empty directory": func(dir string) { must(t, os.Mkdir(dir, 0o700)) },
		"mount directory": func(dir string) { must(t, os.MkdirAll(dir+"/env", 0o700)) },
		"upper":           func(dir string) { must(t, os.MkdirAll(dir+"/env/u", 0o700)) },
		"upper and work":  func(dir string) { must(t, os.MkdirAll(dir+"/env/u", 0o700)); must(t, os.Mkdir(dir+"/env/w", 0o700)) },
		"half a record aside": func(dir string) {
			must(t, os.Mkdir(dir, 0o700))
			must(t, os.WriteFile(dir+"/instance.json.tmp", []byte(`{"for`), 0o600))
		},
	} {
		dir := filepath.Join(t.TempDir(), "i")
		left(dir)
		for range 2 {
			i, err := instance.Keep(dir)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
			if _, _, err := i.Add("env", []string{"a"}, self, 0o700); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			must(t, i.Close())
		}
	}
}

// What is not ours is refused, and not touched.
func TestKeepRefusesForeign(t *testing.T) {
	for name, make := range map[string]func(dir string){
		"files":       func(dir string) { must(t, os.WriteFile(dir+"/thesis.tex", nil, 0o600)) },
		"directory":   func(dir string) { must(t, os.Mkdir(dir+"/Documents", 0o700)) },
		"file":        func(dir string) { must(t, os.Remove(dir)); must(t, os.WriteFile(dir, nil, 0o600)) },
		"link":        func(dir string) { must(t, os.Rename(dir, dir+"-real")); must(t, os.Symlink(dir+"-real", dir)) },
		"junk record": func(dir string) { must(t, os.WriteFile(dir+"/instance.json", []byte("junk"), 0o600)) },
		"newer record": func(dir string) {
			must(t, os.WriteFile(dir+"/instance.json", []byte(`{"format":2,"mounts":{}}`), 0o600))
		},
		"record is a link": func(dir string) { must(t, os.Symlink("/etc/passwd", dir+"/instance.json")) },
		"record is a fifo": func(dir string) { must(t, unix.Mkfifo(dir+"/instance.json", 0o600)) },
		"huge record": func(dir string) {
			must(t, os.WriteFile(dir+"/instance.json", nil, 0o600))
			must(t, os.Truncate(dir+"/instance.json", 1<<30))
		},
		"others can write": func(dir string) { must(t, os.Chmod(dir, 0o777)) },
		"mount with files": func(dir string) { must(t, os.MkdirAll(dir+"/env/u/src", 0o700)) },
		"recorded, removed": func(dir string) {
			must(t, os.WriteFile(dir+"/instance.json", []byte(`{"format":1,"mounts":{"env":["a"]}}`), 0o600))
		},
	} {
		dir := filepath.Join(t.TempDir(), "i")
		must(t, os.Mkdir(dir, 0o700))
		make(dir)
		i, err := instance.Keep(dir)
		if err == nil {
			_, _, err = i.Add("env", []string{"a"}, self, 0o700)
			i.Close()
		}
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: not one line: %v", name, err)
		}
		t.Logf("%s: %v", name, err)
	}
	if _, err := os.Stat("/no/such"); err == nil {
		t.Skip("/no/such exists")
	}
	if _, err := instance.Keep("/no/such/parent"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no parent: %v", err)
	}
}

// A mask is written once, and a failure or a crash leaves nothing of it.
func TestMask(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "i")
	failing := errors.New("no")
	calls := 0
	fill := func(err error) func(string) error {
		return func(m string) error {
			calls++
			return errors.Join(os.WriteFile(filepath.Join(m, "x"), nil, 0o600), err)
		}
	}
	add := func(f func(string) error) (bool, error) {
		t.Helper()
		i, err := instance.Keep(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer i.Close()
		lowers, there := i.Recorded("env")
		masked := slices.Contains(lowers, instance.Mask)
		if there != masked || there != (calls > 1) {
			t.Errorf("recorded: %v, %v after %d calls", there, masked, calls)
		}
		_, fresh, err := i.AddMasked("env", []string{"a"}, self, 0o700, f)
		return fresh, err
	}
	if _, err := add(fill(failing)); !errors.Is(err, failing) {
		t.Errorf("failing: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left of a failure: %v, %v", entries, err)
	}
	// What a crash leaves: no record.
	if err := os.MkdirAll(filepath.Join(dir, "env/m/lib"), 0o700); err != nil {
		t.Fatal(err)
	}
	for n, want := range []bool{true, false} {
		if fresh, err := add(fill(nil)); err != nil || fresh != want || calls != 2 {
			t.Errorf("run %d: fresh %v, %v, %d calls", n, fresh, err, calls)
		}
	}
	if _, err := add(nil); !errors.Is(err, overlay.ErrRefused) {
		t.Errorf("without its mask: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "env/m")); err != nil {
		t.Fatal(err)
	}
	if _, err := add(fill(nil)); !errors.Is(err, overlay.ErrRefused) {
		t.Errorf("its mask is gone: %v", err)
	}
}

// What is finished stays so for a kept instance, through a record that is read again; one that is thrown away has nothing to keep.
func TestFinish(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "i")
	for n := range 3 {
		i, err := instance.Keep(dir)
		must(t, err)
		_, _, err = i.Add("env", []string{"a"}, self, 0o755)
		must(t, err)
		if got := i.Finished("env"); got != (n == 2) || i.Finished("other") {
			t.Errorf("opened %d times before: finished %v", n, got)
		}
		if n == 1 {
			must(t, i.Finish("env"))
			must(t, i.Finish("env"))
		}
		must(t, i.Close())
	}
	i, err := instance.Create(filepath.Join(t.TempDir(), "j"))
	must(t, err)
	defer i.Close()
	if err := i.Finish("env"); err != nil || i.Finished("env") {
		t.Errorf("one that is thrown away: %v", err)
	}
}
