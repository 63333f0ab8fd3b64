//go:build linux

package keep_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"larder/overlay"
	"larder/overlay/keep"
	"larder/overlay/overlaytest"
)

func unused(string) bool { return false }

// versions are three snapshots over one pool.
func versions(t testing.TB) (d keep.Dir, all [3]keep.Snapshot) {
	d, s := fixture(t)
	for i := range all {
		all[i] = s
		all[i].ID = strings.Repeat(string(rune('a'+i)), 64)
	}
	return d, all
}

func is(s keep.Snapshot) func() (keep.Snapshot, error) {
	return func() (keep.Snapshot, error) { return s, nil }
}

func wantKept(t *testing.T, d keep.Dir, objects string, want ...string) {
	t.Helper()
	if ids, err := d.List(objects); err != nil || !slices.Equal(ids, want) {
		t.Errorf("kept: %v, %v; want %v", ids, err, want)
	}
}

func TestMountFollow(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	d, s := versions(t)
	a, b, c := s[0], s[1], s[2]
	alice := overlay.Owner{UID: 1000, GID: 100}
	never := func() (keep.Snapshot, error) { t.Error("asked what is current"); return a, nil }

	must(t, d.Follow(t.Context(), a.Objects, never, unused)) // none is kept
	if _, err := os.Stat(string(d)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the run directory was made: %v", err)
	}
	_, other := fixture(t)
	other.ID = strings.Repeat("f", 64)
	must(t, d.Mount(t.Context(), other))
	half := filepath.Join(string(d), "snapshots", c.ID)
	must(t, os.Mkdir(half, 0o700)) // a kill left it, of whatever store
	must(t, d.Follow(t.Context(), a.Objects, never, unused))
	must(t, os.Remove(half))

	must(t, d.Mount(t.Context(), a, alice))
	must(t, d.Follow(t.Context(), a.Objects, is(b), unused))
	wantKept(t, d, a.Objects, b.ID)
	openHow(t, d, b, alice, keep.FromTree)
	must(t, d.Follow(t.Context(), a.Objects, is(c), func(id string) bool { return id == b.ID }))
	wantKept(t, d, a.Objects, b.ID, c.ID)

	a.Stays = true
	must(t, d.Mount(t.Context(), a))
	must(t, d.Again(t.Context(), keep.Snapshot{ID: a.ID, Image: a.Image, Objects: a.Objects}))
	must(t, d.Follow(t.Context(), a.Objects, is(c), unused))
	wantKept(t, d, a.Objects, a.ID, c.ID)
	openHow(t, d, other, overlay.Owner{}, keep.FromTree)

	wrong := errors.New("nobody knows")
	if err := d.Follow(t.Context(), a.Objects, func() (keep.Snapshot, error) { return keep.Snapshot{}, wrong }, unused); !errors.Is(err, wrong) {
		t.Errorf("%v", err)
	}
	wantKept(t, d, a.Objects, a.ID, c.ID)
	must(t, d.UnmountAll(t.Context(), a.Objects))
	must(t, d.UnmountAll(t.Context(), other.Objects))
	if m := kept(t, d); len(m) != 0 {
		t.Errorf("still mounted: %v", m)
	}
}

// Of those who change what is current at once, whoever ends last sees the last change.
func TestMountFollowAtOnce(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	d, s := versions(t)
	var current atomic.Int32
	must(t, d.Mount(t.Context(), s[0]))
	var wg sync.WaitGroup
	for n := range 9 {
		wg.Go(func() {
			for i := range 6 {
				current.Store(int32((n + i) % 3))
				err := d.Follow(t.Context(), s[0].Objects, func() (keep.Snapshot, error) { return s[current.Load()], nil }, unused)
				if err != nil {
					t.Error("follow:", err)
				}
			}
		})
	}
	wg.Wait()
	wantKept(t, d, s[0].Objects, s[current.Load()].ID)
	must(t, d.UnmountAll(t.Context(), s[0].Objects))
}
