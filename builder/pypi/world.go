package pypi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"larder/builder"
	"larder/builder/pypi/index"
	"larder/builder/pypi/layer"
	"larder/builder/pypi/source"
	"larder/builder/pypi/wheel"
	"larder/snapshot"
	"larder/snapshot/pypi"
	"larder/snapshot/pypi/pep440"
)

// world is a build from one index.
type world struct {
	cfg         builder.Config
	stage       *snapshot.Stage
	targets     map[string]Target // by tag
	client      *index.Client
	closeClient func()
	planner     *planner // with a budget
	maker       *maker   // of wheels from sources

	mu        sync.Mutex
	compilers map[pypi.Tag]*layer.Compiler // nil where no interpreter is
}

func newWorld(cfg builder.Config, stage *snapshot.Stage, client *index.Client, closeClient func()) *world {
	w := &world{cfg: cfg, stage: stage, client: client, closeClient: closeClient,
		targets: map[string]Target{}, compilers: map[pypi.Tag]*layer.Compiler{}}
	w.maker = &maker{world: w, builders: map[string]*source.Builder{}}
	if cfg.BuildRoot != "" {
		w.maker.system = source.NewSystem(cfg.BuildRoot)
	}
	var targets []Target
	for _, t := range cfg.Targets {
		w.targets[t.Tag] = t.Own.(Target)
		targets = append(targets, t.Own.(Target))
	}
	if ranked := cfg.Ranked[pypi.Name]; ranked.Budget > 0 && len(ranked.Projects) > 0 {
		w.planner = newPlanner(cfg, targets, asking{client})
	}
	return w
}

func (w *world) Close() {
	for _, c := range w.compilers {
		if c != nil {
			c.Close()
		}
	}
	w.maker.close()
	w.closeClient()
}

// silence marks an error of the index that is no answer about what was asked for: it cannot be
// reached, or sends something that is no index page (an error page with status 200, a login form).
func silence(err error) error {
	if errors.Is(err, index.ErrUnreachable) || errors.Is(err, index.ErrPage) {
		return builder.Silence(err)
	}
	return err
}

// maxUnfit is how many wheels of a project are looked into for a target whose Python
// they do not allow. Each has to be fetched to know.
const maxUnfit = 10

func (w *world) Choose(ctx context.Context, project string, wishes []builder.Wish) ([]builder.Choice, error) {
	page, err := w.client.Project(ctx, project)
	if err != nil {
		return nil, silence(err)
	}
	choices := make([]builder.Choice, len(wishes))
	for i, wish := range wishes {
		if wish.Place > 0 && w.planner != nil {
			choices[i].Err = w.planner.offer(page.Files, project, wish)
			if !errors.Is(choices[i].Err, builder.ErrSource) || !w.builds(project) {
				continue
			} // no release has a wheel: the newest source is stocked, whatever the budget
		}
		choices[i].Pick, choices[i].Err = w.choose(page.Files, project, wish)
	}
	return choices, nil
}

func (w *world) choose(files []index.File, project string, wish builder.Wish) (*builder.Pick, error) {
	if len(wish.Without) >= maxUnfit {
		return nil, fmt.Errorf("%d wheels of %s need another Python", len(wish.Without), project)
	}
	if wish.Without != nil {
		files = slices.DeleteFunc(slices.Clone(files), func(f index.File) bool { return f.SHA256 == "" || wish.Without[f.SHA256] })
	}
	t := w.targets[wish.Target]
	c, err := choose(files, request{project: project, tag: t.Tag, python: t.Python, pin: wish.Pin, sources: w.builds(project) && !wish.Ready})
	if err != nil {
		return nil, err
	}
	if c.file.SHA256 == "" {
		return nil, fmt.Errorf("the index publishes no SHA-256 for %s", c.file.Filename)
	}
	digest, err := snapshot.ParseDigest(c.file.SHA256)
	if err != nil {
		return nil, fmt.Errorf("the index publishes the digest %q for %s: %w", c.file.SHA256, c.file.Filename, builder.ErrRefused)
	}
	return pick(c, t, digest), nil
}

// builds says whether sources of a project are built.
func (w *world) builds(project string) bool {
	return w.cfg.Builds != nil && w.cfg.Builds(project) != snapshot.NoBuilt
}

// pick is a candidate chosen for a target.
func pick(c candidate, t Target, digest snapshot.Digest) *builder.Pick {
	names := []string{c.version.String(), c.version.Canonical()}
	p := &builder.Pick{
		Artifact: builder.Artifact{
			Project: c.name.Project, Version: names[0], Filename: c.file.Filename, Source: c.source,
			Digest: c.file.SHA256, Object: snapshot.Object{Digest: digest}, Size: c.file.Size, URL: c.file.URL, Index: c.file.Index, Own: c.file,
		},
		Target: t.Tag.String(), Names: slices.Compact(names), Order: c.rank,
	}
	if !c.source {
		p.LayerID = t.layerID(c.file.SHA256)
	}
	return p
}

func (w *world) Known(row snapshot.ManifestArtifact, target string) (*builder.Pick, error) {
	detail, err := pypi.WheelOf(row)
	if err != nil {
		return nil, err
	}
	c := candidate{file: index.File{
		Filename: row.Filename, URL: row.URL, SHA256: row.SHA256.String(), Size: row.Size,
		RequiresPython: detail.RequiresPython, Index: row.Index, Metadata: detail.Metadata,
	}}
	if c.name, err = wheel.ParseName(row.Filename); err != nil {
		return nil, err
	}
	if c.version, err = pep440.Parse(row.Version); err != nil {
		return nil, err
	}
	t := w.targets[target]
	c.rank, _ = t.Tag.Rank(c.name.Python, c.name.ABI, c.name.Platform)
	p := pick(c, t, row.SHA256)
	p.Built = row.Built
	return p, nil
}

// Fit implements builder.Budgeter.
func (w *world) Fit(ctx context.Context, fixed []*builder.Pick, fetch fetchFunc) ([]*builder.Pick, *builder.BudgetReport, error) {
	return w.planner.fit(ctx, fixed, fetch)
}

func (w *world) Size(ctx context.Context, a builder.Artifact) (int64, error) {
	return w.client.Size(ctx, a.Own.(index.File))
}

func (w *world) Fetch(ctx context.Context, a builder.Artifact, to builder.Sink) error {
	n, err := w.client.Fetch(ctx, a.Own.(index.File), to)
	if err == nil && n == 0 {
		return &wheel.Refusal{File: a.Filename, Rule: "is empty"}
	}
	return silence(err)
}
