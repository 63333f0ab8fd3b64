package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"larder/builder/index"
	"larder/builder/pip"
	"larder/builder/wheel"
	"larder/snapshot"
)

// fetch makes sure the pool has the wheel's bytes, when anything needs them.
func (s *stocking) fetch(ctx context.Context, j *stockJob) error {
	f := j.picks[0].file
	digest, err := snapshot.ParseDigest(f.SHA256)
	if err != nil {
		return s.fail(j, fmt.Errorf("the index publishes the digest %q for %s: %w", f.SHA256, f.Filename, ErrRefused))
	}
	body := snapshot.Object{Digest: digest}
	size, have := s.stage.Has(body)
	if !have && s.bodyNeeded(j) {
		size, err = s.download(ctx, f, body)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return s.fail(j, err)
		}
	}
	metadata, err := s.servedMetadata(ctx, f)
	if err != nil {
		return s.fail(j, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if have {
		s.report.ReusedBytes += size
	} else {
		s.report.FetchedBytes += size
	}
	s.fetched++
	s.events.send(Event{Stage: "fetch", Done: s.fetched, Total: s.total, Bytes: s.report.FetchedBytes, Item: f.Filename})
	for _, p := range j.picks {
		j.out = append(j.out, stocked{pick: p, body: body, size: size, metadata: metadata})
	}
	return nil
}

// bodyNeeded says whether the wheel itself has to be there: for a view that serves
// it, or for a layer the previous snapshot does not have.
func (s *stocking) bodyNeeded(j *stockJob) bool {
	if s.serves("pip") || s.serves("simple") || s.serves("pip-old") {
		return true
	}
	return slices.ContainsFunc(j.picks, func(p pick) bool { return !s.previous.hasLayer(s.layerID(p)) })
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

// servedMetadata fetches FILE.metadata where a pip would ask for it.
func (s *stocking) servedMetadata(ctx context.Context, f index.File) ([]byte, error) {
	if !f.Metadata || !s.serves("pip") && !s.serves("pip-old") {
		return nil, nil
	}
	if o, _, ok := s.previous.object("views/pip/" + pip.Path(f.URL+".metadata") + ".body"); ok && s.previous.hasWheel(f) {
		r, err := s.stage.Open(o)
		if err == nil {
			defer r.Close()
			return io.ReadAll(r)
		}
	}
	m, err := s.Index.FetchMetadata(ctx, f)
	if errors.Is(err, index.ErrNotFound) {
		return nil, nil // announced but not there: pip falls back to the wheel, and so do we
	}
	return m, err
}

// oldEntry writes the wheel once more in the form pip < 23.3 reads.
func (s *stocking) oldEntry(j *stockJob) error {
	if !s.serves("pip-old") {
		return nil
	}
	f := j.picks[0].file
	if o, size, ok := s.previous.object("views/pip-old/" + pip.OldPath(f.URL)); ok && s.previous.hasWheel(f) {
		for i := range j.out {
			j.out[i].oldEntry, j.out[i].oldSize = &o, size
		}
		return nil
	}
	body, err := s.stage.Open(j.out[0].body)
	if err != nil {
		return err
	}
	defer body.Close()
	entry, ok := pip.OldEntry(wheelType, j.out[0].size, f.SHA256, body)
	if !ok {
		s.Warn(f.Filename + " is too large for the cache format of pip before 23.3; such a pip will download it")
		return nil
	}
	w, err := s.stage.NewObject()
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := io.Copy(w, entry); err != nil {
		return err
	}
	o, size, err := w.Commit(false)
	if err != nil {
		return err
	}
	for i := range j.out {
		j.out[i].oldEntry, j.out[i].oldSize = &o, size
	}
	return nil
}
