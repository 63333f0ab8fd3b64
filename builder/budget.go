package builder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"larder/builder/pypi/index"
	"larder/popularity/budget"
)

// ErrBudget is a budget that nothing fits into.
var ErrBudget = errors.New("budget too small")

// option is one wheel file that a budget may take.
type option struct {
	picks    []pick // one a target at most
	hits     int64
	counted  bool // a source counts this version
	disk     int64
	needs    []int         // places of options
	requires []requirement // of its metadata
	known    bool          // requires are
	tried    bool          // the index was asked for them
	neededBy string        // the first project that asked for it, when no ranking did
}

func (o *option) file() index.File { return o.picks[0].file }

// shelf is everything that a budget chooses from.
type shelf struct {
	*build
	mu      sync.Mutex
	options []*option
	places  map[string]int // by SHA-256
	newest  map[projectTarget]candidate
	met     map[wanted]int // the option that meets a requirement; -1 for none
	demands []demand       // whose requirements are not looked at yet
	seen    map[string]bool
	memory  remembered
	silent  int // wheels in a row without metadata beside them
	lost    int // times the index did not answer
	strange int // projects asked about that no ranking names
	rounds  int // of fetching wheels only to know what they need
}

type projectTarget struct {
	project string
	target  int
}

func newShelf(b *build) *shelf {
	return &shelf{build: b, places: map[string]int{}, newest: map[projectTarget]candidate{}, met: map[wanted]int{}, seen: map[string]bool{},
		memory: openRemembered(b.Store)}
}

// put returns the place of the option of a pick's wheel, made if need be. The
// caller holds mu.
func (s *shelf) put(p pick) int {
	at, ok := s.places[p.file.SHA256]
	if !ok {
		at = len(s.options)
		s.places[p.file.SHA256] = at
		s.options = append(s.options, &option{disk: -1})
	}
	o := s.options[at]
	if !slices.ContainsFunc(o.picks, func(had pick) bool { return had.target == p.target }) {
		o.picks = append(o.picks, p)
	}
	return at
}

// fit chooses what the budget takes, with all that it needs, and makes it the plan.
func (s *shelf) fit(ctx context.Context) error {
	var fixed []pick
	for _, p := range s.plan.picks { // of locks, and pip: stocked whatever the budget
		fixed = append(fixed, p)
		s.put(p)
	}
	for {
		if err := s.spread(ctx); err != nil {
			return err
		}
		if err := s.weigh(ctx); err != nil {
			return err
		}
		order := s.order(fixed)
		choice := order.Take(s.Budget)
		learned, err := s.learn(ctx, choice)
		if err != nil {
			return err
		}
		if !learned {
			return s.take(order, choice, fixed)
		}
	}
}

// weigh finds out what each option adds to the disk. Wheels whose page tells no
// size cost one HEAD, once in the life of the store.
func (s *shelf) weigh(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(s.Jobs, 16))
	for _, o := range s.options {
		if o.disk >= 0 {
			continue
		}
		g.Go(func() error {
			f := o.file()
			if f.Size < 0 {
				size, err := s.sizeOf(ctx, f)
				if err != nil || size < 0 {
					o.disk = unweighable
					return err
				}
				for i := range o.picks {
					o.picks[i].file.Size = size
				}
			}
			o.disk = s.diskBytes(o.picks)
			return nil
		})
	}
	return g.Wait()
}

// sizeOf is a wheel's size, by the previous snapshot or by a HEAD; -1 when the
// index does not tell. An index that stops answering is an error.
func (s *shelf) sizeOf(ctx context.Context, f index.File) (int64, error) {
	if s.previous != nil {
		if w, ok := s.previous.wheels[f.SHA256]; ok {
			return w.Size, nil
		}
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
		if s.lost++; s.lost > maxLost {
			return 0, unreachable(err)
		}
	}
	return -1, nil
}

// unweighable is the size of a wheel that the index does not tell: no budget
// takes it.
const unweighable = 1 << 49

