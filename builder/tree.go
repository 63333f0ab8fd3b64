package builder

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"larder/snapshot"
	"larder/snapshot/image"
)

// layout is the image while it is being put together.
type layout struct {
	stage    *snapshot.Stage
	tree     *image.Tree
	manifest snapshot.Manifest
	layers   map[string]snapshot.Built // by id: those placed, and what counts them
	placed   map[string]bool           // by path: entries of views and links
}

func newLayout(stage *snapshot.Stage) *layout {
	return &layout{stage: stage, tree: image.NewTree(), layers: map[string]snapshot.Built{}, placed: map[string]bool{}}
}

// layOut places what was stocked: layers, the links by which an attach finds them, views, merged
// environments and the manifest.
func (l *layout) layOut(ctx context.Context, cfg Config, worlds []*world, items []*Item, fills []filled, log *log) error {
	for _, it := range items {
		if err := l.item(cfg, it); err != nil {
			return fmt.Errorf("lay out %s: %w", it.Filename, err)
		}
		log.step("seal", len(items), it.Filename)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if err := l.byName(items); err != nil {
		return err
	}
	for _, w := range worlds {
		for _, v := range wantedViews(cfg, w.Ecosystem) {
			l.manifest.Views = append(l.manifest.Views, v.Name)
		}
		own := slices.DeleteFunc(slices.Clone(items), func(it *Item) bool { return it.world != w })
		if err := l.environments(w); err != nil {
			return err
		}
		if err := l.pages(cfg, w, own); err != nil {
			return err
		}
		if err := l.targets(w, own); err != nil {
			return err
		}
	}
	if err := l.fills(fills); err != nil {
		return err
	}
	raw, err := l.manifest.Encode()
	if err != nil {
		return err
	}
	return l.bytes(snapshot.ManifestPath, raw)
}

// item places one artifact: its row, its layers and what views have of it.
func (l *layout) item(cfg Config, it *Item) error {
	url, _, signed := strings.Cut(it.URL, "?")
	row := snapshot.ManifestArtifact{
		Ecosystem: it.world.Name, Project: it.Project, Version: it.Version, Filename: it.Filename, SHA256: it.Object.Digest,
		Size: it.Size, Index: it.Index, URL: url, Signed: signed || it.signed, Built: it.Built, Detail: it.Detail,
	}
	for _, p := range it.Picks {
		if !slices.Contains(row.Targets, p.Target) {
			row.Targets = append(row.Targets, p.Target)
		}
		if err := l.layer(it, p); err != nil {
			return err
		}
	}
	l.manifest.Artifacts = append(l.manifest.Artifacts, row)
	for _, v := range wantedViews(cfg, it.world.Ecosystem) {
		if err := l.view(v, v.entries(it), it.made); err != nil {
			return err
		}
	}
	return nil
}

// named is the digest by which an index knows what a lock names: the source's of what was built.
func (p *Pick) named() string {
	if p.Built != nil {
		return p.Built.Source.String()
	}
	return p.Digest
}

// layer places a pick's layer, unless another target has it.
func (l *layout) layer(it *Item, p *Pick) error {
	if _, placed := l.layers[p.LayerID]; p.Layer == nil || placed {
		return nil
	}
	l.layers[p.LayerID] = p.Built.Needs()
	dir := snapshot.LayerPath(p.LayerID)
	if err := l.tree.Dir(dir); err != nil {
		return err
	}
	if err := l.tree.Place(dir, p.Layer); err != nil {
		return err
	}
	row := snapshot.ManifestLayer{ID: p.LayerID, Target: p.Target, Project: p.Project, Version: p.Version, Artifact: it.Object.Digest}
	for _, e := range p.Layer {
		if e.Mode.IsRegular() {
			row.Files++
			row.Bytes += e.Size
		}
	}
	l.manifest.Layers = append(l.manifest.Layers, row)
	path := p.Built.Needs().ByHash(p.Target, p.named())
	if l.placed[path] {
		return nil // of several layers of one artifact, the first
	}
	l.placed[path] = true
	return l.tree.Symlink(path, snapshot.LinkTarget(path, dir))
}

// view places files of a view. Two artifacts of one path cannot both be served: the first is.
func (l *layout) view(v View, entries []ViewEntry, made map[string]made) error {
	for _, e := range entries {
		path := viewPath(v, e)
		if l.placed[path] {
			continue
		}
		l.placed[path] = true
		var err error
		switch done, ok := made[path]; {
		case ok:
			err = l.tree.File(path, done.object, done.size, snapshot.Epoch)
		case e.Make != nil: // it could not be made
		case e.Bytes != nil:
			err = l.bytes(path, e.Bytes)
		case e.Link != "":
			err = l.tree.Symlink(path, snapshot.LinkTarget(e.Path, e.Link)) // the view is mounted by itself
		default:
			err = l.tree.File(path, e.Object, e.Size, snapshot.Epoch)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pages places what views have of all items.
func (l *layout) pages(cfg Config, w *world, items []*Item) error {
	for _, v := range wantedViews(cfg, w.Ecosystem) {
		if v.Pages == nil {
			continue
		}
		entries, err := v.Pages(slices.DeleteFunc(slices.Clone(items), func(it *Item) bool { return !v.has(it) }))
		if err != nil {
			return err
		}
		if err := l.view(v, entries, nil); err != nil {
			return err
		}
	}
	return nil
}

// byName links the layers by project and version. Of several artifacts of one version that locks
// brought in, the ecosystem's order decides.
func (l *layout) byName(items []*Item) error {
	best := map[string]*Pick{}
	for _, p := range picksOf(items) {
		if p.Layer == nil {
			continue
		}
		for _, version := range p.Names {
			path := p.Built.Needs().ByName(p.Target, p.Project, version)
			if old := best[path]; old == nil || cmp.Or(cmp.Compare(p.Order, old.Order), strings.Compare(p.Filename, old.Filename)) < 0 {
				best[path] = p
			}
		}
	}
	for path, p := range best {
		if err := l.tree.Symlink(path, snapshot.LinkTarget(path, snapshot.LayerPath(p.LayerID))); err != nil {
			return err
		}
	}
	return nil
}

// environments merges the layers of each lock into one tree.
func (l *layout) environments(w *world) error {
	done := map[string]bool{}
	for _, k := range w.locks {
		tag := k.target.Tag
		if len(k.Pins) == 0 || k.Unresolved || done[tag+k.Digest] {
			continue
		}
		done[tag+k.Digest] = true
		dirs, layers, needs := make([]string, len(k.Pins)), k.layers(), snapshot.NoBuilt
		for i, id := range layers {
			built, ok := l.layers[id]
			if !ok {
				return fmt.Errorf("%s: %s has no layer for %s", k.path, k.Pins[i].Name, tag)
			}
			dirs[i], needs = snapshot.LayerPath(id), max(needs, built)
		}
		id := k.EnvironmentID(layers)
		l.manifest.Environments = append(l.manifest.Environments, k.row(id, layers))
		if !done["e/"+id] {
			done["e/"+id] = true
			if err := l.merge(k, snapshot.MergedPath(id), dirs); err != nil {
				return fmt.Errorf("merge the environment of %s: %w", k.path, err)
			}
		}
		path := needs.ByLock(tag, k.Digest)
		if err := l.tree.Symlink(path, snapshot.LinkTarget(path, snapshot.MergedPath(id))); err != nil {
			return err
		}
	}
	return nil
}

// merge makes a lock's environment of the layers of its pins, at its root or where they belong.
func (l *layout) merge(k *lock, dst string, dirs []string) error {
	if len(k.Places) == 0 {
		return l.tree.Merge(dst, dirs)
	}
	parts := make([]image.Part, len(k.Places))
	for i, p := range k.Places {
		parts[i] = image.Part{Path: p.Path, Src: dirs[p.Pin]}
	}
	own := make([]image.Own, len(k.Own))
	for i, f := range k.Own {
		own[i] = image.Own{Path: f.Path, In: k.PartOf(f.Path), Link: f.Link, Size: int64(len(f.Data))}
		if len(f.Data) > 0 {
			var err error
			if own[i].Object, err = l.stage.PutBytes(f.Data, false); err != nil {
				return err
			}
		}
	}
	return l.tree.Assemble(dst, parts, own)
}

// targets writes one small file per target, so that an attach reads no manifest.
func (l *layout) targets(w *world, items []*Item) error {
	for _, t := range w.cfg.Targets {
		row := t.Target
		row.Format = snapshot.ManifestFormat
		for _, p := range picksOf(items) {
			if p.Project == w.Installer && p.Target == t.Tag && p.Layer != nil && (row.Installer == "" || p.Tool) {
				row.Installer = p.LayerID
			}
		}
		l.manifest.Targets = append(l.manifest.Targets, row)
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", " ")
		if err := enc.Encode(row); err != nil {
			return err
		}
		if err := l.bytes(snapshot.TargetPath(t.Tag), b.Bytes()); err != nil {
			return err
		}
	}
	return nil
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
