package snapshot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func newStore(t testing.TB) *Store {
	t.Helper()
	s, err := OpenOrCreate(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// mustFail checks an error for people: its sentinel, one line, what it says, and a hint.
func mustFail(t *testing.T, err, kind error, says ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
	if strings.ContainsAny(err.Error(), "\n\r\t") {
		t.Errorf("more than a line: %q", err)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%q does not say %q", err, s)
		}
	}
	var h interface{ Hint() string }
	if !errors.As(err, &h) || h.Hint() == "" {
		t.Errorf("no hint: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	tests := []struct {
		name string
		make func(t *testing.T, dir string)
		kind error
		says []string
	}{
		{"missing", func(*testing.T, string) {}, ErrNoStore, []string{"nothing is there"}},
		{"empty directory", func(t *testing.T, dir string) { must(t, os.Mkdir(dir, 0o700)) }, ErrNoStore, []string{"is empty"}},
		{"no marker", func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir, 0o700))
			must(t, os.WriteFile(filepath.Join(dir, "precious"), []byte("x"), 0o600))
		}, ErrNoStore, []string{"marker store.json is missing"}},
		{"a file", func(t *testing.T, dir string) { must(t, os.WriteFile(dir, nil, 0o600)) }, ErrStore, []string{"not a directory"}},
		{"a symbolic link", func(t *testing.T, dir string) {
			_, err := Create(dir + ".real")
			must(t, err)
			must(t, os.Symlink(dir+".real", dir))
		}, ErrStore, []string{"symbolic link"}},
		{"newer format", func(t *testing.T, dir string) { writeMarker(t, dir, `{"store":"larder","format":99}`) }, ErrFormat,
			[]string{"format 99", "format 1"}},
		{"marker of something else", func(t *testing.T, dir string) { writeMarker(t, dir, `{"name":"shop"}`) }, ErrFormat, []string{"not the marker"}},
		{"marker is garbage", func(t *testing.T, dir string) { writeMarker(t, dir, "\x00\xff{{{") }, ErrFormat, []string{"not the marker"}},
		{"marker is huge", func(t *testing.T, dir string) { writeMarker(t, dir, strings.Repeat(" ", 1<<20)) }, ErrFormat, []string{"not the marker"}},
		{"marker is a link", func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir, 0o700))
			must(t, os.Symlink("/etc/hostname", filepath.Join(dir, markerName)))
		}, ErrFormat, []string{"read marker"}},
		{"marker is a pipe", func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir, 0o700))
			must(t, syscall.Mkfifo(filepath.Join(dir, markerName), 0o600))
		}, ErrFormat, []string{"not the marker"}},
		{"world-writable", func(t *testing.T, dir string) {
			_, err := Create(dir)
			must(t, err)
			must(t, os.Chmod(dir, 0o777))
		}, ErrStore, []string{"writable by others", "0777"}},
		{"group-writable", func(t *testing.T, dir string) {
			_, err := Create(dir)
			must(t, err)
			must(t, os.Chmod(dir, 0o770))
		}, ErrStore, []string{"writable by others", "0770"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			parent := t.TempDir()
			dir := filepath.Join(parent, "store")
			tt.make(t, dir)
			before := listing(t, parent)
			_, err := Open(dir)
			mustFail(t, err, tt.kind, append(tt.says, dir)...)
			if tt.name != "missing" {
				_, err = OpenOrCreate(dir)
				mustFail(t, err, tt.kind, tt.says...)
			}
			if after := listing(t, parent); !slices.Equal(before, after) {
				t.Errorf("refusing changed the directory:\n%v\n%v", before, after)
			}
		})
	}
}

func TestOpenRefusesAnotherOwner(t *testing.T) {
	s := newStore(t)
	_, err := open(s.Dir(), 12345)
	mustFail(t, err, ErrStore, fmt.Sprintf("belongs to user %d, and this is user 12345", os.Geteuid()))
}

func TestCreateRefusesWhatItCannotWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if _, err := Create(filepath.Join(file, "store")); err == nil {
		t.Fatal("made a store below a file")
	}
	// /proc takes no directories, not even from root.
	if _, err := Create("/proc/larder"); err == nil || strings.Contains(err.Error(), "\n") {
		t.Fatal("made a store in /proc", err)
	}
	s := newStore(t)
	if _, err := Create(s.Dir()); !errors.Is(err, fs.ErrExist) {
		t.Fatal("made a store over a store:", err)
	}
}

// A creator that was killed leaves a directory beside the place, which the next one replaces.
func TestCreateAfterAKilledCreate(t *testing.T) {
	parent := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(parent, ".store.larder-new/objects/ab"), 0o700))
	s, err := OpenOrCreate(filepath.Join(parent, "store"))
	must(t, err)
	if l := listing(t, parent); slices.Contains(l, ".store.larder-new") {
		t.Error("leftover is still there:", l)
	}
	if _, err := Open(s.Dir()); err != nil {
		t.Error(err)
	}
}

func TestCreateManyAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a/b/store")
	errs := make(chan error)
	for range 8 {
		go func() {
			_, err := OpenOrCreate(dir)
			errs <- err
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// The modes of a new store do not depend on the umask.
func TestCreateIgnoresUmask(t *testing.T) {
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	s := newStore(t)
	for path, want := range map[string]fs.FileMode{"": 0o700, objectsName: 0o755, objectsName + "/ab": 0o755, leasesName: 0o700, markerName: 0o444} {
		fi, err := os.Stat(s.join(path))
		must(t, err)
		if fi.Mode().Perm() != want {
			t.Errorf("%q has mode %o, want %o", path, fi.Mode().Perm(), want)
		}
	}
}

// doc.go shows the tree of a store; this is that tree.
func TestLayoutIsTheDocumentedOne(t *testing.T) {
	s := newStore(t)
	id := publish(t, s, "hello")
	must(t, s.AcquireLease(Lease{Container: "c", Snapshot: id}))
	must(t, os.MkdirAll(s.InstanceDir("c")+"/u", 0o700))
	doc, err := os.ReadFile("doc.go")
	must(t, err)
	shown := map[string]bool{}
	for line := range strings.Lines(string(doc)) {
		// "//	objects/   meaning": names are indented by a tab.
		if rest, ok := strings.CutPrefix(line, "//\t"); ok {
			if f := strings.Fields(rest); len(f) > 0 {
				shown[strings.Trim(f[0], "/")] = true
			}
		}
	}
	for _, path := range listing(t, s.Dir()) {
		parts := strings.Split(path, "/")
		top := parts[0]
		if !shown[top] {
			t.Errorf("doc.go does not show %q", top)
		}
		if top == snapshotsName && len(parts) == 3 && !shown[snapshotsName+"/<id>/"+parts[2]] {
			t.Errorf("doc.go does not show %q", path)
		}
	}
	for _, name := range append([]string{markerName, currentName}, storeDirs...) {
		if _, err := os.Lstat(s.join(name)); err != nil {
			t.Errorf("doc.go shows %q: %v", name, err)
		}
	}
}

func TestLockNamesTheHolder(t *testing.T) {
	s := newStore(t)
	st, err := s.Begin(t.Context())
	must(t, err)
	_, err = s.Begin(t.Context())
	mustFail(t, err, ErrBusy, fmt.Sprintf("process %d since 2", os.Getpid()))
	must(t, st.Close())
	must(t, st.Close())
	st, err = s.Begin(t.Context())
	must(t, err)
	must(t, st.Close())
	// The file is for people: something else of that name is no reason to fail, nor to wait.
	for _, make := range []func(string) error{
		func(path string) error { return unix.Mkfifo(path, 0o600) },
		func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		must(t, os.RemoveAll(s.join(stagingName, holderName)))
		must(t, make(s.join(stagingName, holderName)))
		st, err = s.Begin(t.Context())
		must(t, err)
		_, err = s.Begin(t.Context())
		mustFail(t, err, ErrBusy)
		must(t, st.Close())
	}
}

// A child that is being started has every descriptor until its exec: the lock does not live on in it.
func TestUnlockIsForCopiesToo(t *testing.T) {
	s := newStore(t)
	l, err := s.Lock()
	must(t, err)
	child, err := unix.Dup(int(l.dir.Fd()))
	must(t, err)
	defer unix.Close(child)
	must(t, l.Unlock())
	l, err = s.Lock()
	must(t, err)
	must(t, l.Unlock())
}

// F18, F56: directories of the store replaced by something else.
func TestBeginRefusesABrokenStore(t *testing.T) {
	for _, name := range storeDirs {
		s := newStore(t)
		must(t, os.RemoveAll(s.join(name)))
		_, err := s.Begin(t.Context())
		mustFail(t, err, ErrDamaged, s.Dir())
		must(t, os.Symlink("/tmp", s.join(name)))
		_, err = s.Begin(t.Context())
		mustFail(t, err, ErrDamaged, name, "not a directory")
		must(t, os.Remove(s.join(name)))
		must(t, unix.Mkfifo(s.join(name), 0o700)) // must not block
		_, err = s.Begin(t.Context())
		mustFail(t, err, ErrDamaged, name, "not a directory")
	}
}

// withoutFiles runs what may open no file: the process has no descriptor left for it.
func withoutFiles(t *testing.T, run func()) {
	t.Helper()
	var before unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &before))
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: before.Max}))
	run()
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &before))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func writeMarker(t *testing.T, dir, content string) {
	t.Helper()
	must(t, os.Mkdir(dir, 0o700))
	must(t, os.WriteFile(filepath.Join(dir, markerName), []byte(content), 0o600))
}

// listing is every path below dir but the 256 directories of the pool.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	var l []string
	must(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		if rel != "." && !(d.IsDir() && strings.HasPrefix(rel, "store/objects/")) {
			l = append(l, rel)
		}
		return nil
	}))
	return l
}
