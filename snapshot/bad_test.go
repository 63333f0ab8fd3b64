package snapshot

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestBadIsNotUsed(t *testing.T) {
	s := newStore(t)
	one, two, three := publish(t, s, "one"), publish(t, s, "two"), publish(t, s, "three")
	usable := func(ref string, want ID, says string) {
		t.Helper()
		id, instead, err := s.Usable(ref)
		if err != nil || id != want || (instead != nil) != (says != "") || instead != nil && !strings.Contains(instead.Error(), says) {
			t.Errorf("%s: %s, %v, %v", ref, id.Short(), instead, err)
		}
	}
	usable("current", three, "")
	must(t, s.MarkDamaged(three, "object ab/cd is gone", []Object{{Digest: Sum([]byte("three"))}}))
	usable("current", two, three.Short()+", which is marked bad: the newest good one, "+two.Short()+" (damaged: object ab/cd is gone)")
	must(t, s.MarkRevoked(two, []string{"evil 1.0 (it steals)"}))
	usable("current", one, "the newest good one, "+one.Short())
	usable(one.String(), one, "")
	_, _, err := s.Usable("previous")
	mustFail(t, err, ErrDamaged, "snapshot "+two.Short()+" is marked bad: revoked: evil 1.0 (it steals)")
	_, _, err = s.Usable(three.String())
	mustFail(t, err, ErrDamaged, "object ab/cd is gone")
	must(t, s.MarkRevoked(one, []string{"evil 1.0", "evil 1.0", "worse 2", "worst 3", "worst 3", "last 4"}))
	_, _, err = s.Usable("current")
	mustFail(t, err, ErrDamaged, "there is no good one")

	all, err := s.List()
	must(t, err)
	if all[0].Bad.Damage == "" || all[0].Bad.Since.IsZero() || !strings.HasSuffix(all[2].Bad.String(), "worst 3 and 1 more") {
		t.Errorf("list: %+v", all)
	}
	must(t, s.MarkRevoked(one, nil))
	must(t, s.MarkRevoked(one, nil)) // it has none
	usable("current", one, "the newest")
}

// What nobody can read is bad, whatever it said, and no build takes it away.
func TestUnreadableMark(t *testing.T) {
	s := newStore(t)
	one, two := publish(t, s, "one"), publish(t, s, "two")
	for _, text := range []string{"", "{", "{}", "[]", `{"since":7}`} {
		must(t, os.RemoveAll(s.BadPath(two)))
		must(t, os.WriteFile(s.BadPath(two), []byte(text), 0o444))
		publish(t, s, "two")
		if id, instead, err := s.Usable("current"); err != nil || id != one || !strings.Contains(instead.Error(), "bad.json cannot be read") {
			t.Errorf("%q: %s, %v, %v", text, id.Short(), instead, err)
		}
	}
	must(t, s.MarkDamaged(two, "", nil)) // somebody looked at all of it
	if b := s.Bad(two); b != nil {
		t.Errorf("still %v", b)
	}
}

// A read error that passes changes no mark.
func TestMarkThatCannotBeReadNow(t *testing.T) {
	s := newStore(t)
	id := publish(t, s, "one")
	must(t, s.MarkDamaged(id, "it lacks something", nil))
	withoutFiles(t, func() {
		if err := s.MarkRevoked(id, []string{"one 1"}); !errors.Is(err, unix.EMFILE) {
			t.Errorf("marked: %v", err)
		}
		if b := s.Bad(id); b == nil || !errors.Is(b.Unreadable, unix.EMFILE) {
			t.Errorf("read as %v", b)
		}
	})
	if b := s.Bad(id); b == nil || b.Damage != "it lacks something" {
		t.Errorf("the mark is %v", b)
	}
}

// A build that finds whole what was damaged takes the mark away, of every snapshot that lacked it;
// what a mark names is read first, whatever its size and mode say.
func TestBuildMendsMarks(t *testing.T) {
	s := newStore(t)
	one, two := publish(t, s, "shared", "own"), publish(t, s, "shared", "two")
	shared := Object{Digest: Sum([]byte("shared"))}
	path := filepath.Join(s.ObjectsDir(), shared.Path())
	must(t, os.Chmod(path, 0o644))
	must(t, os.WriteFile(path, []byte("SHARED"), 0))
	must(t, os.Chmod(path, 0o444))
	for _, id := range []ID{one, two} {
		must(t, s.MarkDamaged(id, "it holds other bytes", []Object{shared}))
	}
	must(t, s.MarkRevoked(one, []string{"own 1"}))

	st, err := s.Begin(t.Context())
	must(t, err)
	if _, ok := st.Has(shared); ok {
		t.Error("the damaged object counts as there")
	}
	must(t, st.Close())
	if s.Bad(two) == nil {
		t.Error("good without a build")
	}
	publish(t, s, "shared", "two")
	if b := s.Bad(two); b != nil {
		t.Errorf("after the build: %v", b)
	}
	if b := s.Bad(one); b == nil || b.Damage != "" || len(b.Objects) > 0 || len(b.Revoked) != 1 {
		t.Errorf("of the other: %v", b)
	}
	if _, err := s.CheckObject(shared); err != nil {
		t.Error(err)
	}
	must(t, os.Remove(path))
	must(t, s.MarkDamaged(two, "it is gone", []Object{shared}))
	publish(t, s, "something else")
	if s.Bad(two) == nil {
		t.Error("good, and its object is missing")
	}
}
