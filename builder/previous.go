package builder

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"larder/builder/pypi/index"
	"larder/builder/pypi/layer"
	"larder/builder/pypi/wheel"
	"larder/snapshot"
	"larder/snapshot/image"
	"larder/snapshot/pypi"
	"larder/snapshot/pypi/pep440"
)

// previous is the current snapshot, from which a build takes what has not changed:
// wheels by digest, layers by name, cache entries by path. It may be nil: all its
// methods then find nothing.
type previous struct {
	image  *image.Image
	wheels map[string]snapshot.ManifestArtifact    // by SHA-256
	layers map[string]snapshot.ManifestLayer       // by id
	envs   map[string]snapshot.ManifestEnvironment // by target and digest of the pins
}

// openPrevious opens the current snapshot, once its bytes are those of its id: damage
// copied from it would get a valid digest. A store without one has none.
func openPrevious(s *snapshot.Store) (*previous, error) {
	id, err := s.Current()
	if errors.Is(err, snapshot.ErrNoSnapshot) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := s.CheckImage(id); err != nil {
		return nil, err
	}
	img, err := image.OpenSnapshot(s, id)
	if err != nil {
		return nil, err
	}
	m, err := img.Manifest()
	if err != nil {
		img.Close()
		return nil, fmt.Errorf("snapshot %s: %w", id.Short(), err)
	}
	p := &previous{image: img, wheels: map[string]snapshot.ManifestArtifact{}, layers: map[string]snapshot.ManifestLayer{}, envs: map[string]snapshot.ManifestEnvironment{}}
	for _, w := range m.Artifacts {
		p.wheels[w.SHA256.String()] = w
	}
	for _, l := range m.Layers {
		p.layers[l.ID] = l
	}
	for _, e := range m.Environments {
		p.envs[e.Target+" "+e.Lock] = e
	}
	return p, nil
}

func (p *previous) close() { p.image.Close() }

// object returns the object at a path of the previous image, if it is there.
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

// layer lists the files of a layer.
func (p *previous) layer(id string) (files []layer.File, err error) {
	dir := snapshot.LayerPath(id)
	err = p.image.Walk(dir, func(e image.Entry) error {
		switch {
		case e.Mode.IsDir():
			return nil
		case !e.Mode.IsRegular():
			return fmt.Errorf("%s is not a file: %w", e.Path, snapshot.ErrDamaged)
		}
		o := e.Object
		o.Exec = e.Mode&0o111 != 0
		files = append(files, layer.File{Path: strings.TrimPrefix(e.Path, dir+"/"), Object: o, Size: e.Size, MTime: e.MTime})
		return nil
	})
	return files, err
}

// wheel returns what the previous snapshot says of this very file: it was found to be a
// sound wheel of this name.
func (p *previous) wheel(f index.File) (w snapshot.ManifestArtifact, ok bool) {
	if p == nil {
		return w, false
	}
	if w, ok = p.wheels[f.SHA256]; !ok || w.Filename != f.Filename {
		return snapshot.ManifestArtifact{}, false
	}
	return w, true
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
		old, ok := p.wheels[p.layers[e.Layers[at]].Artifact.String()]
		if !ok || old.Signed {
			return nil, false // only the index knows the rest of its URL
		}
		detail, err := pypi.WheelOf(old)
		if err != nil {
			return nil, false
		}
		c := candidate{file: index.File{
			Filename: old.Filename, URL: old.URL, SHA256: old.SHA256.String(), Size: old.Size,
			RequiresPython: detail.RequiresPython, Index: old.Index, Metadata: detail.Metadata,
		}}
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