// What a wheel becomes on disk besides itself, in hundredths of its size. Measured:
// the 220 MB of 164 wheels of real projects, all but one below 20 MB, made layers
// of 928 MB for one target; 89 MB of the first 40 projects' and their needs 308 MB.
// Large ones are mostly machine code, which packs worse and has no bytecode: four
// wheels of 47 to 58 MB unpack to 2.5 to 3.3 times their size.
const (
	unpackedPercent = 310 // its files, shared by all targets it is for
	bytecodePercent = 110 // and their bytecode, for each
	largePercent    = 200 // of what is beyond, all in all
	largeWheel      = 20_000_000
)

// diskBytes estimates what stocking a wheel adds to the pool: the wheel (the
// entries of pip and simple share it), once more for pip before 23.3, and its
// layers. What it shares with other wheels is known only once it is unpacked.
func (b *build) diskBytes(picks []pick) int64 {
	size := max(0, picks[0].file.Size)
	disk := size
	if b.serves("pip-old") {
		disk += size
	}
	layers := int64(0)
	for _, p := range picks {
		if b.layerWanted(p) {
			layers++
		}
	}
	if layers > 0 {
		usual := min(size, largeWheel)
		disk += (usual*(unpackedPercent+layers*bytecodePercent) + (size-usual)*largePercent) / 100
	}
	return disk
}

// order orders the options for every budget at once.
func (s *shelf) order(fixed []pick) *budget.Order {
	wheels := make([]budget.Wheel, len(s.options))
	for i, o := range s.options {
		wheels[i] = budget.Wheel{Key: o.picks[0].project + " " + o.file().Filename + " " + o.file().SHA256, Hits: o.hits, Bytes: o.disk, Needs: o.needs}
	}
	for _, p := range fixed {
		wheels[s.places[p.file.SHA256]].Fixed = true
	}
	return budget.NewOrder(wheels)
}

// take makes the choice the plan.
func (s *shelf) take(order *budget.Order, choice budget.Choice, fixed []pick) error {
	unknown := 0
	for _, i := range choice.Wheels {
		if o := s.options[i]; !o.known && o.tried {
			unknown++
		}
	}
	if unknown > 0 {
		s.Warn(fmt.Sprintf("what %d of the wheels chosen need is not known before they are fetched: the index has no metadata beside them", unknown))
	}
	least, some := order.Least()
	if some && least > s.Budget {
		return s.tooSmall(order, least, fixed)
	}
	if choice.Bytes > s.Budget {
		s.Warn(fmt.Sprintf("what the locks name takes about %s, more than the budget of %s", bytesText(choice.Bytes), bytesText(s.Budget)))
	}
	s.plan.picks = s.plan.picks[:0]
	taken := make([]bool, len(s.options))
	for _, i := range choice.Wheels {
		taken[i] = true
		s.plan.picks = append(s.plan.picks, s.options[i].picks...)
	}
	// The locks' own say what is a lock's; normalise merges them with the others.
	s.plan.picks = append(s.plan.picks, fixed...)
	s.report.Budget = s.verdict(order, choice, taken)
	return nil
}

// tooSmall is the refusal of a budget under which nothing ranked is stocked.
func (s *shelf) tooSmall(order *budget.Order, least int64, fixed []pick) error {
	for i, o := range s.options {
		if t, ok := order.Threshold(i); ok && t == least {
			text := fmt.Sprintf("a budget of %s takes no wheel: the first one, %s with what it needs, takes about %s on disk", bytesText(s.Budget), o.file().Filename, bytesText(least))
			if slices.ContainsFunc(fixed, func(p pick) bool { return p.locked }) {
				text = fmt.Sprintf("a budget of %s takes no wheel but those of locks: those and %s with what it needs take about %s on disk", bytesText(s.Budget), o.file().Filename, bytesText(least))
			}
			return &hinted{fmt.Errorf("%w: %s", ErrBudget, text), "give a larger budget, or fewer locks"}
		}
	}
	return ErrBudget
}
