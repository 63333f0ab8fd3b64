package pypi

import (
	"cmp"
	"math"
	"slices"

	"github.com/dustin/go-humanize"

	"larder/builder"
)

// verdict reports a choice.
func (s *planner) verdict(order *budgetOrder, choice budgetChoice) *builder.BudgetReport {
	wheels := s.wheelsOf(choice)
	r := &builder.BudgetReport{Budget: s.ranked.Budget, Disk: choice.bytes, Wheels: len(wheels), LeftOut: len(s.options) - len(wheels)}
	for i, o := range s.options {
		from := budgetFrom(order.threshold(i))
		layersFrom := budgetFrom(s.layersFrom(order, i))
		out := builder.Option{
			Project: o.picks[0].Project, Version: o.picks[0].Version, Filename: o.picks[0].Filename,
			Size: o.picks[0].Size, Disk: o.disk, Hits: o.hits, Counted: o.counted, From: from, Layers: o.layers, LayersFrom: layersFrom, Taken: from >= 0 && from <= s.ranked.Budget,
		}
		if s.unpacked(order, i) {
			r.Unpacked++
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

// budgetFrom is a threshold for a report: -1 where no budget is enough.
func budgetFrom(bytes int64, ok bool) int64 {
	if !ok {
		return -1
	}
	return bytes
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
