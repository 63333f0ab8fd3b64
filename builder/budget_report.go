package builder

import (
	"cmp"
	"math"
	"slices"

	"github.com/dustin/go-humanize"

	"larder/popularity/budget"
)

// BudgetReport says what a budget took and where it stopped.
type BudgetReport struct {
	Budget  int64 `json:"budget"`
	Disk    int64 `json:"disk"`     // estimate of what was taken
	Wheels  int   `json:"wheels"`   // taken
	LeftOut int   `json:"left_out"` // looked at and not taken

	// Options are all wheels that were looked at, in the order of their place.
	Options []Option `json:"-"`
}

// Option is one wheel that a budget could take.
type Option struct {
	Project  string   `json:"project"`
	Version  string   `json:"version"`
	Filename string   `json:"filename"`
	Targets  []string `json:"targets"`
	Size     int64    `json:"size"`    // of the wheel
	Disk     int64    `json:"disk"`    // estimate: with its layers and its copies
	Hits     int64    `json:"hits"`    // expected, in the ranking's unit; 0 when only others need it
	Counted  bool     `json:"counted"` // a source counts this version; else by the rule for earlier series
	NeededBy string   `json:"needed_by,omitempty"`
	From     int64    `json:"from"` // the smallest budget that takes it; -1 when none does
	Taken    bool     `json:"taken"`
}

// verdict reports a choice.
func (s *shelf) verdict(order *budget.Order, choice budget.Choice, taken []bool) *BudgetReport {
	r := &BudgetReport{Budget: s.Budget, Disk: choice.Bytes, Wheels: len(choice.Wheels), LeftOut: len(s.options) - len(choice.Wheels)}
	for i, o := range s.options {
		from, ok := order.Threshold(i)
		if !ok {
			from = -1
		}
		out := Option{
			Project: o.picks[0].project, Version: o.picks[0].version.String(), Filename: o.file().Filename,
			Size: o.file().Size, Disk: o.disk, Hits: o.hits, Counted: o.counted, From: from, Taken: taken[i],
		}
		if o.hits == 0 {
			out.NeededBy = o.neededBy
		}
		for _, p := range o.picks {
			out.Targets = append(out.Targets, s.Targets[p.target].Tag)
		}
		slices.Sort(out.Targets)
		r.Options = append(r.Options, out)
	}
	slices.SortFunc(r.Options, byPlace)
	return r
}

// byPlace orders options by when a growing budget takes them.
func byPlace(a, b Option) int {
	from := func(o Option) int64 {
		if o.From < 0 {
			return math.MaxInt64
		}
		return o.From
	}
	return cmp.Or(cmp.Compare(from(a), from(b)), cmp.Compare(a.Project, b.Project), cmp.Compare(a.Filename, b.Filename))
}

// bytesText is a size in words.
func bytesText(n int64) string { return humanize.Bytes(uint64(max(0, n))) }
