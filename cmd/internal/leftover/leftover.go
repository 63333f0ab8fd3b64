// Package leftover removes what containers and runs leave in a store's trash, when the one that made it
// ends: what their clients had to download is read first, and kept as names.
//
// Whoever makes the trash grow empties it, within bounds. The end of a run removes all of its own. A
// container's release has a runtime waiting: it has [Release] for its own, of which most need a
// fraction, and leaves the rest. It starts no process for that: a runtime, or what supervises it,
// waits for what its hooks leave running. What is left is for gc and the next build.
//
// Where neither comes, nobody touches an entry for [Untouched], longer than the hourly gc takes to come
// again. Then releases and runs take it on, for a time that grows with how much there is: 10 ms for
// each entry, at most a second. So the trash stops growing where what is left costs less than a
// second each, some 100,000 files; more is for gc.
package leftover

import (
	"context"
	"path/filepath"
	"time"

	"larder/popularity/misses"
	"larder/popularity/usage"
	"larder/snapshot"
	"larder/snapshot/trash"
)

const (
	// Release is how long a release may take for what its container left.
	Release = 25 * time.Millisecond
	// Untouched is how long nobody touches what nobody removes.
	Untouched = 2 * time.Hour

	share    = 10 * time.Millisecond
	maxShare = time.Second
)

// Clear reads and removes one entry of the trash as long as ctx lasts. One that could not be read to its
// end stays as it is, for somebody with more time.
func Clear(ctx context.Context, s *snapshot.Store, name string) error {
	if err := read(ctx, s, name, misses.Limits{}); err != nil {
		return err
	}
	return s.Clear(ctx, name)
}

// Stale reads and removes a share of what nobody has touched for a time, Untouched but in tests. What cannot be read within half of the time
// that is left is removed with a part read: misses are a sample. What cannot be removed is left for
// gc, which says so.
func Stale(ctx context.Context, s *snapshot.Store, untouched time.Duration) {
	names, err := s.Stale(untouched)
	if err != nil || len(names) == 0 {
		return
	}
	end := time.Now().Add(min(time.Duration(len(names))*share, maxShare))
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	for _, name := range names {
		left := time.Until(end)
		if left <= 0 {
			return
		}
		if err := read(ctx, s, name, misses.Limits{Time: left / 2}); err == nil {
			_ = s.Clear(ctx, name)
		}
	}
}

func read(ctx context.Context, s *snapshot.Store, name string, limits misses.Limits) error {
	if trash.IsHidden(name) { // half removed: it was read before
		return nil
	}
	_, err := misses.CollectInstance(ctx, filepath.Join(s.TrashDir(), name), name, s.MissesDir(), time.Now(), limits, NoteUse(s, func(error) {}))
	return err
}

// NoteUse notes the use of an instance that is read, for those who empty the trash; failed is told why
// it could not.
func NoteUse(s *snapshot.Store, failed func(error)) misses.Seen {
	return func(dir string, found misses.Found) {
		note, err := snapshot.ReadAttached(dir)
		if err != nil {
			return // it never got anything, or no room was left for the note
		}
		if err := usage.Append(s, usage.Of(note, found, usage.ReadInstalled(dir), time.Now())); err != nil {
			failed(err)
		}
	}
}
