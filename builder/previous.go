package builder

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"larder/snapshot"
	"larder/snapshot/image"
)

// previous is a snapshot, for a build the current one, from which is taken what has not changed:
// artifacts by digest, layers by name, view entries by path. It may be nil: all its
// methods then find nothing.
type previous struct {
	id        snapshot.ID
	image     *image.Image
	manifest  *snapshot.Manifest
	artifacts map[string]snapshot.ManifestArtifact    // by ecosystem and index's digest
	bySHA256  map[snapshot.Digest]string              // those keys
	layers    map[string]snapshot.ManifestLayer       // by id
	envs      map[string]snapshot.ManifestEnvironment // by target and digest of the pins
}

// openPrevious opens the current snapshot, once its bytes are those of its id: damage
// copied from it would get a valid digest. A store without one has none.
func openPrevious(s *snapshot.Store, ecosystems []Ecosystem) (*previous, error) {
	id, err := s.Current()
	if errors.Is(err, snapshot.ErrNoSnapshot) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return openStocked(s, id, ecosystems)
}

// openStocked opens a snapshot whose bytes are those of its id.
func openStocked(s *snapshot.Store, id snapshot.ID, ecosystems []Ecosystem) (*previous, error) {
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
	p := newPrevious(img, m, ecosystems)
	p.id = id
	return p, nil
}

// newPrevious is what a manifest tells. Without an image the bytes of layers and views are unknown.
func newPrevious(img *image.Image, m *snapshot.Manifest, ecosystems []Ecosystem) *previous {
	p := &previous{image: img, manifest: m, artifacts: map[string]snapshot.ManifestArtifact{}, bySHA256: map[snapshot.Digest]string{},
		layers: map[string]snapshot.ManifestLayer{}, envs: map[string]snapshot.ManifestEnvironment{}}
	for _, a := range m.Artifacts {
		digest := a.SHA256.String()
		at := slices.IndexFunc(ecosystems, func(e Ecosystem) bool { return e.Name == a.Ecosystem })
		if at >= 0 && ecosystems[at].Digest != nil && a.Built == nil {
			digest = ecosystems[at].Digest(a)
		}
		key := a.Ecosystem + " " + artifactKey(digest, a.Built != nil)
		p.artifacts[key], p.bySHA256[a.SHA256] = a, key
	}
	for _, l := range m.Layers {
		p.layers[l.ID] = l
	}
	for _, e := range m.Environments {
		p.envs[e.Target+" "+e.Lock] = e
	}
	return p
}

func (p *previous) close() {
	if p != nil && p.image != nil {
		p.image.Close()
	}
}

// names are the versions by which a project's layers are linked, by id of the layer.
func (p *previous) names(target, project string) map[string][]string {
	names := map[string][]string{}
	if p.image == nil {
		return names
	}
	for b := snapshot.NoBuilt; b <= snapshot.AllBuilt; b++ {
		dir := path.Dir(b.ByName(target, project, "any"))
		links, _ := p.image.ReadDir(dir) // none of a project without layers
		for _, l := range links {
			if to, err := p.image.ReadLink(dir + "/" + l.Name()); err == nil {
				names[path.Base(to)] = append(names[path.Base(to)], l.Name())
			}
		}
	}
	return names
}

// changes is how another manifest differs from its own.
func (p *previous) changes(now *snapshot.Manifest) *Changes {
	if p == nil {
		return compare("", &snapshot.Manifest{}, now)
	}
	return compare(p.id.String(), p.manifest, now)
}

// object returns the object at a path of the previous image, if it is there.
func (p *previous) object(path string) (snapshot.Object, int64, bool) {
	if p == nil || p.image == nil {
		return snapshot.Object{}, 0, false
	}
	return p.image.Object(path)
}

// artifact returns the row of this very file: it was found to be sound under this name.
func (p *previous) artifact(ecosystem string, a Artifact) (row snapshot.ManifestArtifact, ok bool) {
	if p == nil {
		return row, false
	}
	row, ok = p.artifacts[ecosystem+" "+a.key()]
	return row, ok && row.Filename == a.Filename
}

// madeOf returns the artifact that was built of a pick's source for its target.
func (p *previous) madeOf(k *Pick) (row snapshot.ManifestArtifact, ok bool) {
	if p == nil || !k.Source {
		return row, false
	}
	at := slices.IndexFunc(p.manifest.Artifacts, func(a snapshot.ManifestArtifact) bool {
		return a.Built != nil && a.Built.Source == k.Object.Digest && slices.Contains(a.Targets, k.Target)
	})
	if at < 0 {
		return row, false
	}
	return p.manifest.Artifacts[at], true
}

// pinned returns the artifact that a lock's environment has for a pin with digests. An environment may have
// more than one version of a project.
func (p *previous) pinned(target, lock string, pin *snapshot.Pin) (row snapshot.ManifestArtifact, ok bool) {
	if p == nil {
		return row, false
	}
	for _, id := range p.envs[target+" "+lock].Layers {
		if p.layers[id].Project != pin.Name {
			continue
		}
		key := p.bySHA256[p.layers[id].Artifact]
		row, digests := p.artifacts[key], pin.Digests
		digest := strings.TrimPrefix(key, row.Ecosystem+" ")
		if row.Built != nil {
			digest, digests = row.Built.Source.String(), pin.Sources
		}
		if slices.Contains(digests, digest) {
			return row, true
		}
	}
	return row, false
}

// layer lists what is in a layer; nil when there is none.
func (p *previous) layer(id string) ([]image.Entry, error) {
	if p == nil || p.image == nil {
		return nil, nil
	}
	if _, ok := p.layers[id]; !ok {
		return nil, nil
	}
	return p.below(snapshot.LayerPath(id))
}

// below lists what is in a directory of the image.
func (p *previous) below(dir string) ([]image.Entry, error) {
	entries := []image.Entry{}
	err := p.image.Walk(dir, func(e image.Entry) error {
		if e.Path == dir {
			return nil
		}
		e.Path = strings.TrimPrefix(e.Path, dir+"/")
		e.Object.Exec = e.Mode.IsRegular() && e.Mode&0o111 != 0
		entries = append(entries, e)
		return nil
	})
	return entries, err
}
