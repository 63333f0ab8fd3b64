package builder

import (
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"larder/snapshot"
)

// LastPlan is what the last build with a budget looked at, dry runs included. It is kept in
// the store, so that what a budget makes of a project can be told without asking the index.
type LastPlan struct {
	Time    time.Time `json:"time"`
	Budget  int64     `json:"budget"`
	Options []Option  `json:"options"` // in the order of their place
}

// maxPlan bounds what is read back: 100,000 options take a third of it.
const maxPlan = 128 << 20

// planPath is where a plan is kept; of the first ecosystem for "".
func planPath(s *snapshot.Store, of string) string {
	name := "plan.json"
	if of != "" {
		name = "plan-" + of + ".json"
	}
	return filepath.Join(s.PagesDir(), name)
}

// SavePlan keeps a build's plan. An ecosystem without a budget keeps its last one as it is.
func SavePlan(s *snapshot.Store, r *Report) error {
	if r == nil {
		return nil
	}
	plans := maps.Clone(r.Budgets)
	if r.Budget != nil {
		if plans == nil {
			plans = map[string]*BudgetReport{}
		}
		plans[""] = r.Budget
	}
	for of, plan := range plans {
		b, err := json.Marshal(LastPlan{time.Now().UTC().Truncate(time.Second), plan.Budget, plan.Options})
		if err == nil {
			err = os.MkdirAll(s.PagesDir(), 0o700)
		}
		if err == nil {
			err = snapshot.WriteFile(planPath(s, of), b, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// LoadPlan reads the last plan of an ecosystem, of the first for "", nil when there is no usable one.
func LoadPlan(s *snapshot.Store, of string) *LastPlan {
	f, err := os.OpenFile(planPath(s, of), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxPlan))
	var p LastPlan
	if err != nil || json.Unmarshal(b, &p) != nil {
		return nil
	}
	return &p
}

// Explain returns a project's options, and the first of all that a budget does not take
// (nil when it takes them all). The place of every option holds for any budget.
func (p *LastPlan) Explain(project string, budget int64) (options []Option, cut *Option) {
	for _, o := range p.Options {
		o.Taken = o.From >= 0 && o.From <= budget
		if o.Project == project {
			options = append(options, o)
		}
		if !o.Taken && cut == nil {
			cut = &o
		}
	}
	return options, cut
}
