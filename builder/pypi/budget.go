package pypi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"larder/builder"
	"larder/builder/pypi/index"
	"larder/builder/pypi/view"
	"larder/snapshot"
	"larder/snapshot/pypi"
)

// option is one wheel file that a budget may take.
type option struct {
	picks    []*builder.Pick // one a target at most
	hits     int64
	counted  bool          // a source counts this version
	disk     int64         // of the wheel, and of layers that are no choice
	layers   int64         // what its layers add, where they are one
	missed   bool          // this host's containers downloaded it
	needs    []int         // places of options
	requires []requirement // of its metadata
	known    bool          // requires are
	tried    bool          // the index was asked for them
	neededBy string        // the first project that asked for it, when no ranking did
}

func (o *option) file() index.File { return o.picks[0].Own.(index.File) }

// planner is everything that a budget chooses from, and how it does.
type planner struct {
	cfg     builder.Config
	ranked  builder.Ranked
	targets []Target
	pages   pageSource
	copies  int // views that hold each wheel once more
	floor   int64

	mu         sync.Mutex
	options    []*option
	places     map[string]int // of options, by SHA-256
	newest     map[projectTarget]candidate
	answers    map[wanted]int // the option that a requirement chooses; -1 for none
	demands    []demand       // whose requirements are not looked at yet
	seen       map[string]bool
	memory     remembered
	silent     int // wheels in a row without metadata beside them
	unanswered int // times the index did not answer
	unranked   int // projects asked about that no ranking names
	rounds     int // of fetching wheels only to know what they need
}

type projectTarget struct {
	project string
	target  int
}

func newPlanner(cfg builder.Config, targets []Target, pages pageSource) *planner {
	memory := ""
	if cfg.Store != nil { // a simulation has none
		memory = filepath.Join(cfg.Store.PagesDir(), "requires.jsonl")
	}
	s := &planner{cfg: cfg, ranked: cfg.Ranked[pypi.Name], targets: targets, pages: pages, copies: builder.Copies(cfg, builder.Ecosystem{Writers: view.All}),
		places: map[string]int{}, newest: map[projectTarget]candidate{}, answers: map[wanted]int{}, seen: map[string]bool{},
		memory: openRemembered(memory)}
	s.floor = s.leastHits()
	return s
}

// put returns the place of the option of a pick's wheel, made if need be. The
// caller holds mu.
func (s *planner) put(p *builder.Pick) int {
	at, ok := s.places[p.Digest]
	if !ok {
		at = len(s.options)
		s.places[p.Digest] = at
		s.options = append(s.options, &option{disk: -1})
	}
	o := s.options[at]
	had := slices.IndexFunc(o.picks, func(had *builder.Pick) bool { return had.Target == p.Target })
	if had < 0 {
		o.picks = append(o.picks, p)
	} else if p.Locked { // ranked, too: its layers are made all the same
		o.picks[had].Locked = true
	}
	return at
}

// candidate is put for a candidate of a target.
func (s *planner) candidate(c candidate, target int) int {
	digest, _ := snapshot.ParseDigest(c.file.SHA256) // releases has read it
	return s.put(pick(c, s.targets[target], digest))
}

// fit chooses what the budget takes, with all that it needs. What is fixed, such as a lock's, is
// stocked whatever the budget.
func (s *planner) fit(ctx context.Context, fixed []*builder.Pick, fetch fetchFunc) ([]*builder.Pick, *builder.BudgetReport, error) {
	for _, p := range fixed {
		s.put(p)
	}
	for {
		if err := s.offered(ctx); err != nil {
			return nil, nil, err
		}
		order := s.order(fixed)
		choice := order.take(s.ranked.Budget)
		learned, err := s.learn(ctx, choice, fetch)
		if err != nil {
			return nil, nil, err
		}
		if !learned {
			return s.take(order, choice, fixed)
		}
	}
}

// fetchFunc brings a wheel into the pool; nil in a dry run.
type fetchFunc = func(context.Context, builder.Artifact) error

// offered adds what the options need, and weighs all.
func (s *planner) offered(ctx context.Context) error {
	if err := s.spread(ctx); err != nil {
		return err
	}
	return s.weigh(ctx)
}

