package gc

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"larder/snapshot"
	"larder/snapshot/check"
	"larder/snapshot/image"
)

func newStore(t *testing.T) *snapshot.Store {
	t.Helper()
	s, err := snapshot.OpenOrCreate(filepath.Join(t.TempDir(), "store"))
	must(t, err)
	t.Cleanup(func() {
		if r, err := check.Run(t.Context(), s, nil, check.Options{Full: true}); err != nil || len(r.Findings) > 0 {
			if !t.Failed() && t.Context().Err() == nil && !strings.Contains(t.Name(), "Damaged") {
				t.Errorf("the store is damaged afterwards: %v %+v", err, r.Findings)
			}
		}
	})
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// publish makes a snapshot of files with these contents.
func publish(t testing.TB, s *snapshot.Store, contents ...string) snapshot.ID {
	t.Helper()
	st, err := s.Begin(t.Context())
	must(t, err)
	defer st.Close()
	tree := image.NewTree()
	for i, c := range contents {
		o, err := st.PutBytes([]byte(c), false)
		must(t, err)
		must(t, tree.File(fmt.Sprintf("views/v/%d", i), o, int64(len(c)), snapshot.Epoch))
	}
	m, err := (&snapshot.Manifest{Views: []string{"v"}}).Encode()
	must(t, err)
	o, err := st.PutBytes(m, false)
	must(t, err)
	must(t, tree.File(snapshot.ManifestPath, o, int64(len(m)), snapshot.Epoch))
	id, _, err := st.Publish(func(w *os.File) error { return tree.Write(w) }, nil)
	must(t, err)
	return id
}

func collect(t testing.TB, s *snapshot.Store, opts Options) *Report {
	t.Helper()
	r, err := Run(t.Context(), s, opts)
	must(t, err)
	return r
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func objectOf(content string) snapshot.Object {
	return snapshot.Object{Digest: snapshot.Sum([]byte(content))}
}

func TestRun(t *testing.T) {
	s := newStore(t)
	a := publish(t, s, "only a", "shared")
	b := publish(t, s, "only b", "shared")
	c := publish(t, s, "only c", "shared")

	if _, err := Run(t.Context(), s, Options{Keep: 0}); !errors.Is(err, ErrOptions) {
		t.Error("keep 0:", err)
	}
	dry := collect(t, s, Options{Keep: 1, DryRun: true})
	if len(dry.Removed) != 2 || !exists(s.ImagePath(a)) || !exists(s.ImagePath(b)) {
		t.Errorf("dry run: %+v", dry)
	}
	if r := collect(t, s, Options{Keep: 3}); len(r.Removed) != 0 || r.Objects != 0 {
		t.Errorf("keep 3 removed: %+v", r)
	}
	if r := collect(t, s, Options{Keep: 1, OlderThan: time.Hour}); len(r.Removed) != 0 {
		t.Errorf("too young, and removed: %+v", r)
	}
	r := collect(t, s, Options{Keep: 2})
	if len(r.Removed) != 1 || r.Removed[0].ID != a || r.Objects != 1 || exists(s.SnapshotDir(a)) {
		t.Errorf("keep 2: %+v", r)
	}
	if exists(filepath.Join(s.ObjectsDir(), objectOf("only a").Path())) || !exists(filepath.Join(s.ObjectsDir(), objectOf("shared").Path())) {
		t.Error("swept the wrong objects")
	}
	// current stays, also when it is not among the newest.
	must(t, s.Use(b))
	if r := collect(t, s, Options{Keep: 1}); len(r.Removed) != 0 {
		t.Errorf("removed current: %+v", r)
	}
	must(t, s.Use(c))
	r = collect(t, s, Options{Keep: 1})
	if len(r.Removed) != 1 || r.Removed[0].ID != b || r.Bytes == 0 || len(r.Kept) != 1 {
		t.Errorf("keep 1: %+v", r)
	}
	if r := collect(t, s, Options{Keep: 1}); len(r.Removed)+r.Objects+len(r.Warnings) != 0 {
		t.Errorf("twice: %+v", r)
	}
}

// A bad snapshot is none of the newest: the good one that is used in its place stays.
func TestRunCountsGoodOnes(t *testing.T) {
	s := newStore(t)
	a, b, c, d := publish(t, s, "a"), publish(t, s, "b"), publish(t, s, "c"), publish(t, s, "d")
	for _, id := range []snapshot.ID{c, d} {
		must(t, s.MarkRevoked(id, []string{"evil 1.0"}))
	}
	defer s.MarkRevoked(d, nil)
	r := collect(t, s, Options{Keep: 1})
	if !exists(s.ImagePath(d)) || !exists(s.ImagePath(b)) || exists(s.ImagePath(a)) || exists(s.ImagePath(c)) || len(r.Removed) != 2 {
		t.Errorf("%+v", r)
	}
}

// What larder use previous would get is there, whatever was published since, unless only one is to
// be left.
func TestRunKeepsPrevious(t *testing.T) {
	s := newStore(t)
	a, b := publish(t, s, "a"), publish(t, s, "b")
	c, d := publish(t, s, "c"), publish(t, s, "d")
	must(t, s.Use(a)) // so d is previous
	must(t, s.Use(b)) // and a is
	r := collect(t, s, Options{Keep: 2})
	if len(r.Removed) != 0 || len(r.Kept) != 4 || !strings.HasPrefix(r.Kept[3].Reason, "previous") {
		t.Errorf("%+v", r)
	}
	must(t, s.Hold(d))
	if r = collect(t, s, Options{Keep: 2}); len(r.Removed) != 1 || r.Removed[0].ID != a || !exists(s.ImagePath(b)) {
		t.Errorf("a third one is current: %+v", r)
	}
	must(t, os.WriteFile(filepath.Join(s.Dir(), "current.json"), []byte("{"), 0o600))
	if _, err := Run(t.Context(), s, Options{Keep: 2}); !errors.Is(err, snapshot.ErrDamaged) || !exists(s.ImagePath(b)) {
		t.Error("nobody knows which is previous:", err)
	}
	if r = collect(t, s, Options{Keep: 1}); len(r.Removed) != 2 || exists(s.ImagePath(c)) {
		t.Errorf("keep 1: %+v", r)
	}
	must(t, s.Hold(d))
}

func TestRunKeepsWhatIsUsed(t *testing.T) {
	s := newStore(t)
	a := publish(t, s, "a")
	publish(t, s, "b")
	keeps := func(what, why string) {
		t.Helper()
		r := collect(t, s, Options{Keep: 1})
		if len(r.Removed) != 0 || len(r.Kept) != 2 || !strings.Contains(r.Kept[1].Reason, why) {
			t.Errorf("%s: %+v", what, r)
		}
	}
	l, err := snapshot.ProcessLease("c1", a, os.Getpid())
	must(t, err)
	must(t, s.AcquireLease(l))
	keeps("a lease", `container "c1"`)
	must(t, s.DropLease("c1"))

	kept := filepath.Join(t.TempDir(), "instance")
	must(t, os.Mkdir(kept, 0o700))
	must(t, s.AcquireLease(snapshot.Lease{Container: "kept", Snapshot: a, Instance: kept}))
	keeps("a kept instance", "kept instance")
	must(t, s.DropLease("kept"))

	junk := filepath.Join(s.Dir(), "leases", "junk.json")
	must(t, os.WriteFile(junk, []byte("{"), 0o600))
	keeps("a lease nobody can read", "as far as anybody can tell")
	must(t, os.Remove(junk))

	f, err := os.Open(s.ImagePath(a))
	must(t, err)
	keeps("an open image", "in use")
	f.Close()

	if r := collect(t, s, Options{Keep: 1}); len(r.Removed) != 1 {
		t.Errorf("nothing holds it: %+v", r)
	}
}

// F34, F35, F36: what dead containers left goes; what live ones have stays.
func TestRunReaps(t *testing.T) {
	s := newStore(t)
	id := publish(t, s, "a")
	cmd := exec.Command("sleep", "100")
	must(t, cmd.Start())
	dead, err := snapshot.ProcessLease("dead", id, cmd.Process.Pid)
	must(t, err)
	must(t, cmd.Process.Kill())
	cmd.Wait()
	live, err := snapshot.ProcessLease("live", id, os.Getpid())
	must(t, err)
	reused := live
	reused.Container, reused.PIDStart = "reused", 1
	old := live
	old.Container, old.BootID = "old", "other boot"
	for _, l := range []snapshot.Lease{dead, live, reused, old} {
		must(t, s.AcquireLease(l))
		must(t, os.MkdirAll(filepath.Join(s.InstanceDir(l.Container), "u/some/thing"), 0o700))
	}
	must(t, os.MkdirAll(s.InstanceDir("released, and its directory forgotten"), 0o700))
	if r := collect(t, s, Options{Keep: 1, DryRun: true}); len(r.Reaped) != 3 || r.Instances != 1 || !exists(s.InstanceDir("dead")) {
		t.Errorf("dry run: %+v", r)
	}
	r := collect(t, s, Options{Keep: 1})
	if len(r.Reaped) != 3 || r.Instances != 1 {
		t.Errorf("reaped: %+v", r)
	}
	for _, c := range []string{"dead", "reused", "old"} {
		if exists(s.InstanceDir(c)) {
			t.Errorf("instance of %s is still there", c)
		}
	}
	if !exists(s.InstanceDir("live")) {
		t.Error("instance of a live container is gone")
	}
	leases, err := s.Leases()
	if err != nil || len(leases) != 1 {
		t.Error(leases, err)
	}
	must(t, s.DropLease("live"))
	// Somebody holds the instance's lock: a run whose lease was dropped by hand.
	lock, err := os.Open(s.InstanceDir("live"))
	must(t, err)
	defer lock.Close()
	must(t, flock(lock))
	if r := collect(t, s, Options{Keep: 1}); r.Instances != 0 || !exists(s.InstanceDir("live")) {
		t.Errorf("took a locked instance: %+v", r)
	}
}

// F33, F41, F49: on a damaged store gc deletes only what it can prove dead, and says what is wrong.
func TestRunOnADamagedStore(t *testing.T) {
	t.Run("no leases directory", func(t *testing.T) {
		s := newStore(t)
		a := publish(t, s, "a")
		publish(t, s, "b")
		must(t, os.RemoveAll(filepath.Join(s.Dir(), "leases")))
		if _, err := Run(t.Context(), s, Options{Keep: 1}); err == nil || !exists(s.ImagePath(a)) {
			t.Error("deleted without leases:", err)
		}
	})
	t.Run("a kept image is damaged", func(t *testing.T) {
		s := newStore(t)
		publish(t, s, "a")
		b := publish(t, s, "b")
		flip(t, s.ImagePath(b), 5000)
		r, err := Run(t.Context(), s, Options{Keep: 1})
		if !errors.Is(err, snapshot.ErrDamaged) || r.Objects != 0 || len(r.Removed) != 1 {
			t.Errorf("%v %+v", err, r)
		}
		for _, c := range []string{"a", "b"} {
			if !exists(filepath.Join(s.ObjectsDir(), objectOf(c).Path())) {
				t.Error("an object went")
			}
		}
	})
	t.Run("an old image is missing", func(t *testing.T) {
		s := newStore(t)
		a := publish(t, s, "a")
		publish(t, s, "b")
		must(t, os.Remove(s.ImagePath(a)))
		r, err := Run(t.Context(), s, Options{Keep: 1})
		if !errors.Is(err, snapshot.ErrDamaged) || r.Objects != 0 {
			t.Errorf("%v %+v", err, r)
		}
	})
	t.Run("current leads nowhere", func(t *testing.T) {
		s := newStore(t)
		a := publish(t, s, "a")
		publish(t, s, "b")
		must(t, os.Remove(filepath.Join(s.Dir(), "current")))
		must(t, os.Symlink("snapshots/../../x", filepath.Join(s.Dir(), "current")))
		if _, err := Run(t.Context(), s, Options{Keep: 1}); !errors.Is(err, snapshot.ErrDamaged) || !exists(s.ImagePath(a)) {
			t.Error(err)
		}
	})
	for name, damage := range map[string]func(current string) error{
		"missing": os.Remove,
		"dangling": func(current string) error {
			return errors.Join(os.Remove(current), os.Symlink("snapshots/"+snapshot.ID{9}.String(), current))
		},
	} {
		t.Run("current is "+name, func(t *testing.T) {
			s := newStore(t)
			a := publish(t, s, "a")
			b := publish(t, s, "b")
			must(t, damage(filepath.Join(s.Dir(), "current")))
			_, err := Run(t.Context(), s, Options{Keep: 1})
			var hinted interface{ Hint() string }
			if !errors.Is(err, snapshot.ErrDamaged) || errors.Is(err, snapshot.ErrNoSnapshot) || !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), "larder use") {
				t.Errorf("%v", err)
			}
			if !exists(s.ImagePath(a)) || !exists(s.ImagePath(b)) {
				t.Error("a snapshot went")
			}
			must(t, s.Use(a))
			if r := collect(t, s, Options{Keep: 1}); len(r.Kept) != 2 {
				t.Errorf("%+v", r)
			}
		})
	}
	t.Run("no snapshot yet", func(t *testing.T) { collect(t, newStore(t), Options{Keep: 1}) })
	t.Run("a published.json cannot be read", func(t *testing.T) {
		s := newStore(t)
		a, b := publish(t, s, "a"), publish(t, s, "b")
		publish(t, s, "c")
		must(t, os.Remove(filepath.Join(s.SnapshotDir(b), "published.json")))
		r := collect(t, s, Options{Keep: 1, OlderThan: time.Nanosecond})
		if len(r.Removed) != 1 || r.Removed[0].ID != a || !exists(s.ImagePath(b)) {
			t.Errorf("%+v", r)
		}
		if i := slices.IndexFunc(r.Kept, func(k Snapshot) bool { return k.ID == b }); i < 0 || !strings.Contains(r.Kept[i].Reason, "published.json") {
			t.Errorf("kept: %+v", r.Kept)
		}
	})
	t.Run("whether an instance is in use cannot be told", func(t *testing.T) {
		s := newStore(t)
		l, err := snapshot.ProcessLease("dead", publish(t, s, "a"), os.Getpid())
		must(t, err)
		l.PIDStart++
		must(t, s.AcquireLease(l))
		must(t, os.MkdirAll(s.InstanceDir("dead"), 0o700))
		must(t, os.MkdirAll(s.InstanceDir("of no lease"), 0o700))
		asked := 0
		for _, answer := range []struct {
			used bool
			err  error
		}{{true, nil}, {false, os.ErrPermission}} {
			r := collect(t, s, Options{Keep: 1, Mounted: func(string) (bool, error) { asked++; return answer.used, answer.err }})
			if len(r.Reaped)+r.Instances != 0 || len(r.Warnings) != 2 || !exists(s.InstanceDir("dead")) || !exists(s.InstanceDir("of no lease")) {
				t.Errorf("%+v", r)
			}
		}
		if asked != 4 {
			t.Errorf("asked %d times", asked)
		}
		// Its lock cannot be looked at: no directory.
		must(t, os.Remove(s.InstanceDir("dead")))
		must(t, os.Symlink("/", s.InstanceDir("dead")))
		if r := collect(t, s, Options{Keep: 1}); len(r.Reaped) != 0 || r.Instances != 1 || !exists(s.InstanceDir("dead")) {
			t.Errorf("%+v", r)
		}
	})
	t.Run("strangers in the pool", func(t *testing.T) {
		s := newStore(t)
		publish(t, s, "a")
		stranger := filepath.Join(s.ObjectsDir(), "ab", "README")
		must(t, os.WriteFile(stranger, nil, 0o600))
		must(t, os.Mkdir(filepath.Join(s.ObjectsDir(), objectOf("x").Path()), 0o700))
		r := collect(t, s, Options{Keep: 1})
		if len(r.Warnings) != 1 || !exists(stranger) || r.Objects != 1 {
			t.Errorf("%+v", r)
		}
	})
}

