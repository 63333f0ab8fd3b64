package gc

import (
	"errors"
	"time"

	"larder/snapshot"
)

// Removable are the snapshots that Run would remove, as far as its rules and the leases tell. It
// locks nothing and asks no kernel: a mount of which there is no lease may keep one of them.
func Removable(s *snapshot.Store, opts Options) ([]snapshot.ID, error) {
	all, err := s.List()
	if err != nil {
		return nil, err
	}
	current, err := s.Current()
	if errors.Is(err, snapshot.ErrNoSnapshot) {
		return nil, nil // Run removes none without
	}
	if err != nil {
		return nil, err
	}
	opts.DryRun = true
	r := &run{store: s, opts: opts, now: time.Now(), report: &Report{}}
	previous, err := r.previous()
	if err != nil {
		return nil, err
	}
	var gone []snapshot.ID
	for i, p := range all {
		if r.keep(p, i, current, previous) != "" {
			continue
		}
		why, err := r.leased(p.ID)
		if err != nil {
			return nil, err
		}
		if why == "" {
			gone = append(gone, p.ID)
		}
	}
	return gone, nil
}
