package builder

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"larder/snapshot"
	"larder/snapshot/check"
)

// mark marks the snapshots that stay damaged, and takes the mark from those that are whole.
func (r *repairer) mark() error {
	denials, err := r.store.Denials()
	if err != nil {
		return err
	}
	all, err := r.store.List()
	if err != nil {
		return err
	}
	for _, p := range all {
		detail, lacks := r.lacks(p.ID)
		if err := r.store.MarkDamaged(p.ID, detail, lacks); err != nil {
			return err
		}
		if detail != "" {
			r.report.MarkedBad = append(r.report.MarkedBad, p.ID)
		} else if p.Bad != nil && p.Bad.Damage != "" {
			r.report.MarkedGood = append(r.report.MarkedGood, p.ID)
		}
	}
	_, err = markRevoked(r.store, denials) // where a mark could not be read
	return err
}

// lacks is what a snapshot lacks, in a line, and its objects.
func (r *repairer) lacks(id snapshot.ID) (detail string, objects []snapshot.Object) {
	if f := r.images[id]; f != nil {
		return "its image: " + f.Detail, nil
	}
	var first *check.Finding
	for o, f := range r.lost {
		if !slices.Contains(f.IDs, id) {
			continue
		}
		objects = append(objects, o)
		if first == nil || f.Path < first.Path {
			first = f
		}
	}
	if first == nil {
		return "", nil
	}
	at := slices.IndexFunc(first.Uses, func(u check.Use) bool { return u.Snapshot == id })
	return fmt.Sprintf("%d of its files cannot be had, %s first (%s)", len(objects), first.Uses[at].Path, first.Detail), objects
}

// holders names who may have a damaged file that was replaced, or was not: a file that a container
// has looked up is that file for as long as its mounts last.
func (r *repairer) holders() (err error) {
	r.report.Holders, err = holdersOf(r.store, func(id snapshot.ID) bool {
		return slices.Contains(r.report.MarkedBad, id) || r.report.Replaced[id.String()]
	})
	return err
}

// holdersOf are the containers and commands that hold a lease on one of these snapshots.
func holdersOf(s *snapshot.Store, meant func(snapshot.ID) bool) ([]Holder, error) {
	all := []Holder{}
	leases, err := s.Leases()
	if err != nil {
		return all, err
	}
	for _, l := range leases {
		if dead, _ := l.Dead(); l.Unreadable == nil && !dead && meant(l.Snapshot) {
			all = append(all, Holder{l.Container, l.PID, l.Snapshot})
		}
	}
	slices.SortFunc(all, func(a, b Holder) int { return strings.Compare(a.Container, b.Container) })
	return all, nil
}

// rest is what is damaged at the end: what a quick check sees, and the objects that a full one saw.
func (r *repairer) rest(ctx context.Context) error {
	found, err := check.Run(ctx, r.store, nil, check.Options{})
	if err != nil {
		return err
	}
	seen := map[snapshot.Object]bool{}
	for _, f := range found.Findings {
		if !f.Harmless {
			seen[f.Object] = f.Kind == check.KindObject
			r.report.Left = append(r.report.Left, f)
		}
	}
	for o, f := range r.lost {
		if !seen[o] {
			r.report.Left = append(r.report.Left, *f)
		}
	}
	for i := range r.report.Left {
		r.advise(&r.report.Left[i])
	}
	slices.SortStableFunc(r.report.Left, func(a, b check.Finding) int { return strings.Compare(a.Path, b.Path) })
	return nil
}

// advise replaces the advice to repair where another repair would do no more than this one.
func (r *repairer) advise(f *check.Finding) {
	if f.Fix != check.Repair || r.report.Unreachable != "" || len(f.IDs) == 0 {
		return
	}
	f.Fix = "larder gc --keep 1, once nothing uses it"
	if cur, err := r.store.Current(); err == nil && slices.Contains(f.IDs, cur) {
		f.Fix = "larder build, then " + f.Fix
	}
}
