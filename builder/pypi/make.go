package pypi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"

	"larder/builder"
	"larder/builder/pypi/index"
	"larder/builder/pypi/source"
	"larder/builder/sandbox"
	"larder/snapshot"
	"larder/snapshot/pypi"
)

// maker builds sources: one builder for each target, and what the store knows of earlier builds.
type maker struct {
	*world

	mu       sync.Mutex
	runner   *sandbox.Runner
	builders map[string]*source.Builder // by target
	system   *source.System             // nil: nothing with machine code is built
	recipes  []snapshot.Recipe
	read     bool // recipes are those of the store
}

func (m *maker) close() {
	for _, b := range m.builders {
		b.Close()
	}
	if m.runner != nil {
		m.runner.Close()
	}
}

// builder is the one for a target. The first finds out whether this host can build at all.
func (m *maker) builder(ctx context.Context, tag string) (*source.Builder, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b := m.builders[tag]; b != nil {
		return b, nil
	}
	t := m.targets[tag]
	if t.Interpreter == nil {
		return nil, fmt.Errorf("its source is built by the target's interpreter, and none for %s is on this host", tag)
	}
	scratch, err := m.stage.Scratch()
	if err != nil {
		return nil, err
	}
	if m.runner == nil {
		runner, err := sandbox.Open(scratch)
		if err != nil {
			return nil, builder.Lacking(err)
		}
		m.runner = runner
	}
	b, err := source.Open(ctx, source.Config{
		Tag: t.Tag, Interpreter: *t.Interpreter, Sandbox: m.runner, Scratch: scratch, Fetch: m.dependency, Failed: m.failed,
		System: m.system, Libraries: m.cfg.BuildLibraries,
	})
	if err != nil {
		return nil, err
	}
	m.builders[tag] = b
	return b, nil
}

// kept are the recipes of the store that ok accepts. Those that cannot be read are warned of once, and
// made anew.
func (m *maker) kept(ok func(snapshot.Recipe) bool) (found []snapshot.Recipe) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.read {
		var bad []snapshot.UnreadableRecipe
		var err error
		if m.recipes, bad, err = m.cfg.Store.Recipes(); err != nil {
			m.cfg.Warn("recipes are made anew: " + err.Error())
		}
		for _, b := range bad {
			m.cfg.Warn("made anew: " + b.Err.Error())
		}
		m.read = true
	}
	for _, r := range m.recipes {
		if ok(r) {
			found = append(found, r)
		}
	}
	return found
}

// keep has the store keep a recipe.
func (m *maker) keep(r snapshot.Recipe) error {
	m.mu.Lock()
	m.recipes = append(m.recipes, r)
	m.mu.Unlock()
	return m.cfg.Store.PutRecipe(r)
}

// failed is what is remembered of a recipe by which nothing could be built.
func (m *maker) failed(id snapshot.Digest) *source.Failure {
	for _, r := range m.kept(func(r snapshot.Recipe) bool { return r.Failure != nil && r.ID() == id }) {
		return &source.Failure{Reason: r.Failure.Reason, Detail: r.Failure.Detail}
	}
	return nil
}

// Make implements builder.Maker.
func (w *world) Make(ctx context.Context, p *builder.Pick, src builder.Reader, put builder.Put) error {
	m := w.maker
	for _, r := range m.kept(func(r snapshot.Recipe) bool { return m.gave(r, p) }) {
		_, err := w.stage.Check(snapshot.Object{Digest: r.Result.SHA256})
		if err != nil {
			var o snapshot.Object
			if o, _, err = w.Remake(ctx, r, src, put); err == nil && o.Digest != r.Result.SHA256 {
				err = fmt.Errorf("recipe %s gives another wheel than it once did", r.ID().Short())
			}
		}
		switch {
		case err == nil:
			w.become(p, r)
			return nil
		case builder.HostFault(err) || ctx.Err() != nil:
			return err
		}
		w.cfg.Warn(fmt.Sprintf("%s is built by a new recipe: %v", p.Filename, err))
	}
	b, err := m.builder(ctx, p.Target)
	if err != nil {
		return err
	}
	record := snapshot.Recipe{Ecosystem: pypi.Name, Target: p.Target, Project: p.Project, Version: p.Version, Filename: p.Filename,
		Source: p.Object.Digest, Index: p.Index}
	record.URL, _, _ = strings.Cut(p.URL, "?") // it may be a secret
	s := sourceOf(record, src)
	s.Native = w.cfg.Builds(p.Project) == snapshot.AllBuilt
	built, attempts, err := b.Build(ctx, s)
	for _, a := range attempts {
		failed := record
		failed.What, failed.Failure = a.Recipe.Encode(), &snapshot.RecipeFailure{Reason: a.Failure.Reason, Detail: a.Failure.Detail}
		if err := m.keep(failed); err != nil {
			return err
		}
	}
	if err != nil {
		return m.advise(p.Project, err)
	}
	defer built.Close()
	o, size, err := put(io.NewSectionReader(built, 0, built.Size), false)
	if err != nil {
		return err
	}
	record.What = built.Recipe.Encode()
	record.Result = &snapshot.RecipeResult{Filename: built.Filename, SHA256: o.Digest, Size: size, Kind: built.Kind}
	if err := m.keep(record); err != nil {
		return err
	}
	w.become(p, record)
	return nil
}

