package gc

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"larder/snapshot"
)

// seal makes a private image, that was used some time ago.
func seal(t *testing.T, s *snapshot.Store, id snapshot.ID, name string, ago time.Duration) snapshot.Private {
	t.Helper()
	p, err := s.SealPrivate(id, snapshot.Sum([]byte(name)), snapshot.Private{}, func(f *os.File) error {
		_, err := f.WriteString(name)
		return err
	})
	must(t, err)
	was := time.Now().Add(-ago)
	must(t, os.Chtimes(filepath.Join(p.Dir, "sealed.json"), was, was))
	return p
}

// Private images stay as long as they are used: in the last two weeks, or by who has one open.
func TestRunTakesPrivate(t *testing.T) {
	s := newStore(t)
	id := publish(t, s, "a")
	fresh, stale, open := seal(t, s, id, "fresh", Unused-time.Hour), seal(t, s, id, "stale", Unused), seal(t, s, id, "open", 2*Unused)
	half := filepath.Join(s.PrivateDir(id), ".new-half")
	must(t, os.Mkdir(half, 0o700))
	must(t, os.WriteFile(filepath.Join(half, "image.erofs"), []byte("half"), 0o600))
	must(t, os.Mkdir(half+"-empty", 0o700))
	f, err := os.Open(open.ImagePath())
	must(t, err)

	if goes, err := RemovablePrivate(s, []snapshot.ID{id}); err != nil || len(goes) != 4 {
		t.Errorf("%+v, %v", goes, err)
	}
	if r := collect(t, s, Options{Keep: 1, DryRun: true}); r.Private != 3 || !exists(stale.Dir) || !exists(half) {
		t.Errorf("a dry run: %+v", r)
	}
	if r := collect(t, s, Options{Keep: 1}); r.Private != 3 || r.Bytes != int64(len("stale")+len("half")) {
		t.Errorf("%+v", r)
	}
	if !exists(fresh.Dir) || !exists(open.Dir) || exists(stale.Dir) || exists(half) {
		t.Error("it took others")
	}

	// Out of sight and in use: it waits for its end, by whatever name.
	gone, err := s.RetirePrivate(open)
	must(t, err)
	if r := collect(t, s, Options{Keep: 1}); r.Private != 0 || !exists(gone.Dir) {
		t.Errorf("%+v", r)
	}
	f.Close()
	if r := collect(t, s, Options{Keep: 1}); r.Private != 1 || exists(gone.Dir) || !exists(fresh.Dir) {
		t.Errorf("%+v", r)
	}
}

// A snapshot stays as long as one of its private images is in use, found by its name or not, and takes them with it.
func TestRunKeepsSnapshotOfPrivate(t *testing.T) {
	for _, retired := range []bool{false, true} {
		s := newStore(t)
		old := publish(t, s, "old")
		p := seal(t, s, old, "env", 0)
		publish(t, s, "new")
		f, err := os.Open(p.ImagePath())
		must(t, err)
		if retired {
			_, err = s.RetirePrivate(p)
			must(t, err)
		}
		r := collect(t, s, Options{Keep: 1})
		if len(r.Removed) != 0 || len(r.Kept) != 2 || !strings.Contains(r.Kept[1].Reason, "in use") {
			t.Errorf("retired %v: %+v", retired, r)
		}
		f.Close()
		if r = collect(t, s, Options{Keep: 1}); len(r.Removed) != 1 {
			t.Errorf("retired %v: %+v", retired, r)
		}
		if _, err := s.FindPrivate(old, snapshot.Sum([]byte("env"))); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("retired %v: its private image: %v", retired, err)
		}
	}
}
