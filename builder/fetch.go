package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"larder/builder/pypi/index"
	"larder/builder/pypi/pip"
	"larder/builder/pypi/wheel"
	"larder/snapshot"
)

// fetch makes sure that the pool has the wheel's bytes, when anything is made of them.
func (s *stocking) fetch(ctx context.Context, j *stockJob) error {
	f := j.picks[0].file
	digest, err := snapshot.ParseDigest(f.SHA256)
	if err != nil {
		return s.fail(j, fmt.Errorf("the index publishes the digest %q for %s: %w", f.SHA256, f.Filename, ErrRefused))
	}
	body := snapshot.Object{Digest: digest}
	if j.reused = s.reuse(j, body); !j.reused {
		return s.obtain(ctx, j, body)
	}
	s.gotten(j, j.out[0].size, &s.report.ReusedBytes)
	return nil
}

// obtain finds the wheel in the pool, whole, or downloads it.
func (s *stocking) obtain(ctx context.Context, j *stockJob, body snapshot.Object) error {
	size, have, err := s.stored(j, body)
	if err != nil {
		return err
	}
	total := &s.report.ReusedBytes
	if !have {
		total = &s.report.FetchedBytes
		if size, err = s.download(ctx, j.picks[0].file, body); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return s.fail(j, err)
		}
	}
	for i := range j.out {
		j.out[i].size = size
	}
	s.gotten(j, size, total)
	return nil
}

// gotten notes that a wheel is there.
func (s *stocking) gotten(j *stockJob, size int64, total *int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*total += size
	s.fetched++
	s.events.send(Event{Stage: "fetch", Done: s.fetched, Total: s.total, Bytes: s.report.FetchedBytes, Item: j.picks[0].file.Filename})
}

// stored reads the wheel in the pool and returns its size. One that is damaged is named
// and counts as missing; it is no fault of the input.
func (s *stocking) stored(j *stockJob, body snapshot.Object) (size int64, ok bool, err error) {
	size, err = s.stage.Check(body)
	switch {
	case err == nil:
		return size, true, nil
	case errors.Is(err, fs.ErrNotExist) && !j.served:
		return 0, false, nil // never fetched, or not kept
	case errors.Is(err, snapshot.ErrDamaged):
		s.warn(fmt.Sprintf("%s is fetched again: %v", j.picks[0].file.Filename, err))
		return 0, false, nil
	}
	return 0, false, err
}

func (s *stocking) download(ctx context.Context, f index.File, want snapshot.Object) (int64, error) {
	w, err := s.stage.NewObject()
	if err != nil {
		return 0, err
	}
	defer w.Abort()
	if _, err := s.Index.Fetch(ctx, f, w); err != nil {
		return 0, err
	}
	o, size, err := w.Commit(false)
	if err != nil {
		return 0, err
	}
	if size == 0 { // no object holds nothing
		return 0, &wheel.Refusal{File: f.Filename, Rule: "is empty"}
	}
	if o != want {
		// Fetch has compared the digest already; the pool trusts nobody's word but its own.
		return 0, fmt.Errorf("%s: stored as %s, but the index publishes %s: %w", f.Filename, o.Digest, want.Digest, index.ErrHash)
	}
	return size, s.stage.Keep(o)
}

// makeOldEntry writes the wheel once more in the form pip < 23.3 reads.
func (s *stocking) makeOldEntry(j *stockJob, wheel io.Reader) error {
	if !s.serves("pip-old") || j.out[0].oldEntry != nil {
		return nil
	}
	f := j.picks[0].file
	entry, ok := pip.OldEntry(wheelType, j.out[0].size, f.SHA256, wheel)
	if !ok {
		s.warn(f.Filename + " is too large for the cache format of pip before 23.3; such a pip will download it")
		return nil
	}
	o, size, err := s.put(entry, false)
	if err != nil {
		return err
	}
	for i := range j.out {
		j.out[i].oldEntry, j.out[i].oldSize = &o, size
	}
	return nil
}
