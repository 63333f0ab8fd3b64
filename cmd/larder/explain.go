package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"larder/builder"
	"larder/cmd/internal/config"
	"larder/popularity"
	"larder/snapshot"
)

// lastPlan is what the last build with a budget looked at, dry runs included. It
// is kept in the store so that rank --explain need not ask the index again.
type lastPlan struct {
	Time    time.Time        `json:"time"`
	Budget  int64            `json:"budget"`
	Options []builder.Option `json:"options"`
}

// maxPlan bounds what is read back: 100,000 options take a third of it.
const maxPlan = 128 << 20

func planPath(s *snapshot.Store) string { return filepath.Join(s.PagesDir(), "plan.json") }

// savePlan keeps a build's plan. That it could not is worth a warning.
func savePlan(s *snapshot.Store, r *builder.Report) {
	if r == nil || r.Budget == nil {
		return
	}
	b, err := json.Marshal(lastPlan{time.Now().UTC().Truncate(time.Second), r.Budget.Budget, r.Budget.Options})
	if err == nil {
		err = os.MkdirAll(s.PagesDir(), 0o700)
	}
	if err == nil {
		err = writeWhole(planPath(s), b, 0o600)
	}
	if err != nil {
		warnf("keep the plan for rank --explain: %v", err)
	}
}

// writeWhole puts a file in place by one rename: a reader sees the old one or the
// new one. After a power cut it may be either, or empty.
func writeWhole(path string, b []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer f.Close()
	// Whoever sweeps the store takes a file that is locked for one being written.
	_ = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	_, err = f.Write(b)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// loadPlan reads the last plan; without a usable one ok is false.
func loadPlan(s *snapshot.Store) (p lastPlan, ok bool) {
	if s == nil {
		return p, false
	}
	f, err := os.OpenFile(planPath(s), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return p, false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxPlan))
	return p, err == nil && json.Unmarshal(b, &p) == nil
}

// explanation is what --explain prints.
type explanation struct {
	Project  string               `json:"project"`
	Rank     int                  `json:"rank"` // 0: not ranked
	Of       int                  `json:"of"`
	Top      int                  `json:"top"` // a build looks at so many
	Places   []popularity.Place   `json:"places"`
	Versions []popularity.Version `json:"versions"`
	Stocked  []stockedWheel       `json:"stocked"` // in the current snapshot

	Budget  int64            `json:"budget"`            // 0: none
	Planned *time.Time       `json:"planned,omitempty"` // when the options were looked at
	Options []builder.Option `json:"options"`           // of the project
	Cut     *builder.Option  `json:"cut,omitempty"`     // the first wheel the budget does not take
}

type stockedWheel struct {
	Filename string `json:"filename"`
	Bytes    int64  `json:"bytes"`
}

// explain says where a project is ranked, by whom, what the current snapshot has of
// it, and what a budget makes of it.
func explain(c *cli.Context, r popularity.Ranking, project string) error {
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	e, err := explanationOf(c, cfg, r, project)
	if err != nil {
		return err
	}
	if jsonWanted(c) {
		return printJSON(c, e)
	}
	var b strings.Builder
	switch {
	case e.Rank == 0:
		fmt.Fprintf(&b, "%s is in none of the rankings\n", project)
	case e.Rank > e.Top:
		fmt.Fprintf(&b, "%s is %d of %d, behind the %d that a build stocks\n", project, e.Rank, e.Of, e.Top)
	default:
		fmt.Fprintf(&b, "%s is %d of %d, among the %d that a build stocks\n", project, e.Rank, e.Of, e.Top)
	}
	for _, p := range e.Places {
		fmt.Fprintf(&b, "  rank %d in %s\n", p.Rank, printable(p.Source))
	}
	for _, v := range e.Versions {
		fmt.Fprintf(&b, "  version %s%s\n", v.Version, forPython(v.Python))
	}
	for _, w := range e.Stocked {
		fmt.Fprintf(&b, "  stocked: %s, %d bytes\n", w.Filename, w.Bytes)
	}
	if len(e.Stocked) == 0 {
		fmt.Fprintln(&b, "  not stocked")
	}
	e.budget(&b)
	_, err = fmt.Fprint(c.App.Writer, b.String())
	return err
}

func explanationOf(c *cli.Context, cfg config.Config, r popularity.Ranking, project string) (explanation, error) {
	e := explanation{Project: project, Of: len(r.Entries), Top: cfg.Rank.Top, Places: []popularity.Place{},
		Versions: []popularity.Version{}, Stocked: []stockedWheel{}, Options: []builder.Option{}}
	if c.IsSet("top") {
		e.Top = c.Int("top")
	}
	for _, entry := range r.Entries {
		if entry.Project == project {
			e.Rank = entry.Rank
			e.Places = append(e.Places, entry.Places...)
			e.Versions = append(e.Versions, entry.Versions...)
		}
	}
	wheels, err := currentWheels(c)
	if err != nil {
		return e, err
	}
	for _, w := range wheels {
		if w.Project == project {
			e.Stocked = append(e.Stocked, stockedWheel{w.Filename, w.Size})
		}
	}
	if e.Budget, err = budgetOf(c, cfg); err != nil {
		return e, err
	}
	if plan, ok := loadPlan(rankingStore(c)); ok {
		e.plan(plan, c.IsSet("budget"))
	}
	return e, nil
}

// plan adds what the last plan knows of the project. The place of every wheel in
// it holds for any budget, so another one is answered from it, too.
func (e *explanation) plan(p lastPlan, another bool) {
	e.Planned = &p.Time
	if !another {
		e.Budget = p.Budget
	}
	for _, o := range p.Options {
		o.Taken = o.From >= 0 && o.From <= e.Budget
		if o.Project == e.Project {
			e.Options = append(e.Options, o)
		}
		if !o.Taken && e.Cut == nil {
			e.Cut = &o
		}
	}
}

func (e *explanation) budget(b *strings.Builder) {
	if e.Planned == nil {
		if e.Budget > 0 {
			fmt.Fprintln(b, "  no plan with a budget was made yet: larder build --dry-run --budget SIZE makes one")
		}
		return
	}
	size := func(n int64) string { return humanize.Bytes(uint64(max(0, n))) }
	fmt.Fprintf(b, "with a budget of %s, by the plan of %s:\n", size(e.Budget), e.Planned.Format(time.DateOnly))
	if len(e.Options) == 0 {
		fmt.Fprintln(b, "  no wheel of it was looked at")
	}
	for _, o := range e.Options {
		why := fmt.Sprintf("%d hits expected, by the rule for versions", o.Hits)
		if o.Counted {
			why = fmt.Sprintf("%d hits expected, by its count", o.Hits)
		}
		if o.NeededBy != "" {
			why = "needed by " + o.NeededBy
		}
		state := "out"
		if o.Taken {
			state = "in"
		}
		from := "no budget takes it"
		if o.From >= 0 {
			from = "from a budget of " + size(o.From) + " on"
		}
		fmt.Fprintf(b, "  %s: %s, wheel of %s, %s on disk, %s, %s\n", state, o.Filename, size(o.Size), size(o.Disk), why, from)
	}
	if e.Cut != nil {
		fmt.Fprintf(b, "  the cut falls before %s of %s on disk\n", e.Cut.Filename, size(e.Cut.Disk))
	} else {
		fmt.Fprintln(b, "  the budget takes everything that was looked at")
	}
}

func forPython(minor string) string {
	if minor == "" {
		return ""
	}
	return " for python " + minor
}
