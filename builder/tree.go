package builder

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"larder/snapshot"
	"larder/snapshot/image"
	"larder/snapshot/pypi"
)

// layOut places what was stocked in an image: views, layers, the links by which an
// attach finds them, merged environments and the manifest.
func (b *build) layOut(ctx context.Context, all []stocked) (*image.Tree, error) {
	l := &layout{build: b, tree: image.NewTree(), wheels: map[string]*wheelRow{}, layers: map[string]bool{}}
	for i := range all {
		if err := l.add(&all[i]); err != nil {
			return nil, fmt.Errorf("lay out %s: %w", all[i].file.Filename, err)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	if err := l.byName(all); err != nil {
		return nil, err
	}
	if err := l.environments(all); err != nil {
		return nil, err
	}
	if err := l.simple(all); err != nil {
		return nil, err
	}
	if err := l.targets(all); err != nil {
		return nil, err
	}
	if err := l.writeManifest(); err != nil {
		return nil, err
	}
	b.report.Objects, b.report.Bytes = l.tree.Objects()
	return l.tree, nil
}

// layout is the image while it is being put together.
type layout struct {
	*build
	tree     *image.Tree
	manifest snapshot.Manifest
	wheels   map[string]*wheelRow // by SHA-256, as the manifest will list them
	layers   map[string]bool
}

// wheelRow is a wheel's row of the manifest while targets are added to it.
type wheelRow struct {
	snapshot.ManifestArtifact
	detail pypi.Wheel
}

// add places one wheel for one target.
func (l *layout) add(s *stocked) error {
	sha := s.file.SHA256
	w := l.wheels[sha]
	if w == nil {
		place, _, signed := strings.Cut(s.file.URL, "?")
		w = &wheelRow{
			ManifestArtifact: snapshot.ManifestArtifact{
				Ecosystem: pypi.Name, Project: s.project, Version: s.version.String(), Filename: s.file.Filename, SHA256: s.body.Digest,
				Size: s.size, URL: place, Signed: signed, Index: s.file.Index,
			},
			detail: pypi.Wheel{RequiresPython: s.file.RequiresPython, Metadata: metadataFits(s.file, s.ownMetadata), MetadataSHA256: s.ownMetadata},
		}
		l.wheels[sha] = w
		if err := l.cacheEntries(s); err != nil {
			return err
		}
	}
	tag := l.Targets[s.target].Tag
	if !slices.Contains(w.Targets, tag) {
		w.Targets = append(w.Targets, tag)
	}
	if s.layer == nil || l.layers[s.layer.id] {
		return nil
	}
	l.layers[s.layer.id] = true
	return l.addLayer(s, tag)
}

func (l *layout) addLayer(s *stocked, tag string) error {
	dir := snapshot.LayerPath(s.layer.id)
	row := snapshot.ManifestLayer{ID: s.layer.id, Target: tag, Project: s.project, Version: s.version.String(), Artifact: s.body.Digest}
	for _, f := range s.layer.files {
		if err := l.tree.File(dir+"/"+f.Path, f.Object, f.Size, f.MTime); err != nil {
			return err
		}
		row.Files++
		row.Bytes += f.Size
	}
	l.manifest.Layers = append(l.manifest.Layers, row)
	path := snapshot.ByHashPath(tag, s.body.Digest.String())
	return l.tree.Symlink(path, snapshot.LinkTarget(path, dir))
}

// byName links the layers by project and version: as the wheel spells it, without
// trailing zeros, and as the locks that asked for it do. Of several wheels of one
// version that locks brought in, pip's order decides.
func (l *layout) byName(all []stocked) error {
	best := map[string]*stocked{}
	for i := range all {
		s := &all[i]
		if s.layer == nil {
			continue
		}
		for _, version := range l.spellings(s) {
			path := snapshot.ByNamePath(l.Targets[s.target].Tag, s.project, version)
			if old := best[path]; old == nil || cmp.Or(cmp.Compare(s.rank, old.rank), strings.Compare(s.file.Filename, old.file.Filename)) < 0 {
				best[path] = s
			}
		}
	}
	for path, s := range best {
		if err := l.tree.Symlink(path, snapshot.LinkTarget(path, snapshot.LayerPath(s.layer.id))); err != nil {
			return err
		}
	}
	return nil
}

func (l *layout) spellings(s *stocked) []string {
	all := []string{s.version.String(), s.version.Canonical()}
	for _, lp := range l.locks {
		for i := range lp.pins[s.target].Pins {
			pin := &lp.pins[s.target].Pins[i]
			if pin.Name == s.project && len(pin.Hashes) == 0 && s.locked && pinned(s.version, pin) && !strings.ContainsAny(pin.Version, "/\x00") {
				all = append(all, pin.Version)
			}
		}
	}
	return all
}

// environments merges the layers of each lock into one tree, when all its pins have one.
func (l *layout) environments(all []stocked) error {
	done := map[string]bool{}
	for _, lp := range l.locks {
		for target, pins := range lp.pins {
			tag, digest := l.Targets[target].Tag, pins.Digest()
			if len(pins.Pins) == 0 || done[tag+digest] {
				continue
			}
			done[tag+digest] = true
			layers := l.layersOf(all, target, pins.Pins)
			if layers == nil {
				return fmt.Errorf("%s: a wheel of its pins has no layer for %s", lp.path, tag)
			}
			id := snapshot.EnvironmentID(layers)
			l.manifest.Environments = append(l.manifest.Environments, snapshot.ManifestEnvironment{
				ID: id, Target: tag, Lock: digest, Name: filepath.Base(lp.path), Layers: layers,
			})
			if !done["e/"+id] {
				done["e/"+id] = true
				srcs := make([]string, len(layers))
				for i, id := range layers {
					srcs[i] = snapshot.LayerPath(id)
				}
				if err := l.tree.Merge(snapshot.MergedPath(id), srcs); err != nil {
					return fmt.Errorf("merge the environment of %s: %w", lp.path, err)
				}
			}
			path := snapshot.ByLockPath(tag, digest)
			if err := l.tree.Symlink(path, snapshot.LinkTarget(path, snapshot.MergedPath(id))); err != nil {
				return err
			}
		}
	}
	return nil
}

// targets writes one small file per target, so that an attach reads no manifest.
func (l *layout) targets(all []stocked) error {
	for i, t := range l.Targets {
		row := pypi.Target{Python: t.Python, Markers: t.Markers}.Row(t.Tag, "")
		for _, s := range all {
			if s.project == "pip" && s.target == i && s.layer != nil && (row.Installer == "" || s.tool) {
				row.Installer = s.layer.id
			}
		}
		l.manifest.Targets = append(l.manifest.Targets, row)
		if err := l.json(snapshot.TargetPath(t.Tag), row); err != nil {
			return err
		}
	}
	return nil
}

// writeManifest sorts the manifest's rows and writes it.
func (l *layout) writeManifest() error {
	m := &l.manifest
	m.Views = slices.Sorted(slices.Values(l.Views))
	for _, w := range l.wheels {
		slices.Sort(w.Targets)
		w.Detail = w.detail.Detail()
		m.Artifacts = append(m.Artifacts, w.ManifestArtifact)
	}
	raw, err := m.Encode()
	if err != nil {
		return err
	}
	return l.bytes(snapshot.ManifestPath, raw)
}

// bytes stages content and places it at path.
func (l *layout) bytes(path string, content []byte) error {
	if len(content) == 0 {
		return l.tree.File(path, snapshot.Object{}, 0, snapshot.Epoch)
	}
	o, err := l.stage.PutBytes(content, false)
	if err != nil {
		return err
	}
	return l.tree.File(path, o, int64(len(content)), snapshot.Epoch)
}
