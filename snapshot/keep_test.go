package snapshot

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// countSyncs counts syncs of the file system until the test ends, and has those fail that fail says.
func countSyncs(t *testing.T, fail func(n int) error) *int {
	n, was := new(int), syncfs
	syncfs = func(fd int) error {
		*n++
		if err := fail(*n); err != nil {
			return err
		}
		return was(fd)
	}
	t.Cleanup(func() { syncfs = was })
	return n
}

func never(int) error { return nil }

// keepMany stages objects and keeps them, soon: however long that takes here, they have not waited yet.
func keepMany(t *testing.T, st *Stage, n int) (objects []Object) {
	t.Helper()
	for i := range n {
		o, err := st.PutBytes(fmt.Appendf(nil, "object %d", i), false)
		must(t, err)
		must(t, st.KeepSoon(o))
		st.keeping.since = time.Now().Add(time.Hour)
		objects = append(objects, o)
	}
	return objects
}

// inPool counts those objects that have their final names.
func inPool(s *Store, objects []Object) (n int) {
	for _, o := range objects {
		if _, err := s.CheckObject(o); err == nil {
			n++
		}
	}
	return n
}

// However many objects are kept, they share the one sync of the publish, and so they do where nothing is
// published: what came whole is there for the next build.
func TestKeepSoon(t *testing.T) {
	for _, count := range []int{10, 1000} {
		for _, published := range []bool{true, false} {
			s := newStore(t)
			st, err := s.Begin(t.Context())
			must(t, err)
			n := countSyncs(t, never)
			objects := keepMany(t, st, count)
			must(t, st.KeepSoon(objects[0])) // as of an artifact that two ask for
			if *n > 0 || inPool(s, objects) > 0 {
				t.Errorf("%d syncs for %d objects, of which %d are in the pool", *n, count, inPool(s, objects))
			}
			f, err := st.Open(objects[1])
			must(t, err)
			must(t, f.Close())
			if published {
				_, _, err = st.Publish(func(w *os.File) error { _, err := fmt.Fprintln(w, objects[0].Path()); return err }, nil)
				must(t, err)
			}
			must(t, st.Close())
			if *n != 1 || inPool(s, objects) != count {
				t.Errorf("published=%v: %d syncs for %d objects, of which %d are in the pool", published, *n, count, inPool(s, objects))
			}
			checkTidy(t, s)
		}
	}
}

// What waited long enough is kept with the next one, and is in the pool before anything is published; the
// directories that it is in are synced by the publish.
func TestKeepSoonInTime(t *testing.T) {
	s := newStore(t)
	st, err := s.Begin(t.Context())
	must(t, err)
	n := countSyncs(t, never)
	objects := keepMany(t, st, 10)
	st.keeping.since = time.Now().Add(-keepAfter)
	last, err := st.PutBytes([]byte("last"), false)
	must(t, err)
	must(t, st.KeepSoon(last))
	if *n != 1 || inPool(s, append(objects, last)) != 11 || len(st.keeping.dirs) == 0 {
		t.Errorf("%d syncs, %d in the pool, %d directories to be synced", *n, inPool(s, objects), len(st.keeping.dirs))
	}
	st.keeping.bytes = keepBytes // of others
	more, err := st.PutBytes([]byte("more"), false)
	must(t, err)
	must(t, st.KeepSoon(more))
	must(t, st.KeepSoon(last)) // it is there
	must(t, st.Keep(more))
	if *n != 2 || inPool(s, []Object{more}) != 1 {
		t.Errorf("%d syncs, and %s is not in the pool", *n, more)
	}
	_, _, err = st.Publish(func(w *os.File) error { _, err := fmt.Fprintln(w, more.Path()); return err }, nil)
	must(t, err)
	if len(st.keeping.dirs) > 0 {
		t.Error("directories were not synced")
	}
	must(t, st.Close())
	checkStore(t, s.Dir())
	checkTidy(t, s)
}

// A lost write is told once, to whoever syncs first: nothing that was staged is trusted from then on.
func TestLostWrite(t *testing.T) {
	s := newStore(t)
	was := publish(t, s, "old one")
	st, err := s.Begin(t.Context())
	must(t, err)
	n := countSyncs(t, func(n int) error {
		if n == 1 {
			return unix.EIO
		}
		return nil
	})
	objects := keepMany(t, st, 3)
	st.keeping.since = time.Now().Add(-keepAfter)
	if err := st.KeepSoon(objects[0]); !errors.Is(err, unix.EIO) {
		t.Error("kept what may be lost:", err)
	}
	if _, _, err := st.Publish(func(w *os.File) error { _, err := fmt.Fprintln(w, objects[0].Path()); return err }, nil); !errors.Is(err, unix.EIO) {
		t.Error("published what may be lost:", err)
	}
	_ = st.Close()
	if cur, _ := s.Current(); cur != was || inPool(s, objects) > 0 || *n != 1 {
		t.Errorf("current is %s, %d syncs, %d in the pool", cur.Short(), *n, inPool(s, objects))
	}
	checkStore(t, s.Dir(), was)

	// The same without a publish.
	st, err = s.Begin(t.Context())
	must(t, err)
	*n = 0
	objects = keepMany(t, st, 3)
	if err := st.Close(); !errors.Is(err, unix.EIO) {
		t.Error("not told:", err)
	}
	if inPool(s, objects) > 0 {
		t.Error("kept what may be lost")
	}
	checkStore(t, s.Dir(), was)
	checkTidy(t, s)
}
