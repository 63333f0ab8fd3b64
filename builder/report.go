package builder

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"

	"larder/snapshot"
)

// Report says what a build did. Its JSON form is a contract for those who script against it.
type Report struct {
	Snapshot string   `json:"snapshot"` // id; empty when nothing was published
	Targets  []string `json:"targets"`  // tags of what it is for
	Wheels   int      `json:"wheels"`   // distinct artifacts the ranking and the locks brought in
	Layers   int      `json:"layers"`   // layers of those, one per artifact and target
	Objects  int      `json:"objects"`  // distinct files the snapshot refers to
	Bytes    int64    `json:"bytes"`    // and their size

	ReusedBytes  int64 `json:"reused_bytes"`  // bytes of artifacts the store had already
	FetchedBytes int64 `json:"fetched_bytes"` // bytes of artifacts downloaded
	CheckedBytes int64 `json:"checked_bytes"` // bytes that were read in the pool, to be sure of them

	Skipped []Skip `json:"skipped"`

	// Seconds of wall time by stage: plan, fetch (until the last download), unpack
	// (until the last layer; it overlaps fetch), ask (where a view has what the index says of projects), fill (where a client's own program writes a view), seal, publish.
	Seconds map[string]float64 `json:"seconds"`

	Published bool          `json:"published"`        // false: nothing new, the store has this snapshot already
	Current   bool          `json:"current"`          // it is the current one
	Held      string        `json:"held,omitempty"`   // id of the snapshot that is held as current instead
	Changes   *Changes      `json:"changes"`          // against what was current; of a dry run, by its plan
	Plan      []PlanItem    `json:"plan,omitempty"`   // of a dry run
	Disk      *Disk         `json:"disk,omitempty"`   // of a dry run
	Budget    *BudgetReport `json:"budget,omitempty"` // of the first ecosystem, where it has one

	// Budgets are those of the others, by ecosystem.
	Budgets map[string]*BudgetReport `json:"budgets,omitempty"`

	// Answers are what indexes said of projects, by the view that has it.
	Answers map[string]*AnswersReport `json:"answers,omitempty"`

	unreachable map[string]int // by ecosystem: skips because the index did not answer
}

// Skip is a ranked project that is not in the snapshot.
type Skip struct {
	Ecosystem string `json:"ecosystem,omitempty"`
	Project   string `json:"project"`
	Version   string `json:"version"` // empty when no release was chosen
	Target    string `json:"target,omitempty"`
	Reason    string `json:"reason"`
}

// PlanItem is one artifact a dry run would stock.
type PlanItem struct {
	Project  string `json:"project"`
	Version  string `json:"version"`
	Filename string `json:"filename"`
	Target   string `json:"target"`
	Size     int64  `json:"size"` // bytes; -1 when the index does not tell
	Disk     int64  `json:"disk"` // estimate of what it adds to the pool
	Stocked  bool   `json:"stocked"`
}

// Disk is what a plan needs of a file system, and what is free there for its user, in bytes.
type Disk struct {
	Needed int64 `json:"needed_bytes"` // estimate: what the store has already counts nothing
	Free   int64 `json:"free_bytes"`   // -1 when nobody knows
}

// place says whether what was published is current.
func (r *Report) place(s *snapshot.Store, id snapshot.ID) error {
	current, err := s.Current()
	if err != nil {
		return err
	}
	held, err := s.Held()
	if r.Current = current == id; !r.Current && !held.IsZero() {
		r.Held = held.String()
	}
	return err
}

func (r *Report) sortSkips() {
	if r.Skipped == nil {
		r.Skipped = []Skip{} // an empty list, not null, for those who script against it
	}
	slices.SortFunc(r.Skipped, func(a, b Skip) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Ecosystem, b.Ecosystem), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Target, b.Target))
	})
}

// BudgetReport says what a budget took and where it stopped.
type BudgetReport struct {
	Budget   int64 `json:"budget"`
	Disk     int64 `json:"disk"`     // estimate of what was taken
	Wheels   int   `json:"wheels"`   // taken
	Unpacked int   `json:"unpacked"` // of those, the ones that are unpacked for more than a lock
	LeftOut  int   `json:"left_out"` // looked at and not taken

	// Options are all that was looked at, in the order in which a growing budget takes them.
	Options []Option `json:"-"`
}

