package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"larder/snapshot"
	"larder/snapshot/failpoint"
)

// fetch makes sure that the pool has an artifact's bytes, when anything is made of them.
func (s *stocking) fetch(ctx context.Context, it *Item) error {
	var fetched, reused int64
	var err error
	if it.reused, err = s.reuse(it); err != nil {
		return err
	}
	if it.reused {
		reused = it.Size
	} else {
		size, have, err := s.stored(it)
		if err != nil {
			return err
		}
		reused = size
		if !have {
			if it.Object, size, err = s.get(ctx, it); err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return s.fail(it, err)
			}
			fetched, reused = size, 0
		}
		it.Size = size
	}
	// Not before now is the SHA-256 known of what an index publishes under another digest.
	if err := it.world.cfg.Revoked(it.world.Name, it.Artifact); err != nil {
		return s.fail(it, err)
	}
	failpoint.Here("build: artifact fetched")
	s.log.add(fetched, reused)
	s.log.step("fetch", s.total, it.Filename)
	return nil
}

// get downloads an artifact, or builds it again. Where that fails, the index is asked: for a snapshot's own, which
// may no longer be where it was, and for what only a lock told so far.
func (s *stocking) get(ctx context.Context, it *Item) (snapshot.Object, int64, error) {
	if it.Built != nil {
		return s.remake(ctx, it)
	}
	if s.cfg.Offline {
		return it.Object, 0, Silence(errors.New("it is not in the store, and no index is asked"))
	}
	o, size, err := Download(ctx, it.world.World, it.Artifact, s.stage)
	if err == nil || !s.again && !it.ByLock || HostFault(err) || ctx.Err() != nil {
		return o, size, err
	}
	if it.ByLock && errors.Is(err, ErrUnreachable) {
		return o, size, err // the index is where it would have come from
	}
	found, ferr := s.ask(ctx, it)
	switch {
	case ferr != nil && it.ByLock:
		return o, 0, ferr // it is about what the lock says
	case ferr != nil || found.Digest != it.Digest || it.ByLock && found.URL == it.URL:
		return o, 0, err
	case it.ByLock:
		it.Artifact = found
	}
	return Download(ctx, it.world.World, found, s.stage)
}

// ask has the index say where an artifact is.
func (s *stocking) ask(ctx context.Context, it *Item) (Artifact, error) {
	pick := it.Picks[0]
	pin := &snapshot.Pin{Name: it.Project, Version: it.Version, Spellings: pick.Names, Digests: []string{it.Digest}}
	found, err := it.world.Choose(ctx, it.Project, []Wish{{Target: pick.Target, Pin: pin}})
	if err != nil {
		return Artifact{}, err
	}
	if found[0].Pick == nil {
		return Artifact{}, cmp.Or(found[0].Err, ErrRefused)
	}
	return found[0].Pick.Artifact, nil
}

// stored reads an artifact in the pool and returns its size. One that is damaged is named
// and counts as missing; it is no fault of the input.
func (s *stocking) stored(it *Item) (size int64, ok bool, err error) {
	if it.Object == (snapshot.Object{}) {
		return 0, false, nil
	}
	size, err = s.stage.Check(it.Object)
	switch {
	case err == nil:
		return size, true, nil
	case errors.Is(err, fs.ErrNotExist) && !it.served:
		return 0, false, nil // never fetched, or not kept
	case errors.Is(err, snapshot.ErrDamaged):
		s.log.warn(fmt.Sprintf("%s is fetched again: %v", it.Filename, err))
		return 0, false, nil
	}
	return 0, false, err
}

// Download fetches an artifact into the pool, where it stays once the stage is closed, whatever becomes of the build.
func Download(ctx context.Context, w World, a Artifact, stage *snapshot.Stage) (o snapshot.Object, size int64, err error) {
	f, err := stage.NewObject()
	if err != nil {
		return o, 0, err
	}
	defer f.Abort()
	if err := w.Fetch(ctx, a, f); err != nil {
		return o, 0, err
	}
	if o, size, err = f.Commit(false); err != nil {
		return o, 0, err
	}
	if size == 0 { // no object holds nothing
		return o, 0, fmt.Errorf("%s: %w: it is empty", a.Filename, ErrRefused)
	}
	if a.Object != (snapshot.Object{}) && o != a.Object {
		// Fetch has compared the digest already; the pool trusts nobody's word but its own.
		return o, 0, fmt.Errorf("%s: stored as %s, but the index publishes %s: %w", a.Filename, o.Digest, a.Digest, ErrRefused)
	}
	return o, size, stage.KeepSoon(o)
}

// unpack checks the artifact and makes what the snapshot wants of it.
func (s *stocking) unpack(ctx context.Context, it *Item) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var err error
	if !it.reused {
		err = s.open(ctx, it)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	failpoint.Here("build: artifact unpacked")
	s.log.step("unpack", s.total, it.Filename)
	if err != nil {
		return s.fail(it, err)
	}
	return nil
}

// open makes layers and view entries of an artifact in the pool.
func (s *stocking) open(ctx context.Context, it *Item) error {
	r, err := s.stage.Open(it.Object)
	if err != nil {
		return err
	}
	defer r.Close()
	unfit, err := it.world.Unpack(ctx, it, r, s.stage.Put)
	if err != nil {
		return err
	}
	if err := s.drop(it, unfit); err != nil || it.lost {
		return err
	}
	return s.makeEntries(it, func() io.Reader { return io.NewSectionReader(r, 0, it.Size) })
}
