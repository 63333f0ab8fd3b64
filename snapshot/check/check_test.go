package check

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"larder/snapshot"
	"larder/snapshot/gc"
	"larder/snapshot/image"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newStore(t testing.TB) *snapshot.Store {
	t.Helper()
	s, err := snapshot.OpenOrCreate(filepath.Join(t.TempDir(), "store"))
	must(t, err)
	return s
}

func publish(t testing.TB, s *snapshot.Store, contents ...string) snapshot.ID {
	t.Helper()
	st, err := s.Begin(t.Context())
	must(t, err)
	defer st.Close()
	tree := image.NewTree()
	m, err := (&snapshot.Manifest{}).Encode()
	must(t, err)
	for i, c := range append(contents, string(m)) {
		o, err := st.PutBytes([]byte(c), i == 0)
		must(t, err)
		name := fmt.Sprintf("l/aaaaaaaaaaaa/f%d", i)
		if i == len(contents) {
			name = snapshot.ManifestPath
		}
		must(t, tree.File(name, o, int64(len(c)), snapshot.Epoch))
	}
	id, _, err := st.Publish(func(w *os.File) error { return tree.Write(w) }, nil)
	must(t, err)
	return id
}

func run(t testing.TB, s *snapshot.Store, full bool, ids ...snapshot.ID) *Report {
	t.Helper()
	r, err := Run(t.Context(), s, ids, Options{Full: full})
	must(t, err)
	return r
}

func TestCleanStore(t *testing.T) {
	s := newStore(t)
	if r := run(t, s, true); len(r.Findings) != 0 || r.Snapshots != 0 {
		t.Errorf("empty store: %+v", r)
	}
	publish(t, s, "one", "two")
	publish(t, s, "one", "three")
	var done, total int64
	r, err := Run(t.Context(), s, nil, Options{Full: true, Progress: func(d, n int64) { done, total = d, n }})
	must(t, err)
	if len(r.Findings) != 0 || r.Snapshots != 2 || r.Objects != 4 || done != total || done == 0 {
		t.Errorf("%+v, %d of %d", r, done, total)
	}
}

