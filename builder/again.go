package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// again makes once more what a snapshot's manifest lists: its artifacts are the picks, and no index
// is asked what there is. Whatever of it the pool has whole is reused, and of the rest the bytes are
// the same ones, since all that decides them is in the manifest or on this host. Repair makes of it
// what is damaged; without some of the picks it is the plan of another snapshot.
type again struct {
	stocking
	worlds []*world
	picks  []*Pick
	gone   []string // environments whose own files cannot be had
}

// openAgain plans from a snapshot. Of cfg count its store, ecosystems, limits and what it says.
func openAgain(ctx context.Context, cfg Config, p *previous, stage *snapshot.Stage, log *log) (*again, error) {
	cfg.Views = p.manifest.Views
	a := &again{stocking: stocking{cfg: cfg, stage: stage, previous: p, log: log, start: time.Now(), again: true,
		until: deadline{time.Now().Add(cfg.FetchTime), cfg.FetchTime}}}
	for _, e := range cfg.Ecosystems {
		w, err := a.world(ctx, e)
		if err != nil {
			a.close()
			return nil, err
		}
		if w != nil {
			a.worlds = append(a.worlds, w)
		}
	}
	if err := a.plan(); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

func (a *again) close() {
	for _, w := range a.worlds {
		w.Close()
	}
}

// world is an ecosystem's part in the snapshot; nil when it has none.
func (a *again) world(ctx context.Context, e Ecosystem) (*world, error) {
	m := a.previous.manifest
	var tags []string
	for _, t := range m.Targets {
		if t.Ecosystem == e.Name {
			tags = append(tags, t.Tag)
		}
	}
	if len(tags) == 0 {
		return nil, nil
	}
	found, err := e.Targets(ctx, tags, nil)
	if err != nil {
		return nil, err
	}
	w := &world{Ecosystem: e, cfg: a.cfg}
	w.cfg.Targets = nil
	for _, row := range m.Targets {
		at := slices.IndexFunc(found, func(t Target) bool { return t.Tag == row.Tag })
		if at < 0 {
			continue
		}
		t := found[at]
		t.Target, t.Installer = row, "" // which layer it is follows from the layers
		w.cfg.Targets = append(w.cfg.Targets, t)
	}
	for _, env := range m.Environments {
		at := slices.IndexFunc(w.cfg.Targets, func(t Target) bool { return t.Tag == env.Target })
		if at < 0 {
			continue
		}
		l, err := a.lockOf(env, w.cfg.Targets[at])
		if err != nil {
			a.gone = append(a.gone, fmt.Sprintf("%s for %s: %v", env.Name, env.Target, err))
			continue
		}
		w.locks = append(w.locks, l)
	}
	w.World, err = e.Open(ctx, w.cfg, a.stage)
	return w, err
}

// lockOf is the lock of an environment, as far as the image needs to know it.
func (a *again) lockOf(env snapshot.ManifestEnvironment, t Target) (*lock, error) {
	r := &snapshot.Requirements{Digest: env.Lock, Mounts: env.Mounts}
	for _, path := range slices.Sorted(maps.Keys(env.Places)) {
		r.Places = append(r.Places, snapshot.Place{Path: path, Pin: env.Places[path]})
	}
	for _, own := range env.Own {
		f := snapshot.OwnFile{Path: own.Path, Link: own.Link}
		if own.Link == "" {
			var err error
			if f.Data, err = a.ownFile(own); err != nil {
				return nil, err
			}
		}
		r.Own = append(r.Own, f)
	}
	l := &lock{Requirements: r, path: env.Name, target: t}
	for _, id := range env.Layers {
		row := a.previous.layers[id]
		r.Pins = append(r.Pins, snapshot.Pin{Name: row.Project, Version: row.Version})
		l.picks = append(l.picks, &Pick{LayerID: id})
	}
	return l, nil
}

// ownFile reads what the pool has of a file of an environment's own: an image may be what is made again.
func (a *again) ownFile(own snapshot.ManifestOwn) (data []byte, err error) {
	if own.SHA256 == snapshot.Sum(nil) {
		return nil, nil // no object
	}
	f, err := a.cfg.Store.OpenObject(snapshot.Object{Digest: own.SHA256})
	if err == nil {
		defer f.Close()
		data, err = io.ReadAll(f)
	}
	if err == nil && snapshot.Sum(data) != own.SHA256 || errors.Is(err, snapshot.ErrDamaged) {
		err = fmt.Errorf("its own file %s is damaged: larder build --lock makes it anew", own.Path)
	}
	return data, err
}

// plan makes a pick of each artifact and target of the manifest.
func (a *again) plan() error {
	m := a.previous.manifest
	layers, tools := map[string]string{}, map[string]bool{}
	for _, l := range m.Layers {
		layers[l.Target+" "+l.Artifact.String()] = l.ID
	}
	for _, t := range m.Targets {
		tools[t.Installer] = true
	}
	for _, row := range m.Artifacts {
		at := slices.IndexFunc(a.worlds, func(w *world) bool { return w.Name == row.Ecosystem })
		if at < 0 {
			return fmt.Errorf("%w: the snapshot has artifacts of %q, which this program does not know", ErrRefused, row.Ecosystem)
		}
		w := a.worlds[at]
		for _, target := range row.Targets {
			p, err := w.Known(row, target)
			if err != nil {
				return fmt.Errorf("%s: %w", row.Filename, err)
			}
			p.world = w
			if id, ok := layers[target+" "+row.SHA256.String()]; ok {
				p.LayerID, p.layered = id, true
				p.Names = append(p.Names, a.previous.names(target, row.Project)[id]...)
				p.Tool = row.Project == w.Installer && tools[id]
				w.cfg.Layers = AllLayers
			}
			a.picks = append(a.picks, p)
		}
	}
	return nil
}

// bring gets picks into the pool and returns the items that can be had. Environments that
// lack a layer are gone, and named.
func (a *again) bring(ctx context.Context, picks []*Pick) (items []*Item, gone []string, err error) {
	if items, err = a.stock(ctx, a.worlds, picks); err != nil {
		return nil, nil, err
	}
	gone = slices.Clone(a.gone)
	have := map[string]bool{}
	for _, p := range picksOf(items) {
		have[p.LayerID] = have[p.LayerID] || p.Layer != nil
	}
	for _, w := range a.worlds {
		w.locks = slices.DeleteFunc(w.locks, func(l *lock) bool {
			at := slices.IndexFunc(l.picks, func(p *Pick) bool { return !have[p.LayerID] })
			if at >= 0 {
				gone = append(gone, fmt.Sprintf("%s for %s, which needs %s", l.path, l.target.Tag, ecosystem.Shown(w.Name, l.Pins[at].Name, " ", l.Pins[at].Version)))
			}
			return at >= 0
		})
	}
	return items, gone, nil
}

// layOut lays items out as a build of them would.
func (a *again) layOut(ctx context.Context, items []*Item) (*layout, error) {
	fills, err := a.fill(ctx, openFillings(ctx, a.cfg, a.worlds), items)
	if err != nil {
		return nil, err
	}
	l := newLayout(a.stage)
	return l, l.layOut(ctx, a.cfg, a.worlds, items, fills, a.log)
}
