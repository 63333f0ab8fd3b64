package snapshot

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// An image of these tests is a list of object paths: package image has the real ones.
func build(ctx context.Context, s *Store, contents ...string) (ID, bool, error) {
	st, err := s.Begin(ctx)
	if err != nil {
		return ID{}, false, err
	}
	defer st.Close()
	var objects []Object
	for i, c := range contents {
		w, err := st.NewObject()
		if err != nil {
			return ID{}, false, err
		}
		if _, err := io.WriteString(w, c); err != nil {
			return ID{}, false, err
		}
		o, _, err := w.Commit(i%2 == 1)
		if err != nil {
			return ID{}, false, err
		}
		objects = append(objects, o)
	}
	if len(objects) > 0 {
		if err := st.Keep(objects[0]); err != nil {
			return ID{}, false, err
		}
	}
	afterStep("staged")
	return st.Publish(func(w *os.File) error {
		for _, o := range objects {
			if _, err := fmt.Fprintln(w, o.Path()); err != nil {
				return err
			}
		}
		return nil
	}, map[string]string{"cp311": "3.11.2"})
}

func publish(t testing.TB, s *Store, contents ...string) ID {
	t.Helper()
	id, _, err := build(t.Context(), s, contents...)
	must(t, err)
	return id
}

// checkStore is INV: what must be true of a store after anything. acked are the ids whose publish
// returned.
func checkStore(t *testing.T, dir string, acked ...ID) {
	t.Helper()
	s, err := Open(dir)
	must(t, err)
	all, err := s.List()
	must(t, err)
	var ids []ID
	sequences := map[int64]bool{}
	for _, p := range all {
		ids = append(ids, p.ID)
		if p.Sequence < 1 || sequences[p.Sequence] {
			t.Errorf("snapshot %s has sequence %d", p.ID.Short(), p.Sequence)
		}
		sequences[p.Sequence] = true
		f, err := os.Open(s.ImagePath(p.ID))
		must(t, err)
		h := sha256.New()
		sc := bufio.NewScanner(io.TeeReader(f, h))
		for sc.Scan() {
			o, err := ParseObject(sc.Text())
			must(t, err)
			b, err := os.ReadFile(filepath.Join(s.ObjectsDir(), o.Path()))
			if err != nil || Sum(b) != o.Digest {
				t.Errorf("snapshot %s: object %s: %v, digest %s", p.ID.Short(), o, err, Sum(b))
			}
		}
		f.Close()
		if ID(h.Sum(nil)) != p.ID {
			t.Errorf("image of %s has another digest", p.ID.Short())
		}
	}
	for _, id := range acked {
		if !slices.Contains(ids, id) {
			t.Errorf("acknowledged snapshot %s is lost", id.Short())
		}
	}
	if len(acked) > 0 {
		if _, err := s.Current(); err != nil {
			t.Error(err)
		}
	}
	must(t, filepath.WalkDir(s.ObjectsDir(), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(s.ObjectsDir(), p)
		o, err := ParseObject(rel)
		must(t, err)
		b, err := os.ReadFile(p)
		if err != nil || Sum(b) != o.Digest {
			t.Errorf("object %s holds other bytes", rel)
		}
		fi, _ := d.Info()
		if fi.Mode() != fs.FileMode(o.Mode()) || !fi.ModTime().Equal(time.Unix(Epoch, 0)) {
			t.Errorf("object %s: mode %v, time %v", rel, fi.Mode(), fi.ModTime())
		}
		return nil
	}))
}

// checkTidy: nothing is left in staging and trash but the holder's note.
func checkTidy(t *testing.T, s *Store) {
	t.Helper()
	for _, dir := range []string{stagingName, trashName} {
		entries, err := os.ReadDir(s.join(dir))
		must(t, err)
		for _, e := range entries {
			if e.Name() != holderName {
				t.Errorf("left in %s: %s", dir, e.Name())
			}
		}
	}
}