// F43 to F49: each damage, who finds it, and what the line says.
func TestDamage(t *testing.T) {
	exec := snapshot.Object{Digest: snapshot.Sum([]byte("one")), Exec: true}
	plain := snapshot.Object{Digest: snapshot.Sum([]byte("two"))}
	object := func(s *snapshot.Store, o snapshot.Object) string { return filepath.Join(s.ObjectsDir(), o.Path()) }
	tests := []struct {
		name   string
		damage func(t *testing.T, s *snapshot.Store, id snapshot.ID)
		quick  bool // found by the quick check
		says   []string
	}{
		{"bit flipped", func(t *testing.T, s *snapshot.Store, id snapshot.ID) { flip(t, object(s, plain), 1) }, false,
			[]string{"damaged object sha256:" + plain.Digest.String() + ": ", "its bytes have digest", "; used by snapshot ", ", l/aaaaaaaaaaaa/f1; hint: larder repair"}},
		{"truncated", func(t *testing.T, s *snapshot.Store, id snapshot.ID) { truncate(t, object(s, plain), 1) }, true,
			[]string{plain.Digest.String(), "1 bytes, want 3", "l/aaaaaaaaaaaa/f1"}},
		{"emptied", func(t *testing.T, s *snapshot.Store, id snapshot.ID) { truncate(t, object(s, plain), 0) }, true, []string{"0 bytes, want 3"}},
		{"extended", func(t *testing.T, s *snapshot.Store, id snapshot.ID) { truncate(t, object(s, plain), 9) }, true, []string{"9 bytes, want 3"}},
		{"missing", func(t *testing.T, s *snapshot.Store, id snapshot.ID) { must(t, os.Remove(object(s, exec))) }, true,
			[]string{exec.Digest.String() + " (executable): missing; used by", "l/aaaaaaaaaaaa/f0"}},
		{"a link", func(t *testing.T, s *snapshot.Store, id snapshot.ID) {
			must(t, os.Remove(object(s, plain)))
			must(t, os.Symlink("/etc/hostname", object(s, plain)))
		}, true, []string{"not a plain file"}},
		{"a directory", func(t *testing.T, s *snapshot.Store, id snapshot.ID) {
			must(t, os.Remove(object(s, plain)))
			must(t, os.Mkdir(object(s, plain), 0o444))
		}, true, []string{"not a plain file"}},
		{"a pipe", func(t *testing.T, s *snapshot.Store, id snapshot.ID) {
			must(t, os.Remove(object(s, plain)))
			must(t, unix.Mkfifo(object(s, plain), 0o444))
		}, true, []string{"not a plain file"}},
		{"writable", func(t *testing.T, s *snapshot.Store, id snapshot.ID) { must(t, os.Chmod(object(s, plain), 0o644)) }, true, []string{"mode 0644, want 0444"}},
		{"setuid", func(t *testing.T, s *snapshot.Store, id snapshot.ID) {
			must(t, os.Chmod(object(s, exec), 0o555|os.ModeSetuid))
		}, true, []string{"mode 4555, want 0555"}},
		{"foreign file in the pool", func(t *testing.T, s *snapshot.Store, id snapshot.ID) {
			must(t, os.WriteFile(filepath.Join(s.ObjectsDir(), "00", "x"), nil, 0o600))
		}, true, []string{"store: objects/00/x is no object"}},
		{"damaged and used by nobody", func(t *testing.T, s *snapshot.Store, id snapshot.ID) {
			o := snapshot.Object{Digest: snapshot.Digest{0xab}}
			must(t, os.WriteFile(object(s, o), []byte("x"), 0o444))
		}, false, []string{"damaged object sha256:ab00", "no snapshot uses it"}},
		{"pool directory missing", func(t *testing.T, s *snapshot.Store, id snapshot.ID) {
			must(t, os.RemoveAll(filepath.Join(s.ObjectsDir(), "77")))
		}, true, []string{"objects/77"}},
		{"image flipped", func(t *testing.T, s *snapshot.Store, id snapshot.ID) { flip(t, s.ImagePath(id), 4200) }, true, []string{"damaged image of snapshot ", ": its", "have digest"}},
		{"image truncated", func(t *testing.T, s *snapshot.Store, id snapshot.ID) { truncate(t, s.ImagePath(id), 100) }, true, []string{": its 100 bytes"}},
		{"image missing", func(t *testing.T, s *snapshot.Store, id snapshot.ID) { must(t, os.Remove(s.ImagePath(id))) }, true, []string{": no such file"}},
		{"extra file in the snapshot", func(t *testing.T, s *snapshot.Store, id snapshot.ID) {
			must(t, os.WriteFile(filepath.Join(s.SnapshotDir(id), "extra"), nil, 0o600))
		}, true, []string{`holds "extra"`}},
		{"published.json is garbage", func(t *testing.T, s *snapshot.Store, id snapshot.ID) {
			must(t, os.Chmod(s.SnapshotDir(id)+"/published.json", 0o600))
			must(t, os.WriteFile(s.SnapshotDir(id)+"/published.json", []byte("{"), 0o600))
			must(t, os.Chmod(s.SnapshotDir(id)+"/published.json", 0o444))
		}, true, []string{"damaged snapshot ", ": published.json"}},
		{"current leads nowhere", func(t *testing.T, s *snapshot.Store, id snapshot.ID) {
			must(t, os.Remove(filepath.Join(s.Dir(), "current")))
			must(t, os.Symlink("snapshots/"+strings.Repeat("0", 64), filepath.Join(s.Dir(), "current")))
		}, true, []string{"store: current points to"}},
		{"current is missing", func(t *testing.T, s *snapshot.Store, id snapshot.ID) {
			must(t, os.Remove(filepath.Join(s.Dir(), "current")))
		}, true, []string{"store: ", "no current"}},
		{"foreign directory among snapshots", func(t *testing.T, s *snapshot.Store, id snapshot.ID) {
			must(t, os.Mkdir(filepath.Join(s.Dir(), "snapshots/old"), 0o700))
		}, true, []string{"snapshots/old is no snapshot"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t)
			id := publish(t, s, "one", "two", "three")
			tt.damage(t, s, id)
			if r := run(t, s, false); len(r.Findings) > 0 != tt.quick {
				t.Errorf("quick: %v", r.Findings)
			}
			r := run(t, s, true)
			if len(r.Findings) != 1 {
				t.Fatalf("full: %v", r.Findings)
			}
			line := r.Findings[0].String()
			for _, say := range tt.says {
				if !strings.Contains(line, say) {
					t.Errorf("%q does not say %q", line, say)
				}
			}
			if strings.Contains(line, "\n") {
				t.Errorf("more than a line: %q", line)
			}
		})
	}
}

