package simulate

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"larder/popularity"
)

// Figures are what budgets hold of some sets' wheels: a point of each list for each
// budget. The others are the sets that report no misses, so that what the reports of
// some bring to others can be told from what they bring to themselves.
type Figures struct {
	Sets            int     `json:"sets"`
	Wheels          int     `json:"wheels"` // of all sets
	Curve           []Point `json:"curve"`
	Other           []Point `json:"curve_others"`
	AfterAll        []Point `json:"after_misses"` // once half of the sets' misses are fed back
	AfterOther      []Point `json:"after_misses_others"`
	AfterThreeAll   []Point `json:"after_three_rounds"` // once they were fed back three times, week by week
	AfterThreeOther []Point `json:"after_three_rounds_others"`
}

// FoldFigures are those of the sets of one fold.
type FoldFigures struct {
	Fold int `json:"fold"`
	Figures
}

// Report is what a simulation found. Its JSON form is a contract.
type Report struct {
	Figures
	Folds       []FoldFigures `json:"folds"`
	Target      string        `json:"target"`
	Missed      []Missed      `json:"missed"`       // under the largest budget
	NeedsUntold int           `json:"needs_untold"` // projects of the sets whose needs are not known: no metadata on the index
	NeedSdist   []Unstockable `json:"need_sdist"`   // sets that ask for what has no wheel
	Unresolved  []Unstockable `json:"unresolved"`   // sets left out
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
	// Stock is what a budget takes of what a ranking offers.
	Stock(ctx context.Context, entries []popularity.Entry, budget int64) (Stock, error)
	// Silent is how many of the sets' projects nobody tells the needs of.
	Silent() int
}

// Stock is what a budget takes, by the file names of wheels: all of them, and those of which there
// are layers, too.
type Stock struct{ Wheels, Unpacked map[string]bool }

// Simulation is what to simulate, and by what.
type Simulation struct {
	Sets     []Set
	Budgets  []int64 // growing
	Target   string
	Resolver Resolver
	Open     func(ctx context.Context, locks []Locked) (Index, error)
	// Rank is the ranking that a budget chooses from, with the misses of a directory
	// blended in; "" for none.
	Rank func(ctx context.Context, misses string, budget int64) ([]popularity.Entry, error)
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