// AnswersReport says what a view has of what an index says of projects.
type AnswersReport struct {
	View         string `json:"-"`
	Projects     int    `json:"projects"`
	Bytes        int64  `json:"bytes"`         // in the snapshot
	Fetched      int    `json:"fetched"`       // projects of which the index said something new, or did not say that it did not
	FetchedBytes int64  `json:"fetched_bytes"` // as they came
	Missing      int    `json:"missing"`       // projects of which the view has none
}

// Option is one artifact that a budget could take.
type Option struct {
	Project    string   `json:"project"`
	Version    string   `json:"version"`
	Filename   string   `json:"filename"`
	Targets    []string `json:"targets"`
	Size       int64    `json:"size"`    // of the artifact
	Disk       int64    `json:"disk"`    // estimate: with its copies, and its layers unless they are a choice
	Hits       int64    `json:"hits"`    // expected, in the ranking's unit; 0 when only others need it
	Counted    bool     `json:"counted"` // a source counts this version; else by the rule for earlier series
	NeededBy   string   `json:"needed_by,omitempty"`
	From       int64    `json:"from"`        // the smallest budget that takes it; -1 when none does
	Layers     int64    `json:"layers"`      // estimate: what its layers add, where they are a choice of their own
	LayersFrom int64    `json:"layers_from"` // the smallest budget that takes them; -1 when none does
	Taken      bool     `json:"taken"`

	// Place is that in the ranking, where a budget goes by nothing else; 0 where it goes by Hits.
	Place int `json:"place,omitempty"`
}

// log is what a build notes as it goes, from any goroutine.
type log struct {
	mu      sync.Mutex
	report  Report
	emit    func(Event)
	print   func(string)
	targets map[string]int // by ecosystem
	first   string         // ecosystem
	done    map[string]int // by stage
}

func newLog(cfg Config) *log {
	l := &log{emit: cfg.Progress, print: cfg.Warn, targets: map[string]int{}, done: map[string]int{}}
	if l.emit == nil {
		l.emit = func(Event) {}
	}
	if l.print == nil {
		l.print = func(string) {}
	}
	l.report.Seconds, l.report.Targets = map[string]float64{}, []string{}
	if len(cfg.Ecosystems) > 0 {
		l.first = cfg.Ecosystems[0].Name
	}
	l.report.unreachable = map[string]int{}
	for _, t := range cfg.Targets {
		l.report.Targets = append(l.report.Targets, t.Tag)
		l.targets[t.Ecosystem]++
	}
	return l
}

// timed runs one stage and notes its wall time.
func (l *log) timed(stage string, f func() error) error {
	start := time.Now()
	err := f()
	l.report.Seconds[stage] = time.Since(start).Seconds()
	return err
}

// step tells that one more of total is done.
func (l *log) step(stage string, total int, item string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done[stage]++
	l.emit(Event{Stage: stage, Done: l.done[stage], Total: total, Bytes: l.report.FetchedBytes, Item: item})
}

// over forgets what is done of a stage: the next step is the first again.
func (l *log) over(stage string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.done, stage)
}

// begin tells that a stage without parts begins.
func (l *log) begin(stage string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.emit(Event{Stage: stage, Bytes: l.report.FetchedBytes})
}

func (l *log) warn(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.print(line)
}

// add counts the bytes of artifacts.
func (l *log) add(fetched, reused int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.report.FetchedBytes += fetched
	l.report.ReusedBytes += reused
}

// budget notes what a budget took; nil is nothing.
func (l *log) budget(of string, r *BudgetReport) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case r == nil:
	case of == l.first:
		l.report.Budget = r
	default:
		if l.report.Budgets == nil {
			l.report.Budgets = map[string]*BudgetReport{}
		}
		l.report.Budgets[of] = r
	}
}

// skip notes a ranked project that cannot be had.
func (l *log) skip(ecosystem, project, version, target string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Skip{Ecosystem: ecosystem, Project: project, Version: version, Reason: err.Error()}
	if l.targets[ecosystem] > 1 {
		s.Target = target
	}
	if errors.Is(err, ErrUnreachable) {
		l.report.unreachable[ecosystem]++
	}
	l.report.Skipped = append(l.report.Skipped, s)
}

// count sets the report's figures from picks.
func (l *log) count(picks []*Pick) {
	artifacts := map[string]bool{}
	l.report.Layers = 0
	for _, p := range picks {
		if p.Tool {
			continue
		}
		artifacts[p.Digest] = true
		if p.Layer != nil {
			l.report.Layers++
		}
	}
	l.report.Wheels = len(artifacts)
}
