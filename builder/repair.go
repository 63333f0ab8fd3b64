package builder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"larder/snapshot"
	"larder/snapshot/check"
	"larder/snapshot/ecosystem"
	"larder/snapshot/failpoint"
)

// RepairReport says what a repair found, did and left. Its JSON form is a contract for those who
// script against it.
type RepairReport struct {
	DryRun  bool            `json:"dry_run"`
	Damage  []check.Finding `json:"damage"` // as it was found
	Mended  []Mend          `json:"mended"`
	Left    []check.Finding `json:"left"` // what stays damaged
	Strange []check.Finding `json:"strange"`

	FetchedBytes int64           `json:"fetched_bytes"`
	MarkedBad    []snapshot.ID   `json:"marked_bad"`  // snapshots that are not attached, for what they lack
	MarkedGood   []snapshot.ID   `json:"marked_good"` // those whose mark was taken away
	Holders      []Holder        `json:"holders"`     // containers that may still see damaged bytes
	Unreachable  string          `json:"unreachable,omitempty"`
	Replaced     map[string]bool `json:"-"` // ids of snapshots of which a file was replaced
}

// Mend is one thing that was mended.
type Mend struct {
	Kind check.Kind `json:"kind"`
	Path string     `json:"path,omitempty"` // below the store
	How  string     `json:"how"`
}

// Holder is a container or command that holds a snapshot.
type Holder struct {
	Container string      `json:"container"`
	PID       int         `json:"pid"`
	Snapshot  snapshot.ID `json:"snapshot"`
}

// repairer is one repair.
type repairer struct {
	cfg    Config
	store  *snapshot.Store
	stage  *snapshot.Stage
	log    *log
	report *RepairReport
	lost   map[snapshot.Object]*check.Finding // what the pool has not, and snapshots need
	images map[snapshot.ID]*check.Finding     // damaged
}

// Repair finds what is damaged in a store, as a full check does, and mends it: owners and modes
// where they lie, files by the same bytes, made again from artifacts in the pool, or from those that
// the index still has under their digests. Nothing is written into a file: whoever has a damaged one
// open keeps it. A snapshot that stays damaged is marked bad. It can be killed at any point, and
// run again. Of cfg count the store, the ecosystems, the limits and what it says. The report is valid,
// as far as the repair came, when the error is not nil too.
func Repair(ctx context.Context, cfg Config) (*RepairReport, error) {
	if cfg.Jobs <= 0 {
		cfg.Jobs = jobs
	}
	if cfg.Ecosystems == nil {
		cfg.Ecosystems = registered
	}
	r := &repairer{store: cfg.Store, log: newLog(cfg), lost: map[snapshot.Object]*check.Finding{}, images: map[snapshot.ID]*check.Finding{},
		report: &RepairReport{DryRun: cfg.DryRun, Damage: []check.Finding{}, Mended: []Mend{}, Left: []check.Finding{}, Strange: []check.Finding{},
			MarkedBad: []snapshot.ID{}, MarkedGood: []snapshot.ID{}, Holders: []Holder{}, Replaced: map[string]bool{}}}
	cfg.Warn = r.log.warn
	r.cfg = cfg
	if cfg.DryRun {
		err := r.look(ctx)
		r.report.Left = r.report.Damage
		return r.report, err
	}
	return r.report, r.repair(ctx)
}

func (r *repairer) repair(ctx context.Context) (err error) {
	if err := r.layout(); err != nil {
		return err
	}
	if r.stage, err = r.store.Begin(ctx); err != nil {
		return err
	}
	defer r.stage.Close()
	if err := r.look(ctx); err != nil {
		return err
	}
	failpoint.Here("repair: looked")
	if err := r.small(ctx); err != nil {
		return err
	}
	failpoint.Here("repair: modes mended")
	for _, offline := range []bool{true, false} {
		if err := r.again(ctx, offline); err != nil {
			return err
		}
	}
	failpoint.Here("repair: bytes mended")
	if err := r.mark(); err != nil {
		return err
	}
	failpoint.Here("repair: marked")
	if id, mended, err := r.store.MendCurrent(); err != nil {
		return err
	} else if mended {
		r.mended(check.KindStore, "current", "it named no snapshot: set to the newest good one, "+id.Short())
	}
	if err := r.holders(); err != nil {
		return err
	}
	return r.rest(ctx)
}

func (r *repairer) mended(kind check.Kind, path, how string) {
	r.report.Mended = append(r.report.Mended, Mend{kind, path, how})
}

// layout mends what is around the snapshots: without it there is no lock.
func (r *repairer) layout() error {
	lines, err := r.store.MendLayout()
	for _, line := range lines {
		r.mended(check.KindStore, "", line)
	}
	return err
}

// look checks the store, every byte, and sorts what it finds.
func (r *repairer) look(ctx context.Context) error {
	found, err := check.Run(ctx, r.store, nil, check.Options{Full: true, Progress: r.cfg.Read})
	if err != nil {
		return err
	}
	for i := range found.Findings {
		f := &found.Findings[i]
		if f.Harmless {
			r.report.Strange = append(r.report.Strange, *f)
			continue
		}
		r.report.Damage = append(r.report.Damage, *f)
		switch f.Kind {
		case check.KindObject:
			r.lost[f.Object] = f
		case check.KindImage:
			r.images[f.IDs[0]] = f
		}
	}
	return nil
}

