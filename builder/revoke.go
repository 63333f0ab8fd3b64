package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/failpoint"
	"larder/snapshot/image"
)

// RevokeReport says what a revocation did. Its JSON form is a contract for those who script against
// it.
type RevokeReport struct {
	Denial snapshot.Denial `json:"denial"`
	DryRun bool            `json:"dry_run"`
	Undone bool            `json:"undone"`

	Artifacts []RevokedArtifact `json:"artifacts"` // in any snapshot
	HadBy     []snapshot.ID     `json:"snapshots"` // that have one of them: not attached any more
	GoodAgain []snapshot.ID     `json:"marked_good"`

	Snapshot     string   `json:"snapshot"`     // the new current one; empty when none was needed
	Held         bool     `json:"held"`         // a hold on the one before moved to it
	Environments []string `json:"environments"` // of locks, that are not in it
	Skipped      []Skip   `json:"skipped"`      // what else is not in it: damaged, and no index is asked
	Holders      []Holder `json:"holders"`      // containers and commands that have it
}

// RevokedArtifact is one that falls under a denial.
type RevokedArtifact struct {
	Project  string          `json:"project"`
	Version  string          `json:"version"`
	Filename string          `json:"filename"`
	SHA256   snapshot.Digest `json:"sha256"`
}

// revoked is Revoked of a pick.
func (w *world) revoked(p *Pick) error {
	if p == nil {
		return nil
	}
	return w.cfg.Revoked(w.Name, p.Artifact)
}

// denied says that nothing of a choice may be stocked. Of several files, one that is denied by its bytes goes alone.
func (w *world) denied(c Choice) error {
	if len(c.With) > 0 {
		return w.cfg.Revoked(w.Name, Artifact{Project: c.Pick.Project, Version: c.Pick.Version})
	}
	return w.revoked(c.Pick)
}

// Revoked says that an artifact of an ecosystem is denied, as far as it is known, and how to take that back.
func (c Config) Revoked(name string, a Artifact) error {
	d := ecosystem.Denied(c.denials, name, a.Project, a.Version, a.digests()...)
	if d == nil {
		return nil
	}
	return fmt.Errorf("revoked: %s; larder revoke --undo %s takes that back", d, d.Name())
}

// revoker is one revocation.
type revoker struct {
	cfg    Config
	store  *snapshot.Store
	report *RevokeReport
}

// Revoke denies something for good: the denial is kept first, then every snapshot that has it is
// marked, so that nothing new gets it, then a snapshot without it is made of the current one and of
// what is in the store, without any index, and published. With undo the denial is taken back, and the
// marks with it. It can be killed at any point, and run again. Of cfg count the store, the
// ecosystems, DryRun and what it says. The report is valid, as far as it came, when the error is not
// nil too.
func Revoke(ctx context.Context, cfg Config, d snapshot.Denial, undo bool) (*RevokeReport, error) {
	if cfg.Ecosystems == nil {
		cfg.Ecosystems = registered
	}
	cfg.Jobs, cfg.Offline = max(cfg.Jobs, 1), true
	if cfg.Warn == nil {
		cfg.Warn = func(string) {}
	}
	r := &revoker{cfg: cfg, store: cfg.Store, report: &RevokeReport{Denial: d, DryRun: cfg.DryRun, Undone: undo,
		Artifacts: []RevokedArtifact{}, HadBy: []snapshot.ID{}, GoodAgain: []snapshot.ID{}, Environments: []string{}, Skipped: []Skip{}, Holders: []Holder{}}}
	if cfg.DryRun {
		return r.report, r.look()
	}
	stage, err := r.store.Begin(ctx)
	if err != nil {
		return r.report, err
	}
	defer stage.Close()
	return r.report, r.revoke(ctx, stage, undo)
}

func (r *revoker) revoke(ctx context.Context, stage *snapshot.Stage, undo bool) error {
	all, err := r.store.Denials()
	if err != nil {
		return err
	}
	had := len(all)
	all = slices.DeleteFunc(all, func(d snapshot.Denial) bool { return d.Name() == r.report.Denial.Name() })
	if !undo {
		r.report.Denial.Time = time.Now().UTC().Truncate(time.Second)
		all = append(all, r.report.Denial)
	}
	if !undo || len(all) < had {
		if err := r.store.PutDenials(all); err != nil {
			return err
		}
	}
	failpoint.Here("revoke: denied")
	r.report.GoodAgain, err = markRevoked(r.store, all)
	if err != nil {
		return err
	}
	failpoint.Here("revoke: marked")
	if undo && len(all) == had {
		return &hinted{fmt.Errorf("%w: nothing revoked is named %s", ErrRefused, r.report.Denial.Name()), "larder revoke --list shows what is"}
	}
	if undo {
		return nil
	}
	if err := r.look(); err != nil {
		return err
	}
	cur, err := r.store.Current()
	if errors.Is(err, snapshot.ErrNoSnapshot) {
		return nil
	}
	if err != nil {
		return err
	}
	switch bad := r.store.Bad(cur); {
	case bad == nil:
		return nil // nothing is current that has it
	case bad.Unreadable != nil:
		return fmt.Errorf("whether the current snapshot has it cannot be told: %w", bad.Unreadable)
	case len(bad.Revoked) == 0:
		return nil
	}
	r.cfg.denials = all
	if err := r.without(ctx, stage, cur); err != nil {
		return WithHint(fmt.Errorf("it is denied, and no snapshot that has it is attached any more; one without it could not be made: %w", err),
			"larder build makes one; until then containers get the newest good one")
	}
	return nil
}