// What is wrong around the snapshots: what the line says, and the command that mends it.
func TestDamagedLayout(t *testing.T) {
	testDamagedLayout(t, []layoutDamage{
		{"staging gone", remove("staging"), "store: staging is missing", "mkdir -m 0700 PATH", false},
		{"trash gone", remove("trash"), "store: trash is missing", "mkdir -m 0700 PATH", false},
		{"leases gone", remove("leases"), "store: leases is missing", "mkdir -m 0700 PATH", false},
		{"instances gone", remove("instances"), "store: instances is missing", "mkdir -m 0700 PATH", false},
		{"misses gone", remove("misses"), "store: misses is missing", "mkdir -m 0700 PATH", false},
		{"a directory of the pool gone", remove("objects/77"), "store: objects/77 is missing", "mkdir -m 0755 PATH", false},
		{"trash is a file", func(t *testing.T, s *snapshot.Store, id snapshot.ID) string {
			path := remove("trash")(t, s, id)
			must(t, os.WriteFile(path, nil, 0o600))
			return path
		}, "store: trash is not a directory", "mv PATH aside, then mkdir -m 0700 PATH", false},
		{"a directory of the pool is a link", func(t *testing.T, s *snapshot.Store, id snapshot.ID) string {
			path := remove("objects/77")(t, s, id)
			must(t, os.Symlink("00", path))
			return path
		}, "store: objects/77 is not a directory", "mv PATH aside, then mkdir -m 0755 PATH", false},
		{"leases writable by all", chmod("leases", 0o777), "store: leases has mode -rwxrwxrwx, want -rwx------", "chmod 0700 PATH", false},
		{"pool closed", chmod("objects", 0o700), "store: objects has mode -rwx------, want -rwxr-xr-x", "chmod 0755 PATH", false},
		{"a directory of the pool writable", chmod("objects/77", 0o775), "store: objects/77 has mode", "chmod 0755 PATH", false},
		{"marker writable", chmod("store.json", 0o666), "store: store.json has mode", "chmod 0444 PATH", false},
		{"image writable", chmod("ID/image.erofs", 0o644), ": image.erofs has mode -rw-r--r--, want -r--r--r--", "chmod 0444 PATH", false},
		{"published.json writable", chmod("ID/published.json", 0o666), ": published.json has mode", "chmod 0444 PATH", false},
		{"snapshot writable", chmod("ID", 0o777), "has mode -rwxrwxrwx, want -rwxr-xr-x", "chmod 0755 PATH", false},
		{"a lease that is garbage", write("leases/0123456789abcdef0123456789abcdef.json", "{"), "lease: leases/0123456789abcdef0123456789abcdef.json cannot be read",
			"rm PATH, once no container needs it, then larder gc", false},
		{"a recipe that is garbage", func(t *testing.T, s *snapshot.Store, id snapshot.ID) string {
			must(t, os.Mkdir(s.RecipesDir(), 0o700))
			return write("recipes/"+strings.Repeat("0a", 32)+".json", "{")(t, s, id)
		}, "store: recipe 0a0a0a0a0a0a cannot be read", "rm PATH, then larder build", false},
		{"firsts that are garbage", func(t *testing.T, s *snapshot.Store, id snapshot.ID) string {
			must(t, os.Mkdir(s.FirstsDir(), 0o700))
			path := write("firsts/toy.jsonl", "{\n")(t, s, id)
			must(t, os.Chmod(path, 0o600))
			return path
		}, "store: what toy's names first meant cannot be read: firsts/toy.jsonl, line 1", "restore PATH, or take the line out", false},
		{"firsts that all can write", func(t *testing.T, s *snapshot.Store, id snapshot.ID) string {
			must(t, s.AddFirsts("toy", []snapshot.First{{Name: "a", SHA256: snapshot.Sum(nil)}}))
			return chmod("firsts/toy.jsonl", 0o666)(t, s, id)
		}, "store: firsts/toy.jsonl has mode -rw-rw-rw-, want -rw-------", "chmod 0600 PATH", false},
		{"a lease that is a directory", mkdir("leases/0123456789abcdef0123456789abcdef.json"), "lease: leases/0123456789abcdef0123456789abcdef.json cannot be read", "rm PATH, once", false},
		{"current dangling", func(t *testing.T, s *snapshot.Store, id snapshot.ID) string {
			path := remove("current")(t, s, id)
			must(t, os.Symlink("snapshots/"+strings.Repeat("ab", 32), path))
			return path
		}, "store: current points to snapshot abababababab, which is missing", "larder use SNAPSHOT", false},
		{"current is a file", func(t *testing.T, s *snapshot.Store, id snapshot.ID) string {
			remove("current")(t, s, id)
			return write("current", "x")(t, s, id)
		}, "store: current is not a link", "larder use SNAPSHOT", false},
		{"a foreign file in objects", write("objects/x", ""), "store: objects/x is no object", "mv PATH elsewhere", true},
		{"a directory in objects", mkdir("objects/lost+found"), "store: objects/lost+found is no object", "mv PATH elsewhere", true},
		{"a link in a directory of the pool", func(t *testing.T, s *snapshot.Store, id snapshot.ID) string {
			path := filepath.Join(s.ObjectsDir(), "00", "link")
			must(t, os.Symlink("/etc", path))
			return path
		}, "store: objects/00/link is no object", "mv PATH elsewhere", true},
		{"a foreign file among snapshots", write("snapshots/it's", ""), "store: snapshots/it's is no snapshot", `it'\''s' elsewhere`, true},
	})
}