// small mends what needs no other bytes than those that are there.
func (r *repairer) small(ctx context.Context) error {
	for o, f := range maps.Clone(r.lost) {
		if err := ctx.Err(); err != nil {
			return err
		}
		whole, err := r.store.MendObject(o)
		switch {
		case err != nil:
			return err
		case whole:
			r.mended(check.KindObject, f.Path, "owner and mode set")
			delete(r.lost, o)
		case len(f.IDs) == 0:
			if err := r.store.Trash(r.store.ObjectsDir() + "/" + o.Path()); err != nil {
				return err
			}
			r.mended(check.KindObject, f.Path, "removed: no snapshot needs it")
			delete(r.lost, o)
		default:
			// From here on it is a missing one to the stage.
			if _, err := r.stage.Check(o); err != nil && !errors.Is(err, snapshot.ErrDamaged) {
				return err
			}
		}
	}
	if err := r.private(); err != nil {
		return err
	}
	for _, f := range r.report.Damage {
		if f.Kind != check.KindSnapshot || len(f.IDs) == 0 {
			continue
		}
		if mended, err := r.store.MendPublished(f.IDs[0]); err != nil {
			return err
		} else if mended {
			r.mended(check.KindSnapshot, f.Path, "made again: its number and time follow from the image's time")
		}
	}
	return nil
}

// again makes once more what snapshots lack: first from what the store has, then with what indexes
// still have.
func (r *repairer) again(ctx context.Context, offline bool) error {
	cfg := r.cfg
	if cfg.Offline = offline; offline {
		cfg.Warn = func(string) {} // what it cannot make the other pass says
	}
	all, err := r.inOrder()
	if err != nil {
		return err
	}
	for _, id := range all {
		damaged := slices.ContainsFunc(slices.Collect(maps.Values(r.lost)), func(f *check.Finding) bool { return slices.Contains(f.IDs, id) })
		bad := r.store.Bad(id)
		switch {
		case !offline && bad != nil && len(bad.Revoked) > 0: // nothing of it is downloaded again
		case r.images[id] != nil:
			err = r.image(ctx, cfg, id)
		case damaged:
			err = r.files(ctx, cfg, id)
		}
		switch {
		case err == nil:
		case ctx.Err() != nil, HostFault(err):
			return err
		case errors.Is(err, ErrUnreachable):
			r.report.Unreachable = err.Error()
		default:
			r.cfg.Warn(fmt.Sprintf("snapshot %s cannot be made again: %v", id.Short(), err))
		}
		err = nil
	}
	return nil
}

// inOrder are the snapshots, the current one first: what mends it mends most of the others.
func (r *repairer) inOrder() ([]snapshot.ID, error) {
	all, err := r.store.List()
	if err != nil {
		return nil, err
	}
	ids := make([]snapshot.ID, len(all))
	for i, p := range all {
		ids[i] = p.ID
	}
	if cur, err := r.store.Current(); err == nil {
		ids = append([]snapshot.ID{cur}, slices.DeleteFunc(ids, func(id snapshot.ID) bool { return id == cur })...)
	}
	return ids, nil
}

// files makes again what a snapshot lacks in the pool.
func (r *repairer) files(ctx context.Context, cfg Config, id snapshot.ID) error {
	p, err := openStocked(r.store, id, cfg.Ecosystems)
	if err != nil {
		return err
	}
	defer p.close()
	log := newLog(cfg)
	a, err := openAgain(ctx, cfg, p, r.stage, log)
	if err != nil {
		return err
	}
	defer a.close()
	items, gone, err := a.bring(ctx, a.picks)
	r.report.FetchedBytes += log.report.FetchedBytes
	if err != nil {
		return err
	}
	if len(log.report.Skipped) == 0 && len(gone) == 0 {
		// What is made of all of them together: pages, the targets' rows.
		if _, err := a.layOut(ctx, items); err != nil {
			return err
		}
	}
	if !cfg.Offline {
		r.skipped(log.report)
	}
	failpoint.Here("repair: made again")
	if err := r.stage.Settle(func(o snapshot.Object) bool { return r.lost[o] != nil }); err != nil {
		return err
	}
	err = r.found(ctx)
	if err == nil && !cfg.Offline {
		r.unlike(id, p.manifest)
	}
	return err
}

// unlike names the views of a snapshot that a client's own program wrote, and wrote otherwise now.
func (r *repairer) unlike(id snapshot.ID, m *snapshot.Manifest) {
	for _, row := range m.Filled {
		within := func(u check.Use) bool { return u.Snapshot == id && strings.HasPrefix(u.Path, "views/"+row.View+"/") }
		for _, f := range r.lost {
			if slices.ContainsFunc(f.Uses, within) {
				r.cfg.Warn(fmt.Sprintf("snapshot %s cannot be made again: a client's own program wrote its view %s, which is not the same twice", id.Short(), row.View))
				break
			}
		}
	}
}

// skipped says which artifacts cannot be had, and why.
func (r *repairer) skipped(made Report) {
	for _, s := range made.Skipped {
		r.cfg.Warn(fmt.Sprintf("%s cannot be had: %s", ecosystem.Shown(s.Ecosystem, s.Project, " ", s.Version), s.Reason))
		if made.unreachable[s.Ecosystem] > 0 {
			r.report.Unreachable = s.Reason
		}
	}
}

// found takes from what is lost what is there by now.
func (r *repairer) found(ctx context.Context) error {
	for o, f := range maps.Clone(r.lost) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		_, err := r.store.CheckObject(o)
		if errors.Is(err, snapshot.ErrDamaged) {
			continue
		}
		if err != nil {
			return err
		}
		delete(r.lost, o)
		for _, id := range f.IDs {
			r.report.Replaced[id.String()] = true
		}
		r.mended(check.KindObject, f.Path, "replaced by the right bytes")
	}
	return nil
}
