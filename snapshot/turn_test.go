package snapshot

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// isAt compares current, previous and what is held; zero stands for none.
func isAt(t *testing.T, s *Store, what string, current, previous, held ID) {
	t.Helper()
	cur, err := s.Current()
	if err != nil || cur != current {
		t.Errorf("%s: current is %s, want %s (%v)", what, cur.Short(), current.Short(), err)
	}
	prev, err := s.Resolve("previous")
	if prev != previous || previous.IsZero() != errors.Is(err, ErrNoSnapshot) || err != nil && !previous.IsZero() {
		t.Errorf("%s: previous is %s, want %s (%v)", what, prev.Short(), previous.Short(), err)
	}
	if h, err := s.Held(); err != nil || h != held {
		t.Errorf("%s: held is %s, want %s (%v)", what, h.Short(), held.Short(), err)
	}
}

// unused publishes without making current.
func unused(t *testing.T, s *Store, content string) (ID, bool) {
	t.Helper()
	st, err := s.Begin(t.Context())
	must(t, err)
	defer st.Close()
	st.LeaveCurrent = true
	id, isNew, err := st.Publish(func(f *os.File) error { _, err := f.WriteString(content); return err }, nil)
	must(t, err)
	return id, isNew
}

func TestPreviousIsWhatWasCurrent(t *testing.T) {
	s := newStore(t)
	none := ID{}
	a := publish(t, s, "a")
	isAt(t, s, "first", a, none, none)
	b := publish(t, s, "b")
	isAt(t, s, "second", b, a, none)
	c := publish(t, s, "c")
	isAt(t, s, "third", c, b, none)
	must(t, s.Use(a))
	isAt(t, s, "used the oldest", a, c, none)
	must(t, s.Use(a))
	isAt(t, s, "used it twice", a, c, none)
	d := publish(t, s, "d")
	isAt(t, s, "published after a use", d, a, none)
	publish(t, s, "d")
	isAt(t, s, "published the same", d, a, none)
	must(t, s.Use(a))
	isAt(t, s, "went back", a, d, none)
	must(t, s.Use(d))
	isAt(t, s, "and forth", d, a, none)
	publish(t, s, "b")
	isAt(t, s, "an old one published again", b, d, none)
	must(t, os.Rename(s.SnapshotDir(d), s.join(trashName, "d")))
	if _, err := s.Resolve("previous"); !errors.Is(err, ErrNoSnapshot) || !strings.Contains(err.Error(), "gone") {
		t.Error("previous is gone:", err)
	}
}

func TestLeaveCurrent(t *testing.T) {
	s := newStore(t)
	a, isNew := unused(t, s, "a")
	if !isNew {
		t.Error("the first is not new")
	}
	isAt(t, s, "the first of a store", a, ID{}, ID{})
	b, isNew := unused(t, s, "b")
	if _, err := os.Stat(s.ImagePath(b)); err != nil || !isNew {
		t.Error("not published:", isNew, err)
	}
	isAt(t, s, "unused", a, ID{}, ID{})
	if again, isNew := unused(t, s, "b"); again != b || isNew {
		t.Error("the same again:", again.Short(), isNew)
	}
	must(t, s.Use(b))
	isAt(t, s, "used", b, a, ID{})
}

func TestHold(t *testing.T) {
	s := newStore(t)
	a := publish(t, s, "a")
	b := publish(t, s, "b")
	must(t, s.Hold(a))
	isAt(t, s, "held", a, b, a)
	c := publish(t, s, "c") // a build of before: it knows nothing of holds
	isAt(t, s, "published while held", a, b, a)
	must(t, s.Use(a))
	isAt(t, s, "used again", a, b, a)
	mustFail(t, s.Use(c), ErrHeld, a.Short())
	must(t, s.Hold(c))
	isAt(t, s, "another is held", c, a, c)
	id, err := s.Release()
	if err != nil || id != c {
		t.Error(id, err)
	}
	isAt(t, s, "released", c, a, ID{})
	d := publish(t, s, "d")
	isAt(t, s, "published after", d, c, ID{})
	must(t, s.Use(c))
	isAt(t, s, "the hold does not come back", c, d, ID{})
	must(t, s.Hold(c))
	isAt(t, s, "current is held", c, d, c)
}

// A kill or a power cut between the two steps of a switch leaves what was there before it: also
// what was previous, and which was held.
func TestTurnKilledBetweenItsSteps(t *testing.T) {
	s := newStore(t)
	a, b, c := publish(t, s, "a"), publish(t, s, "b"), publish(t, s, "c")
	for _, hold := range []bool{false, true} {
		must(t, s.noteTurn(a, hold))
		isAt(t, s, "noted, not switched", c, b, ID{})
	}
	must(t, s.Use(b)) // the next one does not inherit the hold
	isAt(t, s, "the next", b, c, ID{})
	must(t, s.noteTurn(a, true))
	must(t, s.setCurrent(a))
	isAt(t, s, "switched", a, b, a)
	must(t, os.WriteFile(s.join(stagingName, turnsName), []byte("torn"), 0o600)) // and one within the first
	must(t, s.Hold(c))
	isAt(t, s, "over what a kill left", c, a, c)
}

// While what is noted cannot be read nobody knows whether current is held: nothing switches it but
// who says so.
func TestTurnsCannotBeRead(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"junk":  func(path string) error { return os.WriteFile(path, []byte("{"), 0o600) },
		"empty": func(path string) error { return os.Truncate(path, 0) },
		"fifo":  func(path string) error { return errors.Join(os.Remove(path), unix.Mkfifo(path, 0o600)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			a, b := publish(t, s, "a"), publish(t, s, "b")
			must(t, damage(s.join(turnsName)))
			mustFail(t, s.CheckTurns(), ErrDamaged, "current.json")
			mustFail(t, s.Use(a), ErrDamaged)
			_, err := s.Previous()
			mustFail(t, err, ErrDamaged)
			_, err = s.Begin(t.Context())
			mustFail(t, err, ErrDamaged)
			must(t, s.Hold(a))
			isAt(t, s, "held", a, b, a)
			must(t, damage(s.join(turnsName)))
			_, err = s.Release()
			must(t, err)
			isAt(t, s, "released", a, ID{}, ID{})
		})
	}
	t.Run("current is lost too", func(t *testing.T) {
		s := newStore(t)
		a := publish(t, s, "a")
		must(t, os.Remove(s.join(currentName)))
		must(t, s.Use(a))
		isAt(t, s, "used", a, ID{}, ID{})
	})
}
