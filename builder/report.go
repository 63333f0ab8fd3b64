package builder

import (
	"cmp"
	"slices"
	"sync"
)

// Report says what a build did. Its JSON form is a contract (design, section 8).
type Report struct {
	Snapshot string `json:"snapshot"` // id; empty when nothing was published
	Wheels   int    `json:"wheels"`   // distinct wheels the ranking and the locks brought in
	Layers   int    `json:"layers"`   // layers of those wheels, one per wheel and target
	Objects  int    `json:"objects"`  // distinct files the snapshot refers to
	Bytes    int64  `json:"bytes"`    // and their size

	ReusedBytes  int64 `json:"reused_bytes"`  // wheel bytes the store had already
	FetchedBytes int64 `json:"fetched_bytes"` // wheel bytes downloaded

	Skipped []Skip `json:"skipped"`

	// Seconds of wall time by stage: plan, fetch (until the last download), unpack
	// (until the last layer; it overlaps fetch), seal, publish.
	Seconds map[string]float64 `json:"seconds"`

	Published bool          `json:"published"`        // false: the current snapshot is this one already
	Plan      []PlanItem    `json:"plan,omitempty"`   // of a dry run
	Budget    *BudgetReport `json:"budget,omitempty"` // of a build with one

	unreachable int // skips because the index did not answer
}

// Skip is a ranked project that is not in the snapshot.
type Skip struct {
	Project string `json:"project"`
	Version string `json:"version"` // empty when no release was chosen
	Target  string `json:"target,omitempty"`
	Reason  string `json:"reason"`
}

// PlanItem is one wheel a dry run would stock.
type PlanItem struct {
	Project  string `json:"project"`
	Version  string `json:"version"`
	Filename string `json:"filename"`
	Target   string `json:"target"`
	Size     int64  `json:"size"` // bytes; -1 when the index does not tell
	Disk     int64  `json:"disk"` // estimate of what it adds to the pool
	Stocked  bool   `json:"stocked"`
}

func (r *Report) sortSkips() {
	if r.Skipped == nil {
		r.Skipped = []Skip{} // an empty list, not null, for those who script against it
	}
	slices.SortFunc(r.Skipped, func(a, b Skip) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Target, b.Target))
	})
}

// events passes progress on, one call at a time.
type events struct {
	mu   sync.Mutex
	emit func(Event)
}

func (e *events) send(ev Event) {
	if e.emit == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.emit(ev)
}