// A snapshot that another version of this program made is whole: verify names it, with the command
// that makes it again, and finds no damage. So is a recipe of a newer version.
func TestOtherFormat(t *testing.T) {
	s := newStore(t)
	st, err := s.Begin(t.Context())
	must(t, err)
	defer st.Close()
	manifest := []byte(`{"format":1,"targets":[],"wheels":[],"layers":[],"environments":[],"views":[]}`)
	o, err := st.PutBytes(manifest, false)
	must(t, err)
	tree := image.NewTree()
	must(t, tree.File(snapshot.ManifestPath, o, int64(len(manifest)), snapshot.Epoch))
	id, _, err := st.Publish(func(w *os.File) error { return tree.Write(w) }, nil)
	must(t, err)
	r := run(t, s, true)
	if len(r.Findings) != 1 || r.Damaged() || r.Findings[0].IDs[0] != id || r.Findings[0].Fix != "larder build" || !strings.Contains(r.Findings[0].Detail, "format 1") {
		t.Errorf("%+v", r.Findings)
	}
	must(t, os.Mkdir(s.RecipesDir(), 0o700))
	write("recipes/"+strings.Repeat("0a", 32)+".json", `{"format":2}`)(t, s, id)
	const says = "store: recipe 0a0a0a0a0a0a has format 2, and this program knows format 1; hint: use the version of larder that wrote it, or a newer one"
	if r := run(t, s, false); len(r.Findings) != 2 || r.Damaged() || !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.String() == says }) {
		t.Errorf("%v", r.Findings)
	}
}

// Only root gives files away.
func TestMountDamagedOwners(t *testing.T) {
	testDamagedLayout(t, []layoutDamage{
		{"instances somebody else's", chown("instances"), "store: instances is owned by user 12345, want 0", "chown 0 PATH", false},
		{"pool directory somebody else's", chown("objects/77"), "store: objects/77 is owned by user 12345, want 0", "chown 0 PATH", false},
		{"image somebody else's", chown("ID/image.erofs"), ": image.erofs is owned by user 12345", "chown 0 PATH", false},
		{"snapshot somebody else's", chown("ID"), "is owned by user 12345", "chown 0 PATH", false},
	})
}

