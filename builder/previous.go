package builder

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"larder/builder/index"
	"larder/builder/wheel"
	"larder/snapshot"
	"larder/snapshot/image"
	"larder/snapshot/pep440"
)

// previous is the current snapshot, from which a build takes what has not changed:
// wheels by digest, layers by name, cache entries by path. It may be nil: all its
// methods then find nothing.
type previous struct {
	image    *image.Image
	manifest snapshot.Manifest
	wheels   map[string]snapshot.ManifestWheel       // by SHA-256
	layers   map[string]snapshot.ManifestLayer       // by id
	envs     map[string]snapshot.ManifestEnvironment // by target and digest of the pins
}

// openPrevious opens the current snapshot; a store without one has none.
func openPrevious(s *snapshot.Store) (*previous, error) {
	id, err := s.Current()
	if errors.Is(err, snapshot.ErrNoSnapshot) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	img, err := image.Open(s.ImagePath(id), s.ObjectsDir())
	if err != nil {
		return nil, err
	}
	raw, err := fs.ReadFile(img, "manifest.json")
	if err != nil {
		img.Close()
		return nil, err
	}
	p := &previous{image: img, wheels: map[string]snapshot.ManifestWheel{}, layers: map[string]snapshot.ManifestLayer{}, envs: map[string]snapshot.ManifestEnvironment{}}
	if err := json.Unmarshal(raw, &p.manifest); err != nil {
		img.Close()
		return nil, fmt.Errorf("parse manifest.json of %s: %w", id, err)
	}
	for _, w := range p.manifest.Wheels {
		p.wheels[w.SHA256.String()] = w
	}
	for _, l := range p.manifest.Layers {
		p.layers[l.ID] = l
	}
	for _, e := range p.manifest.Environments {
		p.envs[e.Target+" "+e.Lock] = e
	}
	return p, nil
}

func (p *previous) close() { p.image.Close() }

// object returns the object at a path of the previous image, if it is there and
// was made from the same wheel.
func (p *previous) object(path string) (snapshot.Object, int64, bool) {
	if p == nil {
		return snapshot.Object{}, 0, false
	}
	return p.image.Object(path)
}

func (p *previous) hasLayer(id string) bool {
	if p == nil {
		return false
	}
	_, ok := p.layers[id]
	return ok
}

// hasWheel says whether the previous snapshot was made with this very file from
// this very place: what was made of it can be taken over.
func (p *previous) hasWheel(f index.File) bool {
	if p == nil {
		return false
	}
	w, ok := p.wheels[f.SHA256]
	return ok && w.URL == f.URL
}

// picksOf answers a want without the index, when it can: every pin belongs to a lock
// with hashes that the previous snapshot has whole. What such a lock asked for then,
// it asks for now; a lock without hashes may mean other files since.
func (p *previous) picksOf(w *want, targets []Target) ([]pick, bool) {
	if p == nil || w.ranked || w.tool {
		return nil, false
	}
	var picks []pick
	for _, tp := range w.pins {
		e, ok := p.envs[targets[tp.target].Tag+" "+tp.digest]
		if !ok || len(tp.pin.Hashes) == 0 {
			return nil, false
		}
		at := slices.IndexFunc(e.Layers, func(id string) bool { return p.layers[id].Project == w.project })
		if at < 0 {
			return nil, false
		}
		old, ok := p.wheels[p.layers[e.Layers[at]].Wheel.String()]
		if !ok {
			return nil, false
		}
		c := candidate{file: index.File{
			Filename: old.Filename, URL: old.URL, SHA256: old.SHA256.String(), Size: old.Size,
			RequiresPython: old.RequiresPython, Index: old.Index, Metadata: old.Metadata,
		}}
		var err error
		if c.name, err = wheel.ParseName(old.Filename); err != nil {
			return nil, false
		}
		if c.version, err = pep440.Parse(old.Version); err != nil {
			return nil, false
		}
		t := targets[tp.target]
		c.rank, _ = t.Rank(c.name.Python, c.name.ABI, c.name.Platform)
		picks = append(picks, pick{candidate: c, project: w.project, target: tp.target, locked: true})
	}
	return picks, true
}