func TestRunRefusesDuringABuild(t *testing.T) {
	s := newStore(t)
	st, err := s.Begin(t.Context())
	must(t, err)
	defer st.Close()
	if _, err := Run(t.Context(), s, Options{Keep: 1}); !errors.Is(err, snapshot.ErrBusy) {
		t.Error(err)
	}
}

// F29: containers that look up current and take a lease while gc runs as fast as it can. A lease
// that was granted holds a whole snapshot until it is dropped.
func TestRunRacesLeases(t *testing.T) {
	s := newStore(t)
	for i := range 4 {
		publish(t, s, fmt.Sprint("start ", i))
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	granted, gone := 0, 0
	var mu sync.Mutex
	for g := range 4 {
		wg.Go(func() {
			name := fmt.Sprint("c", g)
			for {
				select {
				case <-stop:
					return
				default:
				}
				all, err := s.List()
				if err != nil || len(all) == 0 {
					t.Error(all, err)
					return
				}
				id := all[rand.IntN(len(all))].ID // also the oldest, which is about to go
				l, err := snapshot.ProcessLease(name, id, os.Getpid())
				if err != nil {
					t.Error(err)
					return
				}
				err = s.AcquireLease(l)
				if errors.Is(err, snapshot.ErrNoSnapshot) {
					mu.Lock()
					gone++
					mu.Unlock()
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				for range 3 {
					if !exists(s.ImagePath(id)) {
						// Set aside for a moment and put back is allowed; gone is not.
						time.Sleep(50 * time.Millisecond)
						if !exists(s.ImagePath(id)) {
							t.Errorf("a leased snapshot was deleted")
						}
					}
					time.Sleep(time.Millisecond)
				}
				mu.Lock()
				granted++
				mu.Unlock()
				if err := s.DropLease(name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	removed := 0
	for i := range 25 {
		publish(t, s, fmt.Sprint("round ", i))
		removed += len(collect(t, s, Options{Keep: 1}).Removed)
	}
	close(stop)
	wg.Wait()
	t.Logf("%d leases granted, %d times the snapshot was gone, %d snapshots removed", granted, gone, removed)
	if granted == 0 || removed == 0 {
		t.Error("nothing raced")
	}
}

func flip(t *testing.T, path string, off int64) {
	t.Helper()
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
	must(t, os.Chmod(path, 0o444))
}

// Leftovers: what is dead goes, also while a build runs; what the next build could use stays.
func TestRunLeftovers(t *testing.T) {
	s := newStore(t)
	old := publish(t, s, "old")
	id := publish(t, s, "new")
	dead, err := snapshot.ProcessLease("dead", id, os.Getpid())
	must(t, err)
	dead.BootID = "other boot"
	must(t, s.AcquireLease(dead))
	must(t, os.MkdirAll(filepath.Join(s.InstanceDir("dead"), "u/some/thing"), 0o700))
	must(t, os.MkdirAll(filepath.Join(s.Dir(), "trash/parked/u/some/thing"), 0o700))
	stray := filepath.Join(s.ObjectsDir(), objectOf("of a build that was killed").Path())
	must(t, os.WriteFile(stray, []byte("of a build that was killed"), 0o444))
	trash := func() int {
		entries, err := os.ReadDir(filepath.Join(s.Dir(), "trash"))
		must(t, err)
		return len(entries)
	}
	st, err := s.Lock()
	must(t, err)
	if r := collect(t, s, Options{Keep: 1, Leftovers: true}); len(r.Reaped) != 0 || len(r.Warnings) != 1 || trash() != 0 || !exists(s.InstanceDir("dead")) {
		t.Errorf("while a build runs: %+v, %d in the trash", r, trash())
	}
	must(t, st.Unlock())
	r := collect(t, s, Options{Keep: 1, Leftovers: true})
	if len(r.Reaped) != 1 || len(r.Warnings) != 0 || trash() != 0 || exists(s.InstanceDir("dead")) {
		t.Errorf("%+v, %d in the trash", r, trash())
	}
	if !exists(s.ImagePath(old)) || !exists(stray) {
		t.Error("it took a snapshot, or an object")
	}
	must(t, os.Chmod(stray, 0o600))
	must(t, os.Remove(stray))
}