type layoutDamage struct {
	name     string
	damage   damage
	says     string
	mend     string // PATH stands for the path
	harmless bool
}

func testDamagedLayout(t *testing.T, tests []layoutDamage) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t)
			id := publish(t, s, "one")
			path := tt.damage(t, s, id)
			r := run(t, s, false)
			if len(r.Findings) != 1 {
				t.Fatalf("%v", r.Findings)
			}
			f := r.Findings[0]
			if !strings.Contains(f.String(), tt.says) || !strings.Contains(f.Fix, strings.ReplaceAll(tt.mend, "PATH", path)) || strings.Contains(f.String(), "\n") {
				t.Errorf("says %q", f)
			}
			if f.Harmless != tt.harmless || r.Damaged() == tt.harmless {
				t.Errorf("harmless %v, damaged %v: %s", f.Harmless, r.Damaged(), f)
			}
			// Where the command is the shell's, it does mend.
			if strings.HasPrefix(f.Fix, "ch") || strings.HasPrefix(f.Fix, "mkdir") || tt.harmless {
				must(t, exec.Command("sh", "-c", strings.Replace(f.Fix, "elsewhere", t.TempDir(), 1)).Run())
				if r := run(t, s, false); len(r.Findings) != 0 {
					t.Errorf("after %s: %v", f.Fix, r.Findings)
				}
			}
		})
	}
}

// The damages take a path below the store; ID stands for the snapshot's directory.
type damage func(t *testing.T, s *snapshot.Store, id snapshot.ID) (path string)

func below(s *snapshot.Store, id snapshot.ID, name string) string {
	return filepath.Join(s.Dir(), strings.Replace(name, "ID", "snapshots/"+id.String(), 1))
}

func remove(name string) damage {
	return func(t *testing.T, s *snapshot.Store, id snapshot.ID) string {
		path := below(s, id, name)
		must(t, os.RemoveAll(path))
		return path
	}
}

func chmod(name string, mode os.FileMode) damage {
	return func(t *testing.T, s *snapshot.Store, id snapshot.ID) string {
		path := below(s, id, name)
		must(t, os.Chmod(path, mode))
		return path
	}
}

func chown(name string) damage {
	return func(t *testing.T, s *snapshot.Store, id snapshot.ID) string {
		path := below(s, id, name)
		must(t, os.Lchown(path, 12345, -1))
		return path
	}
}