// weigh finds out what each option adds to the disk. Wheels whose page tells no
// size cost one HEAD, once in the life of the store.
func (s *planner) weigh(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(s.cfg.Jobs, 16))
	for _, o := range s.options {
		if o.disk >= 0 || o.picks[0].Size >= 0 {
			continue
		}
		g.Go(func() error {
			size, err := s.sizeOf(ctx, o.file())
			if err != nil || size < 0 {
				o.disk = unweighable
				return err
			}
			for i := range o.picks {
				o.picks[i].Size = size
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	s.weighOptions()
	return nil
}

// sizeOf is a wheel's size, by the previous snapshot or by a HEAD; -1 when the
// index does not tell. An index that stops answering is an error.
func (s *planner) sizeOf(ctx context.Context, f index.File) (int64, error) {
	if body, err := s.stored(f); err == nil {
		defer body.Close()
		info, err := body.Stat()
		return info.Size(), err
	}
	size, err := s.pages.Size(ctx, f)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err == nil {
		return size, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(err, index.ErrUnreachable) {
		if s.unanswered++; s.unanswered > maxUnanswered {
			return 0, builder.Unreachable(err)
		}
	}
	return -1, nil
}

// unweighable is the size of a wheel that the index does not tell: no budget
// takes it.
const unweighable = 1 << 49

// hitBytes is the size at which a wheel's bytes are worth as much as all else of a hit: what a hit
// spares is the time of a download, some tenths of a second for each wheel and as much for so many
// bytes over a link of an office. By hits alone, a budget would never take the large wheels that
// many want: they are half of all bytes that are downloaded.
const hitBytes = 10_000_000

// worth is what a budget goes by: the hits, and more of them for a larger wheel.
func (o *option) worth(hits int64) int64 {
	return int64(float64(hits) * (1 + float64(max(0, o.picks[0].Size))/hitBytes))
}

// wanted are the hits that each option expects, its own or those of what needs it: whoever installs
// that installs this, too. A ranking of last month does not know the names of what the newest
// release needs.
func (s *planner) wanted() []int64 {
	hits := make([]int64, len(s.options))
	most := make([]int, len(s.options))
	for i := range most {
		most[i] = i
	}
	slices.SortStableFunc(most, func(a, b int) int { return cmp.Compare(s.options[b].hits, s.options[a].hits) })
	seen := make([]bool, len(s.options))
	for _, from := range most { // the first who reaches an option wants it most
		for below := []int{from}; len(below) > 0; {
			i := below[len(below)-1]
			below = below[:len(below)-1]
			if seen[i] {
				continue
			}
			seen[i], hits[i] = true, s.options[from].hits
			below = append(below, s.options[i].needs...)
		}
	}
	return hits
}

// order orders the options for every budget at once.
func (s *planner) order(fixed []*builder.Pick) *budgetOrder {
	wheels := make([]budgetWheel, len(s.options))
	hits := s.wanted()
	for i, o := range s.options {
		wheels[i] = budgetWheel{key: o.picks[0].Project + " " + o.picks[0].Filename + " " + o.picks[0].Digest, hits: o.worth(hits[i]), bytes: o.disk, needs: o.needs}
	}
	wheels = s.withLayers(wheels, hits)
	for _, p := range fixed {
		wheels[s.places[p.Digest]].fixed = true
	}
	return newBudgetOrder(wheels)
}

// take makes the choice the plan.
func (s *planner) take(order *budgetOrder, choice budgetChoice, fixed []*builder.Pick) ([]*builder.Pick, *builder.BudgetReport, error) {
	unknown := 0
	wheels := s.wheelsOf(choice)
	for _, i := range wheels {
		if o := s.options[i]; !o.known && o.tried {
			unknown++
		}
	}
	if unknown > 0 {
		s.cfg.Warn(fmt.Sprintf("what %d of the wheels chosen need is not known before they are fetched: the index has no metadata beside them", unknown))
	}
	least, some := order.least()
	if some && least > s.ranked.Budget {
		return nil, nil, s.tooSmall(order, least, fixed)
	}
	if choice.bytes > s.ranked.Budget {
		s.cfg.Warn(fmt.Sprintf("what the locks name takes about %s, more than the budget of %s", bytesText(choice.bytes), bytesText(s.ranked.Budget)))
	}
	var picks []*builder.Pick
	for _, i := range wheels {
		for _, p := range s.options[i].picks {
			p.Packed = !s.unpacked(order, i)
			picks = append(picks, p)
		}
	}
	// The fixed ones say again what is a lock's: the build makes one of both.
	return append(picks, fixed...), s.verdict(order, choice), nil
}

// tooSmall is the refusal of a budget under which nothing ranked is stocked.
func (s *planner) tooSmall(order *budgetOrder, least int64, fixed []*builder.Pick) error {
	for i, o := range s.options {
		if t, ok := order.threshold(i); ok && t == least {
			text := fmt.Sprintf("a budget of %s takes no wheel: the first one, %s with what it needs, takes about %s on disk", bytesText(s.ranked.Budget), o.file().Filename, bytesText(least))
			if slices.ContainsFunc(fixed, func(p *builder.Pick) bool { return p.Locked }) {
				text = fmt.Sprintf("a budget of %s takes no wheel but those of locks: those and %s with what it needs take about %s on disk", bytesText(s.ranked.Budget), o.file().Filename, bytesText(least))
			}
			return builder.WithHint(fmt.Errorf("%w: %s", builder.ErrBudget, text), "give a larger budget, or fewer locks")
		}
	}
	return builder.ErrBudget
}
