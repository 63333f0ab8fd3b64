package builder

import (
	"cmp"
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"larder/snapshot"
)

// estimate fills the report of a dry run: every pick with its size, and how much of it
// the store has. An index that tells no sizes is asked; an artifact whose size cannot be
// had is listed with -1.
func estimate(ctx context.Context, cfg Config, picks []*Pick, log *log) error {
	items := itemsOf(picks)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(cfg.Jobs)
	for _, it := range items {
		asked, ok := it.world.World.(Estimator)
		if it.Size >= 0 || !ok {
			continue
		}
		g.Go(func() error {
			size, err := asked.Size(ctx, it.Artifact)
			if err != nil {
				size = -1
			}
			it.Size = size
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	r := &log.report
	r.Disk = &Disk{Free: -1}
	for _, it := range items {
		it.reused = stocks(cfg.Store, it.Artifact)
		r.Disk.Needed += needs(cfg, it)
		switch tool := !slices.ContainsFunc(it.Picks, func(p *Pick) bool { return !p.Tool }); {
		case tool || it.Size < 0:
		case it.reused:
			r.Bytes, r.ReusedBytes = r.Bytes+it.Size, r.ReusedBytes+it.Size
		default:
			r.Bytes, r.FetchedBytes = r.Bytes+it.Size, r.FetchedBytes+it.Size
		}
	}
	for _, p := range picks {
		if p.Tool {
			continue
		}
		row := PlanItem{Project: p.Project, Version: p.Version, Filename: p.Filename, Target: p.Target, Size: p.item.Size, Stocked: p.item.reused}
		if e, ok := p.world.World.(Estimator); ok && row.Size >= 0 {
			row.Disk = e.Disk(p.item.Artifact, p.layers(), Copies(cfg, p.world.Ecosystem))
		}
		r.Plan = append(r.Plan, row)
	}
	slices.SortStableFunc(r.Plan, func(a, b PlanItem) int { return cmp.Compare(b.Size, a.Size) })
	return nil
}

// needs is what an item that the store lacks adds to it.
func needs(cfg Config, it *Item) int64 {
	e, ok := it.world.World.(Estimator)
	if !ok || it.reused {
		return 0
	}
	layers := 0
	for _, p := range it.Picks {
		layers += p.layers()
	}
	return e.Disk(it.Artifact, layers, Copies(cfg, it.world.Ecosystem))
}

// planned is the manifest of a plan, as far as it is compared with the previous one.
func planned(worlds []*world, picks []*Pick, previous *previous) *snapshot.Manifest {
	m := &snapshot.Manifest{}
	for _, w := range worlds {
		for _, t := range w.cfg.Targets {
			m.Targets = append(m.Targets, t.Target)
		}
		for _, v := range wantedViews(w.cfg, w.Ecosystem) {
			m.Views = append(m.Views, v.Name)
		}
		for _, k := range w.locks {
			if len(k.Pins) > 0 && !k.Unresolved {
				m.Environments = append(m.Environments, snapshot.ManifestEnvironment{Target: k.target.Tag, Lock: k.Digest, Name: k.name()})
			}
		}
	}
	for _, p := range picks {
		row := snapshot.ManifestArtifact{Ecosystem: p.world.Name, Project: p.Project, Version: p.Version,
			SHA256: p.Object.Digest, Size: p.item.Size, Built: p.Built, Targets: []string{p.Target}}
		if had, ok := previous.madeOf(p); ok {
			row.SHA256, row.Size, row.Built = had.SHA256, had.Size, had.Built
		}
		m.Artifacts = append(m.Artifacts, row)
	}
	if previous == nil {
		return m
	}
	for _, a := range previous.manifest.Artifacts {
		if a.URL == "" { // an installer that no index has: it is stocked without a plan
			m.Artifacts = append(m.Artifacts, a)
		}
	}
	return m
}

// stocks says whether the store has an artifact of that size.
func stocks(s *snapshot.Store, a Artifact) bool {
	f, err := s.OpenObject(a.Object)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	return err == nil && (a.Size < 0 || info.Size() == a.Size)
}

// layers is how many a pick gets.
func (p *Pick) layers() int {
	if p.layered {
		return 1
	}
	return 0
}

// Copies is how many of the wanted views hold each artifact once more.
func Copies(cfg Config, e Ecosystem) (n int) {
	for _, v := range wantedViews(cfg, e) {
		if v.Copies {
			n++
		}
	}
	return n
}