// A store with snapshots has lost its current one, but for the moment in which a first build has
// still to switch it.
func TestCurrentLost(t *testing.T) {
	s := newStore(t)
	publish(t, s, "one")
	must(t, os.Remove(s.CurrentPath()))
	for _, ref := range []string{"current", "previous"} {
		_, err := s.Resolve(ref)
		var hinted interface{ Hint() string }
		if !errors.Is(err, ErrDamaged) || !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), "larder use SNAPSHOT") {
			t.Errorf("%s: %v", ref, err)
		}
	}
	must(t, os.Mkdir(s.join(stagingName, buildPrefix+"1"), 0o700))
	if _, err := s.Current(); !errors.Is(err, ErrNoSnapshot) {
		t.Error("beside a first build:", err)
	}
}

// A store's first publish that fails to make its snapshot current has not lost one: who locks the
// store next does it.
func TestFirstSwitchFails(t *testing.T) {
	s := newStore(t)
	must(t, os.Mkdir(s.CurrentPath(), 0o755)) // in the way of the rename
	id, _, err := build(t.Context(), s, "one")
	if err == nil {
		t.Fatal("published", id.Short())
	}
	must(t, os.Remove(s.CurrentPath()))
	if _, err := s.Current(); !errors.Is(err, ErrNoSnapshot) {
		t.Error("before the next lock:", err)
	}
	lock, err := s.Lock()
	must(t, err)
	must(t, lock.Unlock())
	if _, err := s.Current(); err != nil {
		t.Error("after it:", err)
	}
	must(t, s.EmptyTrash(t.Context()))
	checkTidy(t, s)
}

func TestPublish(t *testing.T) {
	s := newStore(t)
	if _, err := s.Current(); !errors.Is(err, ErrNoSnapshot) {
		t.Error("current of an empty store:", err)
	}
	a, isNew, err := build(t.Context(), s, "one", "two")
	must(t, err)
	if !isNew {
		t.Error("the first snapshot is not new")
	}
	checkTidy(t, s)
	again, isNew, err := build(t.Context(), s, "one", "two")
	must(t, err)
	if again != a || isNew {
		t.Errorf("same content: %s new=%v, want %s and not new", again.Short(), isNew, a.Short())
	}
	b := publish(t, s, "one", "three", strings.Repeat("big", 1<<20))
	all, err := s.List()
	must(t, err)
	if len(all) != 2 || all[0].ID != b || all[1].ID != a || all[0].Sequence != 2 || all[0].Interpreters["cp311"] != "3.11.2" {
		t.Errorf("list: %+v", all)
	}
	for ref, want := range map[string]ID{"current": b, "previous": a, a.String(): a, a.Short(): a, b.String()[:8]: b} {
		if got, err := s.Resolve(ref); err != nil || got != want {
			t.Errorf("resolve %s: %v %v", ref, got.Short(), err)
		}
	}
	for _, ref := range []string{"", "..", "-x", "*", "abc", "../../etc", strings.Repeat("f", 64), strings.Repeat("0", 65), "ABCDEF0123", "a\nb"} {
		if _, err := s.Resolve(ref); err == nil {
			t.Errorf("resolved %q", ref)
		} else {
			mustFail(t, err, ErrNoSnapshot)
		}
	}
	// The id exists and is not current: publishing switches, and makes no second one.
	if id, isNew, err := build(t.Context(), s, "one", "two"); err != nil || id != a || !isNew {
		t.Error(id.Short(), isNew, err)
	}
	if cur, _ := s.Current(); cur != a {
		t.Error("publish did not switch back")
	}
	must(t, s.Use(b))
	if cur, _ := s.Current(); cur != b {
		t.Error("use did not switch")
	}
	mustFail(t, s.Use(ID{1}), ErrNoSnapshot)
	checkStore(t, s.Dir(), a, b)
	checkTidy(t, s)
}

func TestPublishFailsWhole(t *testing.T) {
	s := newStore(t)
	a := publish(t, s, "one")
	st, err := s.Begin(t.Context())
	must(t, err)
	_, err = st.PutBytes([]byte("orphan"), false)
	must(t, err)
	boom := errors.New("boom")
	if _, _, err := st.Publish(func(*os.File) error { return boom }, nil); !errors.Is(err, boom) {
		t.Error(err)
	}
	must(t, st.Close())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := build(ctx, s, "two"); !errors.Is(err, context.Canceled) {
		t.Error("a cancelled build published:", err)
	}
	if cur, _ := s.Current(); cur != a {
		t.Error("current moved")
	}
	checkStore(t, s.Dir(), a)
	checkTidy(t, s)
}

