package pypi

import (
	"cmp"
	"math"
	"slices"

	"github.com/dustin/go-humanize"

	"larder/builder"
)

// verdict reports a choice.
func (s *planner) verdict(order *budgetOrder, choice budgetChoice, taken []bool) *builder.BudgetReport {
	r := &builder.BudgetReport{Budget: s.cfg.Budget, Disk: choice.bytes, Wheels: len(choice.wheels), LeftOut: len(s.options) - len(choice.wheels)}
	for i, o := range s.options {
		from, ok := order.threshold(i)
		if !ok {
			from = -1
		}
		out := builder.Option{
			Project: o.picks[0].Project, Version: o.picks[0].Version, Filename: o.picks[0].Filename,
			Size: o.picks[0].Size, Disk: o.disk, Hits: o.hits, Counted: o.counted, From: from, Taken: taken[i],
		}
		if o.hits == 0 {
			out.NeededBy = o.neededBy
		}
		for _, p := range o.picks {
			out.Targets = append(out.Targets, p.Target)
		}
		slices.Sort(out.Targets)
		r.Options = append(r.Options, out)
	}
	slices.SortFunc(r.Options, byPlace)
	return r
}

// byPlace orders options by when a growing budget takes them.
func byPlace(a, b builder.Option) int {
	from := func(o builder.Option) int64 {
		if o.From < 0 {
			return math.MaxInt64
		}
		return o.From
	}
	return cmp.Or(cmp.Compare(from(a), from(b)), cmp.Compare(a.Project, b.Project), cmp.Compare(a.Filename, b.Filename))
}

// bytesText is a size in words.
func bytesText(n int64) string { return humanize.Bytes(uint64(max(0, n))) }
