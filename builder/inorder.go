package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"golang.org/x/sync/errgroup"
)

// inOrder is the budget of a World that does not choose by itself: artifacts are taken in the order of the
// ranking, each with its layers, until there is no room for the next one. So a larger budget takes what
// a smaller one does, and more. What locks name is taken anyway, and counts first.
type inOrder struct {
	*planner
	sizes   Estimator
	options []*ordered
	asked   int // options whose size is known, or known to be unknown
	used    int64
	left    bool // the budget had no room for one
	silent  int  // times that the index did not answer
}

// ordered is an artifact that a budget may take, with all picks of it.
type ordered struct {
	picks []*Pick
	size  int64 // -1: nobody tells
	disk  int64
	from  int64 // the smallest budget that takes it; -1: none does, or none that is known
}

// How many sizes are asked for at a time, and how often an index may fail to answer.
const (
	sizesAtOnce   = 64
	maxUnanswered = 10
)

func (p *planner) fitInOrder(ctx context.Context, sizes Estimator) ([]*Pick, *BudgetReport, error) {
	o := &inOrder{planner: p, sizes: sizes}
	fixed, ranked := p.divided()
	for _, one := range fixed {
		if err := o.ask(ctx, []*ordered{one}); err != nil {
			return nil, nil, err
		}
		if one.size >= 0 {
			o.used += one.disk
		}
	}
	locked := o.used
	var taken []*Pick
	for _, one := range fixed {
		taken = append(taken, one.picks...)
	}
	o.options = ranked
	for o.asked < len(ranked) && !o.left {
		next := ranked[o.asked:min(len(ranked), o.asked+sizesAtOnce)]
		if err := o.ask(ctx, next); err != nil {
			return nil, nil, err
		}
		o.asked += len(next)
		taken = append(taken, o.take(next)...)
	}
	if locked > p.world.Budget {
		p.world.cfg.Warn(fmt.Sprintf("what the locks name takes about %s, more than the budget of %s for %s", sizeText(locked), sizeText(p.world.Budget), p.world.Name))
	}
	r := o.report(len(fixed))
	if r.Wheels == len(fixed) && o.left {
		return nil, nil, o.tooSmall(locked)
	}
	return taken, r, nil
}

// divided are what is taken anyway and what is ranked, the best first, each artifact once.
func (p *planner) divided() (fixed, ranked []*ordered) {
	slices.SortFunc(p.picks, func(a, b *Pick) int {
		late := func(p *Pick) int {
			if p.missed {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(late(a), late(b)),
			strings.Compare(a.Project+"\x00"+a.Version+"\x00"+a.Digest+"\x00"+a.Target, b.Project+"\x00"+b.Version+"\x00"+b.Digest+"\x00"+b.Target))
	})
	by := map[string]*ordered{}
	for _, pick := range p.picks {
		one := by[pick.key()]
		if one == nil {
			one = &ordered{size: pick.Size, from: -1}
			by[pick.key()] = one
			if pick.place == 0 {
				fixed = append(fixed, one)
			} else {
				ranked = append(ranked, one)
			}
		}
		one.picks = append(one.picks, pick)
	}
	return fixed, ranked
}

// ask finds out the sizes of options, and estimates what they add to the disk.
func (o *inOrder) ask(ctx context.Context, options []*ordered) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(o.world.cfg.Jobs, 16))
	for _, one := range options {
		if row, ok := o.previous.artifact(o.world.Name, one.picks[0].Artifact); ok && one.size < 0 {
			one.size = row.Size
		}
		if one.size >= 0 {
			continue
		}
		g.Go(func() error {
			size, err := o.sizes.Size(ctx, one.picks[0].Artifact)
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err == nil:
				one.size = size
			case errors.Is(err, ErrUnreachable):
				return o.unanswered(err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, one := range options {
		layers := 0
		for _, p := range one.picks {
			p.Size = one.size
			if o.world.cfg.Layers != NoLayers || p.Locked {
				layers++
			}
		}
		if one.size >= 0 {
			one.disk = o.sizes.Disk(one.picks[0].Artifact, layers, Copies(o.world.cfg, o.world.Ecosystem))
		}
	}
	return nil
}

// unanswered ends a build whose index has stopped answering.
func (o *inOrder) unanswered(err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.silent++; o.silent > maxUnanswered {
		return Unreachable(err)
	}
	return nil
}

// take takes options in their order, as long as there is room. One of unknown size no budget takes.
func (o *inOrder) take(options []*ordered) (taken []*Pick) {
	for _, one := range options {
		if one.size < 0 {
			continue
		}
		if !o.left {
			one.from = o.used + one.disk
		}
		if o.left = o.left || one.from > o.world.Budget; o.left {
			continue
		}
		o.used = one.from
		taken = append(taken, one.picks...)
	}
	return taken
}

// report says what was taken, in the order in which a growing budget takes it. What is behind the first
// that it has no room for was not looked at closely.
func (o *inOrder) report(fixed int) *BudgetReport {
	r := &BudgetReport{Budget: o.world.Budget, Disk: o.used, Wheels: fixed}
	for _, one := range o.options {
		p := one.picks[0]
		option := Option{Project: p.Project, Version: p.Version, Filename: p.Filename, Size: one.size, Disk: one.disk, From: one.from,
			LayersFrom: -1, Place: p.place, Taken: one.from >= 0 && one.from <= o.world.Budget}
		for _, p := range one.picks {
			option.Targets = append(option.Targets, p.Target)
		}
		if option.Taken {
			r.Wheels++
			if o.world.cfg.Layers != NoLayers {
				r.Unpacked++
			}
		} else {
			r.LeftOut++
		}
		if one.from >= 0 {
			r.Options = append(r.Options, option)
		}
	}
	return r
}

// tooSmall is the refusal of a budget under which nothing ranked is stocked.
func (o *inOrder) tooSmall(locked int64) error {
	first := o.options[slices.IndexFunc(o.options, func(one *ordered) bool { return one.from >= 0 })]
	text := fmt.Sprintf("a budget of %s takes no %s: the first one, %s, takes about %s on disk", sizeText(o.world.Budget), o.world.Artifact, first.picks[0].Filename, sizeText(first.disk))
	if locked > 0 {
		text = fmt.Sprintf("a budget of %s takes no %s but those of locks: those and %s take about %s on disk", sizeText(o.world.Budget), o.world.Artifact, first.picks[0].Filename, sizeText(first.from))
	}
	return WithHint(fmt.Errorf("%w: %s", ErrBudget, text), "give a larger budget, or fewer locks")
}

// sizeText is a size in words.
func sizeText(n int64) string { return humanize.Bytes(uint64(max(0, n))) }