// look names what falls under the denial, and who has it.
func (r *revoker) look() error {
	all, err := r.store.List()
	if err != nil {
		return err
	}
	seen := map[snapshot.Digest]bool{}
	for _, p := range all {
		m, err := manifestOf(r.store, p.ID)
		if err != nil {
			r.cfg.Warn(fmt.Sprintf("snapshot %s: %v", p.ID.Short(), err))
			continue
		}
		rows := deniedOf(m, []snapshot.Denial{r.report.Denial})
		if len(rows) > 0 {
			r.report.HadBy = append(r.report.HadBy, p.ID)
		}
		for _, a := range rows {
			if !seen[a.SHA256] {
				seen[a.SHA256] = true
				r.report.Artifacts = append(r.report.Artifacts, RevokedArtifact{a.Project, a.Version, a.Filename, a.SHA256})
			}
		}
	}
	r.report.Holders, err = holdersOf(r.store, func(id snapshot.ID) bool { return slices.Contains(r.report.HadBy, id) })
	return err
}

// without publishes a snapshot made of another, without what is denied.
func (r *revoker) without(ctx context.Context, stage *snapshot.Stage, id snapshot.ID) error {
	p, err := openStocked(r.store, id, r.cfg.Ecosystems)
	if err != nil {
		return err
	}
	defer p.close()
	log := newLog(r.cfg)
	a, err := openAgain(ctx, r.cfg, p, stage, log)
	if err != nil {
		return err
	}
	defer a.close()
	picks := slices.DeleteFunc(a.picks, func(p *Pick) bool { return p.world.revoked(p) != nil })
	items, gone, err := a.bring(ctx, picks)
	if err != nil {
		return err
	}
	r.report.Environments = append(r.report.Environments, gone...)
	r.report.Skipped = append(r.report.Skipped, log.report.Skipped...)
	failpoint.Here("revoke: made again")
	l, err := a.layOut(ctx, items)
	if err != nil {
		return err
	}
	programs, err := r.programs(id)
	if err != nil {
		return err
	}
	held, err := r.store.Held()
	if err != nil {
		return err
	}
	stage.MoveHold = true // what is held is what has the package: containers must not keep getting it
	made, _, err := stage.Publish(func(f *os.File) error { return l.tree.Write(f) }, programs)
	if err != nil {
		return err
	}
	failpoint.Here("revoke: published")
	r.report.Snapshot, r.report.Held = made.String(), held == id
	return nil
}

// programs are the interpreters that a snapshot was built with.
func (r *revoker) programs(id snapshot.ID) (map[string]string, error) {
	all, err := r.store.List()
	at := slices.IndexFunc(all, func(p snapshot.Published) bool { return p.ID == id })
	if err != nil || at < 0 {
		return nil, err
	}
	return all[at].Interpreters, nil
}

// markRevoked gives every snapshot the mark that the denials ask for, and takes others away. It
// returns those that are good again.
func markRevoked(s *snapshot.Store, denials []snapshot.Denial) (good []snapshot.ID, err error) {
	good = []snapshot.ID{}
	all, err := s.List()
	if err != nil {
		return good, err
	}
	for _, p := range all {
		var has []string
		m, err := manifestOf(s, p.ID)
		if HostFault(err) && !errors.Is(err, snapshot.ErrDamaged) {
			return good, err
		}
		if err != nil && len(denials) > 0 {
			has = []string{"whether it has what is denied cannot be told: its manifest cannot be read"}
		}
		if err == nil {
			for _, row := range deniedOf(m, denials) {
				d := ecosystem.Denied(denials, row.Ecosystem, row.Project, row.Version, row.Digests()...)
				line := ecosystem.Shown(row.Ecosystem, row.Project, " ", row.Version)
				if d != nil && d.Reason != "" {
					line += " (" + d.Reason + ")"
				}
				has = append(has, line)
			}
		}
		if err := s.MarkRevoked(p.ID, has); err != nil {
			return good, err
		}
		if p.Bad != nil && len(p.Bad.Revoked) > 0 && s.Bad(p.ID) == nil {
			good = append(good, p.ID)
		}
	}
	return good, nil
}

// deniedOf are the artifacts of a manifest that fall under a denial.
func deniedOf(m *snapshot.Manifest, denials []snapshot.Denial) (rows []snapshot.ManifestArtifact) {
	for _, a := range m.Artifacts {
		if ecosystem.Denied(denials, a.Ecosystem, a.Project, a.Version, a.Digests()...) != nil {
			rows = append(rows, a)
		}
	}
	return rows
}

func manifestOf(s *snapshot.Store, id snapshot.ID) (*snapshot.Manifest, error) {
	img, err := image.OpenSnapshot(s, id)
	if err != nil {
		return nil, err
	}
	defer img.Close()
	return img.Manifest()
}
