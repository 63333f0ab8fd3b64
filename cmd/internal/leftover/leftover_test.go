package leftover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"larder/popularity/misses"
	leftovers "larder/popularity/pypi"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/pypi"
)

func init() {
	e := pypi.Ecosystem
	e.Leftovers = leftovers.Leftovers{}
	ecosystem.Register(e)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newStore(t *testing.T) *snapshot.Store {
	t.Helper()
	s, err := snapshot.Create(filepath.Join(t.TempDir(), "store"))
	must(t, err)
	return s
}

// park puts what a container of that name left into the trash: one download, and files beside it.
func park(t *testing.T, s *snapshot.Store, name string, files int) {
	t.Helper()
	upper := filepath.Join(s.TrashDir(), name, "pip/u")
	must(t, os.MkdirAll(filepath.Join(upper, "wheels/ab"), 0o755))
	must(t, os.WriteFile(filepath.Join(upper, "wheels/ab", name+"-1.0-py3-none-any.whl"), nil, 0o644))
	for i := range files {
		must(t, os.WriteFile(fmt.Sprintf("%s/%d", upper, i), nil, 0o644))
	}
}

func trashed(t *testing.T, s *snapshot.Store) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(s.TrashDir())
	must(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func missed(t *testing.T, s *snapshot.Store) string {
	t.Helper()
	r, _, err := misses.Load(s.MissesDir(), pypi.Name, time.Now())
	must(t, err)
	var names []string
	for _, e := range r.Entries {
		names = append(names, e.Project)
	}
	return strings.Join(names, " ")
}

// What is removed was read first; what there was no time to read stays, and is read another time.
func TestClear(t *testing.T) {
	s := newStore(t)
	park(t, s, "one", 100)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if err := Clear(ctx, s, "one"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if got := trashed(t, s); len(got) != 1 || got[0] != "one" || missed(t, s) != "" {
		t.Errorf("without time: %q in the trash, missed %q", got, missed(t, s))
	}
	must(t, Clear(t.Context(), s, "one"))
	if got := trashed(t, s); len(got) != 0 || missed(t, s) != "one" {
		t.Errorf("%q in the trash, missed %q", got, missed(t, s))
	}
	must(t, Clear(t.Context(), s, "one")) // somebody was faster
}

// What nobody removes is taken on a share at a time, until there is none; what is fresh is somebody's.
func TestStale(t *testing.T) {
	s := newStore(t)
	park(t, s, "fresh", 0)
	Stale(t.Context(), s, Untouched)
	if got := trashed(t, s); len(got) != 1 || missed(t, s) != "" {
		t.Errorf("fresh: %q in the trash, missed %q", got, missed(t, s))
	}
	park(t, s, "large", 30_000)
	park(t, s, "small", 3)
	shares := 0
	for len(trashed(t, s)) > 0 {
		begin := time.Now()
		Stale(t.Context(), s, 0)
		if took := time.Since(begin); took > 10*maxShare {
			t.Errorf("a share took %v", took)
		}
		if shares++; shares > 2000 {
			t.Fatalf("the trash never empties: %q", trashed(t, s))
		}
	}
	if shares < 2 {
		t.Error("one share took all")
	}
	// Of the large one, what was read in its share.
	if got := strings.Replace(missed(t, s), " large", "", 1); got != "fresh small" {
		t.Errorf("missed %q", got)
	}
}
