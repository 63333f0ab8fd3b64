package gc

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"larder/snapshot"
	"larder/snapshot/failpoint"
)

// Unused is how long a private image stays that nobody uses: what runs once a week keeps its own.
const Unused = 14 * 24 * time.Hour

// RemovablePrivate are the private images that Run would take of snapshots that stay, as far as their last use
// tells.
func RemovablePrivate(s *snapshot.Store, stays []snapshot.ID) ([]snapshot.Private, error) {
	var goes []snapshot.Private
	for _, id := range stays {
		all, err := s.Privates(id)
		if err != nil {
			return nil, err
		}
		for _, p := range all {
			if old(p, time.Now()) {
				goes = append(goes, p)
			}
		}
	}
	return goes, nil
}

// old says that a private image may go. What cannot be read is for verify and repair.
func old(p snapshot.Private, now time.Time) bool {
	return p.Gone() || p.Unreadable == nil && now.Sub(p.Used) >= Unused
}

// private takes the private images of a snapshot that stays: those that nobody has used for long, and
// what is left of others. It goes by two steps, for which the same proof is asked: out of sight, where whoever
// came in between still counts, and away.
func (r *run) private(ctx context.Context, id snapshot.ID) error {
	all, err := r.store.Privates(id)
	if err != nil {
		r.warn("snapshot %s: %v", id.Short(), err)
		return nil
	}
	for _, p := range all {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !old(p, r.now) {
			continue
		}
		if err := r.takePrivate(id, p); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) takePrivate(id snapshot.ID, p snapshot.Private) error {
	image, err := openImage(p.ImagePath())
	switch {
	case errors.Is(err, fs.ErrNotExist) && p.Gone(): // it never was one
	case err != nil:
		r.warn("private image %.12s of snapshot %s: %v: kept", p.Name, id.Short(), err)
		return nil
	default:
		defer image.Close()
		if why, err := r.unneeded(image, id, func() (err error) {
			if !p.Gone() && !r.opts.DryRun {
				p, err = r.store.RetirePrivate(p)
			}
			return err
		}); why != "" || err != nil {
			return err
		}
		failpoint.Here("gc: private image out of sight")
		if why, err := r.unneeded(image, id, func() error { return nil }); why != "" || err != nil {
			return err // by who came in between; the next gc looks again
		}
	}
	if !r.opts.DryRun {
		if done, err := r.store.DropPrivate(p); err != nil || !done {
			return err
		}
	}
	r.report.Private++
	if image != nil {
		r.report.Bytes += image.size
	}
	return nil
}