func write(name, content string) damage {
	return func(t *testing.T, s *snapshot.Store, id snapshot.ID) string {
		path := below(s, id, name)
		must(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
}

func mkdir(name string) damage {
	return func(t *testing.T, s *snapshot.Store, id snapshot.ID) string {
		path := below(s, id, name)
		must(t, os.Mkdir(path, 0o700))
		return path
	}
}

// A store that has lost half of its directories is still checked, and all of them are named.
func TestManyDamages(t *testing.T) {
	s := newStore(t)
	id := publish(t, s, "one")
	for _, name := range []string{"snapshots", "leases", "staging", "objects"} {
		must(t, os.RemoveAll(filepath.Join(s.Dir(), name)))
	}
	r := run(t, s, true)
	var names []string
	for _, f := range r.Findings {
		names = append(names, f.Detail)
	}
	all := strings.Join(names, "\n")
	for _, want := range []string{"snapshots is missing", "leases is missing", "staging is missing", "objects is missing", "current points to snapshot " + id.Short()} {
		if !strings.Contains(all, want) {
			t.Errorf("not said: %s", want)
		}
	}
}

// A file in the place of all snapshots is damage, and no failure of the host.
func TestSnapshotsIsAFile(t *testing.T) {
	s := newStore(t)
	publish(t, s, "one")
	path := filepath.Join(s.Dir(), "snapshots")
	must(t, os.RemoveAll(path))
	must(t, os.WriteFile(path, nil, 0o600))
	r := run(t, s, true)
	if len(r.Findings) == 0 || !strings.Contains(r.Findings[0].Detail, "snapshots is not a directory") {
		t.Errorf("%+v", r.Findings)
	}
}

// What a power cut leaves of a lease that was not synced is no damage.
func TestTornLeaseIsNoDamage(t *testing.T) {
	s := newStore(t)
	id := publish(t, s, "one")
	write("leases/0123456789abcdef0123456789abcdef.json", "")(t, s, id)
	write("leases/1123456789abcdef0123456789abcdef.json", "\x00\x00\x00")(t, s, id)
	if r := run(t, s, false); len(r.Findings) != 0 {
		t.Errorf("%v", r.Findings)
	}
}

// A first build that is at work, or was killed before its last step, has published nothing yet.
func TestFirstBuildIsNoDamage(t *testing.T) {
	s := newStore(t)
	id := publish(t, s, "one")
	must(t, os.Remove(filepath.Join(s.Dir(), "current")))
	must(t, os.Mkdir(filepath.Join(s.Dir(), "staging", "build-killed"), 0o700))
	if r := run(t, s, true); len(r.Findings) != 0 {
		t.Errorf("%v", r.Findings)
	}
	// Whoever locks the store next ends it.
	lock, err := s.Lock()
	must(t, err)
	must(t, lock.Unlock())
	if cur, err := s.Current(); err != nil || cur != id {
		t.Errorf("current is %v, %v", cur, err)
	}
	if r := run(t, s, true); len(r.Findings) != 0 {
		t.Errorf("%v", r.Findings)
	}
}

// Damage in one snapshot is no finding about another.
func TestOneSnapshot(t *testing.T) {
	s := newStore(t)
	a := publish(t, s, "only a", "shared")
	b := publish(t, s, "only b", "shared")
	must(t, os.Remove(filepath.Join(s.ObjectsDir(), snapshot.Object{Digest: snapshot.Sum([]byte("only a")), Exec: true}.Path())))
	if r := run(t, s, true, b); len(r.Findings) != 0 || r.Snapshots != 1 {
		t.Errorf("%+v", r)
	}
	if r := run(t, s, true, a); len(r.Findings) != 1 || len(r.Findings[0].IDs) != 1 || r.Findings[0].IDs[0] != a {
		t.Errorf("%+v", r)
	}
}

// F55: no false alarm while snapshots come and go.
func TestBesideBuildsAndGC(t *testing.T) {
	s := newStore(t)
	publish(t, s, "start")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			publish(t, s, fmt.Sprint("new ", i), fmt.Sprint("more ", i))
			if _, err := gc.Run(t.Context(), s, gc.Options{Keep: 1}); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() { // hooks
		for {
			select {
			case <-stop:
				return
			default:
			}
			cur, err := s.Current()
			if err == nil {
				err = s.AcquireLease(snapshot.Lease{Container: "c", Snapshot: cur, PID: 1, Time: time.Now()})
			}
			if err != nil && !errors.Is(err, snapshot.ErrNoSnapshot) && !errors.Is(err, snapshot.ErrDamaged) {
				t.Error(err)
			}
			must(t, s.DropLease("c"))
		}
	})
	for i := range 60 {
		if r := run(t, s, i%2 == 0); len(r.Findings) != 0 {
			t.Errorf("false alarm: %v", r.Findings)
			break
		}
	}
	close(stop)
	wg.Wait()
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	fi, err := os.Stat(path)
	must(t, err)
	must(t, os.Chmod(path, 0o600))
	must(t, os.Truncate(path, size))
	must(t, os.Chmod(path, fi.Mode()))
}

func must1[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func flip(t *testing.T, path string, off int64) {
	t.Helper()
	fi, err := os.Stat(path)
	must(t, err)
	must(t, os.Chmod(path, 0o600))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	var b [1]byte
	_, err = f.ReadAt(b[:], off)
	must(t, err)
	b[0] ^= 1
	_, err = f.WriteAt(b[:], off)
	must(t, err)
	must(t, os.Chmod(path, fi.Mode()))
}
