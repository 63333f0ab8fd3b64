package simulate

import (
	"context"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"larder/popularity"
	"larder/popularity/misses"
	"larder/snapshot/ecosystem"
)

// Report is what a simulation found. Its JSON form is a contract.
type Report struct {
	Sets        int           `json:"sets"`
	Wheels      int           `json:"wheels"` // of all sets
	Target      string        `json:"target"`
	Curve       []Point       `json:"curve"`
	AfterAll    []Point       `json:"after_misses"`        // once half of the sets' misses are fed back
	AfterOther  []Point       `json:"after_misses_others"` // the same, for the other half of the sets
	Missed      []Missed      `json:"missed"`              // under the largest budget
	NeedsUntold int           `json:"needs_untold"`        // projects of the sets whose needs are not known: no metadata on the index
	NeedSdist   []Unstockable `json:"need_sdist"`          // sets that ask for what has no wheel
	Unresolved  []Unstockable `json:"unresolved"`          // sets left out
}

// Unstockable is what of a set no snapshot can hold.
type Unstockable struct {
	ID     string   `json:"id"`
	Pins   []string `json:"pins"`
	Reason string   `json:"reason,omitempty"`
}

// Locked is a set and the lock it resolves to.
type Locked struct {
	Set
	Resolution
}

// Index knows the wheels of the sets' projects, and guesses those of others.
type Index interface {
	// Wheels finds the wheels of each lock, and what has none.
	Wheels(ctx context.Context, locks []Locked) ([]Resolved, []Unstockable, error)
	// Offer orders what a ranking offers.
	Offer(ctx context.Context, entries []popularity.Entry) (Offer, error)
	// Silent is how many of the sets' projects nobody tells the needs of.
	Silent() int
}

// Offer is everything a ranking offers, in the order in which budgets take it.
type Offer interface {
	// Take returns the file names of the wheels that a budget takes.
	Take(budget int64) map[string]bool
}

// Simulation is what to simulate, and by what.
type Simulation struct {
	Sets     []Set
	Budgets  []int64 // growing
	Target   string
	Resolver Resolver
	Open     func(ctx context.Context, locks []Locked) (Index, error)
	// Rank is the ranking that a budget chooses from, with the misses of a directory
	// blended in; "" for none.
	Rank func(ctx context.Context, misses string) ([]popularity.Entry, error)
}

// Run resolves the sets and draws the curve of the budgets: from the ranking alone, and
// after one round of misses.
func (s Simulation) Run(ctx context.Context) (*Report, error) {
	r := &Report{Target: s.Target, NeedSdist: []Unstockable{}, Unresolved: []Unstockable{}}
	locks, err := r.resolve(ctx, s.Resolver, s.Sets)
	if err != nil {
		return nil, err
	}
	index, err := s.Open(ctx, locks)
	if err != nil {
		return nil, err
	}
	sets, lacking, err := index.Wheels(ctx, locks)
	if err != nil {
		return nil, err
	}
	r.NeedSdist, r.Sets = append(r.NeedSdist, lacking...), len(sets)
	for _, set := range sets {
		r.Wheels += len(set.Wheels)
	}
	entries, err := s.Rank(ctx, "")
	if err != nil {
		return nil, err
	}
	offer, err := index.Offer(ctx, entries)
	if err != nil {
		return nil, err
	}
	for _, budget := range s.Budgets {
		taken := offer.Take(budget)
		r.Curve, r.Missed = append(r.Curve, Measure(sets, taken, budget)), Misses(sets, taken)
		if err := s.learn(ctx, r, index, sets, budget, taken); err != nil {
			return nil, err
		}
	}
	r.NeedsUntold = index.Silent()
	return r, nil
}

// learn feeds back what half of the sets missed, and measures all of them and the others.
func (s Simulation) learn(ctx context.Context, r *Report, index Index, sets []Resolved, budget int64, taken map[string]bool) error {
	log, err := os.MkdirTemp("", "larder-simulate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(log)
	first, others := Halves(sets)
	if err := feedBack(log, first, taken); err != nil {
		return err
	}
	entries, err := s.Rank(ctx, log)
	if err != nil {
		return err
	}
	offer, err := index.Offer(ctx, entries)
	if err != nil {
		return err
	}
	taken = offer.Take(budget)
	r.AfterAll = append(r.AfterAll, Measure(sets, taken, budget))
	r.AfterOther = append(r.AfterOther, Measure(others, taken, budget))
	return nil
}

// feedBack logs what each set had to download, as if it were one container each.
func feedBack(log string, sets []Resolved, stocked map[string]bool) error {
	for _, s := range sets {
		r := misses.Report{Time: time.Now(), Instance: s.ID}
		for _, w := range s.Wheels {
			if !stocked[w.Filename] {
				r.Misses = append(r.Misses, ecosystem.Miss{Project: w.Project, Version: w.Version, Kind: ecosystem.Downloaded})
			}
		}
		if _, err := misses.Append(log, r); err != nil {
			return err
		}
	}
	return nil
}

// resolve resolves the sets, four at once, and returns the locks of those that can be.
func (r *Report) resolve(ctx context.Context, by Resolver, sets []Set) ([]Locked, error) {
	locks := make([]Locked, len(sets))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i, s := range sets {
		g.Go(func() error {
			res, err := by.Resolve(ctx, s)
			locks[i] = Locked{s, res}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(locks, func(l Locked) bool {
		if len(l.Dropped) > 0 {
			r.NeedSdist = append(r.NeedSdist, Unstockable{ID: l.ID, Pins: l.Dropped})
		}
		if l.Lock == "" {
			r.Unresolved = append(r.Unresolved, Unstockable{ID: l.ID, Pins: []string{}, Reason: l.Failed})
		}
		return l.Lock == ""
	}), nil
}
