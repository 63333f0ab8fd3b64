package pypi

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"larder/builder"
	"larder/builder/pypi/index"
	"larder/builder/pypi/wheel"
	"larder/popularity"
	"larder/popularity/simulate"
	"larder/snapshot"
	"larder/snapshot/pypi"
)

// Simulation plans under budgets without fetching. It asks the index about the
// projects it is told and about no others: another one that is ranked is taken to
// have the versions and sizes of one of those with a rank like its own, and to need
// nothing; an older version is taken to need what the newest does. A wheel without
// metadata beside it on the index is taken to need what the caller says, else
// nothing, where a build would fetch it to know (see Silent). (Of those known
// as a whole would not do: what large wheels need comes in dozens, all near each
// other in a ranking.)
type Simulation struct {
	cfg    builder.Config
	client *index.Client
	target Target
	files  map[string][]index.File // of known projects
	best   map[string][]candidate  // their best wheels, newest version first
	models []string                // known projects by rank, as first ranked
	guess  map[string]string       // of other projects, their model

	memory remembered // what the newest wheels of known projects need
	mu     sync.Mutex
	silent map[string]bool // known projects whose needs nobody tells
	needs  map[string][]string
}

// NewSimulation reads the pages of the known projects. Of cfg only the views, the layers and the
// jobs count. What it learns of wheels is kept in cache, a file, for the next time. Needs says
// what projects need, by name, whose metadata is not on the index; it may be nil.
func NewSimulation(ctx context.Context, client *index.Client, target Target, cfg builder.Config, known []string, needs map[string][]string, cache string) (*Simulation, error) {
	if cfg.Jobs <= 0 {
		cfg.Jobs = 8
	}
	cfg = builder.Config{Views: cfg.Views, Layers: cfg.Layers, Jobs: cfg.Jobs, Warn: func(string) {}}
	s := &Simulation{cfg: cfg, client: client, target: target, files: map[string][]index.File{}, best: map[string][]candidate{}, guess: map[string]string{}, silent: map[string]bool{}, needs: needs, memory: openRemembered(cache)}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(cfg.Jobs)
	for _, project := range known {
		g.Go(func() error {
			page, err := client.Project(ctx, project)
			if errors.Is(err, index.ErrNotFound) || errors.Is(err, index.ErrRefused) {
				return nil
			}
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			s.files[project] = s.fitting(page.Files)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		if errors.Is(err, index.ErrUnreachable) {
			err = builder.Unreachable(err)
		}
		return nil, err
	}
	for project, files := range s.files {
		if best, err := releases(files, project, s.target.Tag, s.target.Python, nil); err == nil {
			s.best[project] = best
		}
	}
	if len(s.best) == 0 {
		return nil, fmt.Errorf("simulate: none of %d projects has a wheel for %s: %w", len(known), s.target.Tag, builder.ErrRefused)
	}
	return s, nil
}

// Silent is how many known projects' needs nobody told, so far.
func (s *Simulation) Silent() int { return len(s.silent) }

// fitting are the wheels that the target takes, of any version: a tenth of a page.
func (s *Simulation) fitting(files []index.File) (fit []index.File) {
	for _, f := range files {
		name, err := wheel.ParseName(f.Filename)
		if err != nil {
			continue
		}
		if _, ok := s.target.Tag.Rank(name.Python, name.ABI, name.Platform); ok {
			fit = append(fit, f)
		}
	}
	return fit
}

// Wheel is the wheel that pip takes for a pin of a known project: its file name,
// and its size (0 when the index does not tell). The error is the reason why there
// is none: often that the version has no wheel at all.
func (s *Simulation) Wheel(ctx context.Context, pin *snapshot.Pin) (filename string, size int64, err error) {
	files, ok := s.files[pin.Name]
	if !ok {
		return "", 0, errors.New("the index does not have the project")
	}
	c, err := choose(files, request{project: pin.Name, tag: s.target.Tag, python: s.target.Python, pin: pin})
	if err != nil {
		return "", 0, err
	}
	if c.file.Size < 0 {
		c.file.Size, err = s.client.Size(ctx, c.file)
	}
	return c.file.Filename, max(0, c.file.Size), err
}

// Stock implements simulate.Index.
func (s *Simulation) Stock(ctx context.Context, entries []popularity.Entry, budget int64) (simulate.Stock, error) {
	cfg := s.cfg
	ranked := builder.Ranked{Budget: budget, Entries: map[string]popularity.Entry{}}
	for _, e := range entries {
		ranked.Projects = append(ranked.Projects, e.Project)
		ranked.Entries[e.Project] = e
	}
	cfg.Ranked = map[string]builder.Ranked{pypi.Name: ranked}
	s.guessFrom(entries)
	p := newPlanner(cfg, []Target{s.target}, guesser{s, ranked.Entries})
	for i, project := range ranked.Projects {
		if page, err := p.pages.Project(ctx, project); err == nil {
			_ = p.offer(page.Files, project, builder.Wish{Target: s.target.Tag.String(), Place: i + 1}) // nothing fits: nothing is offered
		}
	}
	if err := p.offered(ctx); err != nil {
		return simulate.Stock{}, err
	}
	order := p.order(nil)
	stock := simulate.Stock{Wheels: map[string]bool{}, Unpacked: map[string]bool{}}
	for _, i := range p.wheelsOf(order.take(budget)) {
		name := p.options[i].file().Filename
		stock.Wheels[name], stock.Unpacked[name] = true, p.unpacked(order, i)
	}
	return stock, nil
}

// alike is among how many of the nearest ranks a model is chosen.
const alike = 40

// guessFrom chooses a model for each project that is not known yet.
func (s *Simulation) guessFrom(entries []popularity.Entry) {
	ranks := map[string]int{}
	for _, e := range entries {
		ranks[e.Project] = e.Rank
	}
	if s.models == nil {
		for _, project := range slices.Sorted(maps.Keys(s.best)) {
			if ranks[project] > 0 {
				s.models = append(s.models, project)
			}
		}
		slices.SortStableFunc(s.models, func(a, b string) int { return ranks[a] - ranks[b] })
		if len(s.models) == 0 {
			s.models = slices.Sorted(maps.Keys(s.best)) // none is ranked: one guess is as good as another
		}
	}
	for _, e := range entries {
		if _, had := s.guess[e.Project]; had || s.files[e.Project] != nil {
			continue
		}
		at, _ := slices.BinarySearchFunc(s.models, e.Rank, func(project string, rank int) int { return ranks[project] - rank })
		from := max(0, min(at-alike/2, len(s.models)-alike))
		near := s.models[from:min(from+alike, len(s.models))]
		sum := sha256.Sum256([]byte(e.Project))
		s.guess[e.Project] = near[binary.BigEndian.Uint64(sum[:])%uint64(len(near))]
	}
}

// guessed is the index of files that nobody published.
const guessed = "guessed"

// guesser answers for the index.
type guesser struct {
	*Simulation
	ranked map[string]popularity.Entry
}

func (g guesser) Project(_ context.Context, project string) (*index.Project, error) {
	if files, ok := g.files[project]; ok {
		return &index.Project{Name: project, Files: files}, nil
	}
	if _, ok := g.ranked[project]; !ok {
		return nil, index.ErrNotFound
	}
	model := g.best[g.guess[project]]
	page := &index.Project{Name: project}
	for _, c := range model {
		f := c.file
		_, rest, _ := strings.Cut(f.Filename, "-")
		f.Filename = strings.ReplaceAll(project, "-", "_") + "-" + rest
		// The URL stays the model's: its size is the guess where no page tells one.
		f.Index, f.RequiresPython = guessed, ""
		digest := sha256.Sum256([]byte(f.Filename))
		f.SHA256 = hex.EncodeToString(digest[:])
		page.Files = append(page.Files, f)
	}
	return page, nil
}

func (g guesser) Size(ctx context.Context, f index.File) (int64, error) {
	return g.client.Size(ctx, f)
}

func (g guesser) Requires(ctx context.Context, f index.File) ([]string, error) {
	name, err := wheel.ParseName(f.Filename)
	if f.Index == guessed || err != nil {
		return nil, nil // a guessed one needs nothing
	}
	best, err := releases(g.files[name.Project], name.Project, g.target.Tag, g.target.Python, nil)
	if err != nil {
		return nil, index.ErrNotFound
	}
	newest := best[0].file
	lines, ok := g.memory.get(newest.SHA256)
	if !ok {
		lines, err = asking{g.client}.Requires(ctx, newest)
		if err != nil && !errors.Is(err, index.ErrNotFound) {
			return nil, err
		}
		if err == nil { // remembered as nil: the index has no metadata for it
			lines = append([]string{}, lines...)
		}
		g.memory.put(newest.SHA256, lines, newest.MetadataSHA256 != "")
	}
	if lines == nil {
		lines = g.needs[name.Project]
	}
	if lines == nil {
		g.mu.Lock()
		g.silent[name.Project] = true
		g.mu.Unlock()
	}
	return lines, nil
}