// Objects that got their names and no sync are for the next build to make last: the stage stays,
// as after a kill.
func TestFailedRenameLeavesTheStage(t *testing.T) {
	s := newStore(t)
	st, err := s.Begin(t.Context())
	must(t, err)
	o, err := st.PutBytes([]byte("one"), false)
	must(t, err)
	must(t, os.RemoveAll(s.join(objectsName, o.Path()[:2])))
	if _, _, err := st.Publish(func(*os.File) error { return nil }, nil); err == nil {
		t.Fatal("published into nothing")
	}
	must(t, st.Close())
	if _, err := os.Stat(st.dir); err != nil {
		t.Error("the stage is gone:", err)
	}
	must(t, os.Mkdir(s.join(objectsName, o.Path()[:2]), 0o755))
	publish(t, s, "one")
	checkStore(t, s.Dir())
	checkTidy(t, s)
}

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	dir, step := os.Getenv("LARDER_TEST_STORE"), os.Getenv("LARDER_TEST_KILL")
	if dir == "" {
		os.Exit(m.Run())
	}
	afterStep = func(name string) {
		if name == step {
			_ = unix.Kill(os.Getpid(), unix.SIGKILL)
			select {}
		}
	}
	s, err := OpenOrCreate(dir)
	if err == nil {
		_, _, err = build(context.Background(), s, "new one", "shared", strings.Repeat("new big", 100_000))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func runBuild(t *testing.T, dir, killAt string) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "LARDER_TEST_STORE="+dir, "LARDER_TEST_KILL="+killAt)
	out, err := cmd.CombinedOutput()
	if len(out) > 0 {
		t.Logf("%s", out)
	}
	return err
}

// F01: a build killed after any step leaves the old snapshot or the new one, and the same build
// run again succeeds.
func TestPublishKilledAtEveryStep(t *testing.T) {
	steps := []string{"staged"}
	for _, s := range publishSteps {
		steps = append(steps, s.name)
	}
	for _, fresh := range []bool{true, false} {
		for _, step := range steps {
			t.Run(fmt.Sprintf("fresh=%v/%s", fresh, step), func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(t.TempDir(), "store")
				s, err := OpenOrCreate(dir)
				must(t, err)
				var acked []ID
				if !fresh {
					acked = append(acked, publish(t, s, "old one", "shared"))
				}
				err = runBuild(t, dir, step)
				var exit *exec.ExitError
				if !errors.As(err, &exit) || exit.Sys().(interface{ Signaled() bool }).Signaled() == false {
					t.Fatal("the build was not killed:", err)
				}
				checkStore(t, dir, acked...)
				before, _ := s.Current()
				must(t, runBuild(t, dir, ""))
				after, err := s.Current()
				must(t, err)
				if step != "switch" && before == after {
					t.Error("the second run published nothing")
				}
				checkStore(t, dir, append(acked, after)...)
				checkTidy(t, s)
			})
		}
	}
}

// F02: killed at any moment.
func TestPublishKilledAtRandom(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s, err := OpenOrCreate(dir)
	must(t, err)
	acked := []ID{publish(t, s, "old one", "shared")}
	for i := range 20 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "LARDER_TEST_STORE="+dir)
		must(t, cmd.Start())
		time.Sleep(time.Duration(i) * 2 * time.Millisecond)
		_ = cmd.Process.Kill()
		if cmd.Wait() == nil {
			cur, err := s.Current()
			must(t, err)
			acked = append(acked, cur)
		}
		checkStore(t, dir, acked...)
		must(t, s.Use(acked[0])) // so that there is something to do again
	}
}

// What a power cut cannot be tested for here is the order itself: this reads it from the kernel's
// point of view, by the names of the steps.
func TestPublishOrder(t *testing.T) {
	var names []string
	afterStep = func(name string) { names = append(names, name) }
	defer func() { afterStep = func(string) {} }()
	publish(t, newStore(t), "one")
	want := "staged,image,sync staged,rename objects,sync objects,describe,rename snapshot,sync snapshots,mend marks,note turn,switch"
	if got := strings.Join(names, ","); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
