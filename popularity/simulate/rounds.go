package simulate

import (
	"context"
	"fmt"
	"os"
	"time"

	"larder/popularity/misses"
	"larder/snapshot/ecosystem"
)

// Reports are fed back so many times, a week apart: as long as they count.
const (
	rounds = 3
	week   = 7 * 24 * time.Hour
)

// Run resolves the sets and draws the curve of the budgets: from the ranking alone, after
// one round of misses, and after three.
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
	r.NeedSdist = append(r.NeedSdist, lacking...)
	reporters, _ := Halves(sets)
	views := r.views(sets, reporters)
	for _, budget := range s.Budgets {
		taken, err := s.stock(ctx, index, "", budget)
		if err != nil {
			return nil, err
		}
		r.Missed = Misses(sets, taken.Wheels)
		for _, v := range views {
			v.measure(&v.to.Curve, &v.to.Other, taken, budget)
		}
		if err := s.learn(ctx, index, views, reporters, budget, taken); err != nil {
			return nil, err
		}
	}
	r.NeedsUntold = index.Silent()
	return r, nil
}

// stock is what a budget holds, with the misses of a directory.
func (s Simulation) stock(ctx context.Context, index Index, misses string, budget int64) (Stock, error) {
	entries, err := s.Rank(ctx, misses, budget)
	if err != nil {
		return Stock{}, err
	}
	return index.Stock(ctx, entries, budget)
}

// figuresOf are the sets that figures are of, and those of them that report nothing.
type figuresOf struct {
	to          *Figures
	all, others []Resolved
}

func (v figuresOf) measure(all, others *[]Point, taken Stock, budget int64) {
	*all = append(*all, Measure(v.all, taken, budget))
	*others = append(*others, Measure(v.others, taken, budget))
}

// views are all sets, and each fold: of one world, so that a fold's hosts gain by the
// reports of all, as hosts do.
func (r *Report) views(sets, reporters []Resolved) []figuresOf {
	reports := map[string]bool{}
	for _, s := range reporters {
		reports[s.ID] = true
	}
	r.Folds = make([]FoldFigures, Folds)
	all := []figuresOf{{to: &r.Figures}}
	for i := range r.Folds {
		r.Folds[i].Fold = i + 1
		all = append(all, figuresOf{to: &r.Folds[i].Figures})
	}
	for _, s := range sets {
		for _, v := range []*figuresOf{&all[0], &all[Fold(s.ID)]} {
			v.all = append(v.all, s)
			if !reports[s.ID] {
				v.others = append(v.others, s)
			}
			v.to.Sets++
			v.to.Wheels += len(s.Wheels)
		}
	}
	return all
}

// learn feeds back what the reporters missed, week by week: each time what they lack of
// what is stocked by then.
func (s Simulation) learn(ctx context.Context, index Index, views []figuresOf, reporters []Resolved, budget int64, taken Stock) error {
	log, err := os.MkdirTemp("", "larder-simulate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(log)
	now := time.Now()
	for round := range rounds {
		if err := feedBack(log, reporters, taken.Wheels, now.Add(-week*time.Duration(rounds-1-round))); err != nil {
			return err
		}
		if taken, err = s.stock(ctx, index, log, budget); err != nil {
			return err
		}
		for _, v := range views {
			switch round {
			case 0:
				v.measure(&v.to.AfterAll, &v.to.AfterOther, taken, budget)
			case rounds - 1:
				v.measure(&v.to.AfterThreeAll, &v.to.AfterThreeOther, taken, budget)
			}
		}
	}
	return nil
}

// feedBack logs what each set had to download that week, as if it were one container each.
func feedBack(log string, sets []Resolved, stocked map[string]bool, at time.Time) error {
	for _, s := range sets {
		r := misses.Report{Time: at, Instance: fmt.Sprintf("%s %s", s.ID, at.Format(time.DateOnly)), Tenant: s.ID}
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