// advise says how a source may be built that fails for want of a compiler, or of what it compiles with.
func (m *maker) advise(project string, err error) error {
	var f *source.Failure
	if !errors.As(err, &f) || !slices.Contains([]string{source.MissingProgram, source.MissingHeader, source.MachineCode}, f.Reason) {
		return err
	}
	if m.cfg.Builds(project) == snapshot.AllBuilt && m.system != nil {
		return builder.WithHint(err, "install what it asks for in the root file system that sdists_root in [build] names, or lock a version that has a wheel")
	}
	return builder.WithHint(err, fmt.Sprintf("lock a version that has a wheel, or let it have machine code: sdists = \"all\", sdists_allow = [%q] and sdists_root in [build] of the configuration", project))
}

// gave says whether a recipe gave what a pick of a source may become. Where machine code may be built, one
// that had no compiler is not asked.
func (m *maker) gave(r snapshot.Recipe, p *builder.Pick) bool {
	may := m.cfg.Builds(p.Project)
	if r.Result == nil || r.Source != p.Object.Digest || r.Target != p.Target || !slices.Contains(may.Kinds(), r.Result.Kind) {
		return false
	}
	if may != snapshot.AllBuilt || m.system == nil {
		return true
	}
	what, err := source.ParseRecipe(r.What)
	return err == nil && what.Kind == snapshot.Native
}

// become makes a pick of a source one of what was built of it.
func (w *world) become(p *builder.Pick, r snapshot.Recipe) {
	f, _ := p.Own.(index.File)
	sum := r.Result.SHA256.String()
	p.Own = index.File{Filename: r.Result.Filename, URL: p.URL, SHA256: sum, Size: r.Result.Size, RequiresPython: f.RequiresPython, Index: p.Index}
	p.Source, p.Filename, p.Digest, p.Object, p.Size = false, r.Result.Filename, sum, snapshot.Object{Digest: r.Result.SHA256}, r.Result.Size
	p.Built = &snapshot.ManifestBuilt{Source: r.Source, Recipe: r.ID(), Kind: r.Result.Kind}
	p.LayerID = w.targets[p.Target].layerID(sum)
}

// Source implements builder.Maker.
func (w *world) Source(r snapshot.Recipe) builder.Artifact {
	f := index.File{Filename: r.Filename, URL: r.URL, SHA256: r.Source.String(), Size: -1, Index: r.Index}
	return builder.Artifact{Project: r.Project, Version: r.Version, Filename: r.Filename, Digest: f.SHA256, Object: snapshot.Object{Digest: r.Source},
		Size: -1, URL: r.URL, Index: r.Index, Own: f}
}

// Remake implements builder.Maker.
func (w *world) Remake(ctx context.Context, r snapshot.Recipe, src builder.Reader, put builder.Put) (o snapshot.Object, size int64, err error) {
	recipe, err := source.ParseRecipe(r.What)
	if err != nil {
		return o, 0, err
	}
	b, err := w.maker.builder(ctx, r.Target)
	if err != nil {
		return o, 0, err
	}
	built, err := b.Make(ctx, sourceOf(r, src), recipe)
	if err != nil {
		return o, 0, err
	}
	defer built.Close()
	return put(io.NewSectionReader(built, 0, built.Size), false)
}

func sourceOf(r snapshot.Recipe, src builder.Reader) source.Source {
	return source.Source{Project: r.Project, Version: r.Version, Filename: r.Filename, Digest: r.Source,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(src, 0, math.MaxInt64)), nil }}
}

// dependency opens a wheel that a source is built with: from the pool, else from the index, which
// publishes its digest.
func (m *maker) dependency(ctx context.Context, d source.Dependency) (builder.Reader, int64, error) {
	o := snapshot.Object{Digest: d.SHA256}
	size, err := m.stage.Check(o)
	if builder.HostFault(err) {
		return nil, 0, err
	}
	if err != nil {
		if size, err = m.fetchDependency(ctx, d); err != nil {
			return nil, 0, err
		}
	}
	f, err := m.stage.Open(o)
	return f, size, err
}

func (m *maker) fetchDependency(ctx context.Context, d source.Dependency) (size int64, err error) {
	if m.client == nil {
		return 0, builder.Silence(fmt.Errorf("%s, which it is built with, is not in the store, and no index is asked", d.Filename))
	}
	page, err := m.client.Project(ctx, d.Project)
	if err != nil {
		return 0, silence(err)
	}
	at := slices.IndexFunc(page.Files, func(f index.File) bool { return f.SHA256 == d.SHA256.String() })
	if at < 0 {
		return 0, fmt.Errorf("the index has no %s with the digest %s, which it is built with", d.Filename, d.SHA256.Short())
	}
	a := builder.Artifact{Filename: d.Filename, Digest: d.SHA256.String(), Object: snapshot.Object{Digest: d.SHA256}, Own: page.Files[at]}
	_, size, err = builder.Download(ctx, m, a, m.stage)
	return size, err
}
