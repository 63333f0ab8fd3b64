package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"larder/builder"
	"larder/builder/fetch"
	"larder/builder/pypi/index"
	"larder/cmd/internal/config"
	"larder/popularity"
	"larder/popularity/misses"
	"larder/popularity/simulate"
	"larder/popularity/sources"
	"larder/snapshot/ecosystem"
)

// simulation is what --simulate prints.
type simulation struct {
	Sets        int               `json:"sets"`
	Wheels      int               `json:"wheels"` // of all sets
	Target      string            `json:"target"`
	Curve       []simulate.Point  `json:"curve"`
	AfterAll    []simulate.Point  `json:"after_misses"`        // once half of the sets' misses are fed back
	AfterOther  []simulate.Point  `json:"after_misses_others"` // the same, for the other half of the sets
	Missed      []simulate.Missed `json:"missed"`              // under the largest budget
	NeedsUntold int               `json:"needs_untold"`        // projects of the sets whose needs are not known: no metadata on the index
	NeedSdist   []unstockable     `json:"need_sdist"`          // sets that ask for what has no wheel
	Unresolved  []unstockable     `json:"unresolved"`          // sets left out
}

// unstockable is what of a set no snapshot can hold.
type unstockable struct {
	ID     string   `json:"id"`
	Pins   []string `json:"pins"`
	Reason string   `json:"reason,omitempty"`
}

// simulatedBudgets are those of the curve when none is named.
var simulatedBudgets = []int64{1e9, 5e9, 10e9, 20e9, 50e9}

// runSimulate says how well what a budget takes serves real sets of requirements.
func runSimulate(c *cli.Context) error {
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	sets, err := simulate.ReadSets(c.String("simulate"))
	if err != nil {
		return err
	}
	budgets := simulatedBudgets
	if c.IsSet("budget") {
		one, err := budgetOf(c, cfg)
		if err != nil {
			return err
		}
		budgets = []int64{one}
	}
	b, err := buildConfig(c, cfg)
	if err != nil {
		return err
	}
	if b.Targets, err = builder.FindTargets(c.Context, b.wantedTargets); err != nil {
		return err
	}
	b.Targets = b.Targets[:1]
	cache, err := simulateCache(c)
	if err != nil {
		return err
	}
	python, pip, err := pipOf(c.Context, b.Targets)
	if err != nil {
		return err
	}
	resolver, err := newResolver(c, b.Targets[0], pip, python, cache)
	if err != nil {
		return err
	}
	out := simulation{Target: b.Targets[0].Tag, NeedSdist: []unstockable{}, Unresolved: []unstockable{}}
	locks, err := out.resolve(c.Context, resolver, sets)
	if err != nil {
		return err
	}
	client, err := simulateClient(pip, b.Jobs, cache)
	if err != nil {
		return err
	}
	defer client.Close()
	b.Index, b.Store = client, nil
	sim, resolved, err := out.wheels(c.Context, b.Config, locks, filepath.Join(cache, "requires.jsonl"))
	if err != nil {
		return err
	}
	if err := out.measure(c, cfg, b.top, sim, resolved, budgets); err != nil {
		return err
	}
	if jsonWanted(c) {
		return printJSON(c, out)
	}
	return out.print(c)
}

// simulateCache is where resolutions and pages are kept between runs.
func simulateCache(c *cli.Context) (string, error) {
	if dir := c.String("cache"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", usagef("no cache directory: %v", err).hint("name one with --cache")
	}
	return filepath.Join(dir, "larder", "simulate"), nil
}

// measure draws the curve, from rankings alone and after one round of misses.
func (out *simulation) measure(c *cli.Context, cfg config.Config, top int, sim *builder.Simulation, sets []simulate.Resolved, budgets []int64) error {
	store := rankingStore(c)
	blend := blendOf(c, cfg, store)
	opts := sources.Options{Web: rankingWeb(store)}
	ranking, warnings, err := sources.Gather(c.Context, blend, opts)
	for _, w := range warnings {
		warnf("%s", w)
	}
	if err != nil {
		return err
	}
	shelf, err := sim.Shelf(c.Context, candidates(ranking, top))
	if err != nil {
		return err
	}
	first, others := simulate.Halves(sets)
	for _, budget := range budgets {
		taken := shelf.Take(budget)
		out.Curve = append(out.Curve, simulate.Measure(sets, taken, budget))
		out.Missed = simulate.Misses(sets, taken)

		log, err := os.MkdirTemp("", "larder-simulate-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(log)
		if err := feedBack(log, first, taken); err != nil {
			return err
		}
		fed := blend
		fed.Sources = append(slices.Clone(blend.Sources), sources.Source{Name: "misses", Weight: cfg.Rank.Weight.Misses, Misses: log})
		learned, _, err := sources.Gather(c.Context, fed, opts)
		if err != nil {
			return err
		}
		next, err := sim.Shelf(c.Context, candidates(learned, top))
		if err != nil {
			return err
		}
		taken = next.Take(budget)
		out.AfterAll = append(out.AfterAll, simulate.Measure(sets, taken, budget))
		out.AfterOther = append(out.AfterOther, simulate.Measure(others, taken, budget))
	}
	out.NeedsUntold = sim.Silent()
	return nil
}

// feedBack logs what each set had to download, as if it were one container each.
func feedBack(log string, sets []simulate.Resolved, stocked map[string]bool) error {
	for _, s := range sets {
		r := misses.Report{Time: time.Now(), Instance: s.ID}
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

// candidates are what a budget chooses from: the first top projects, and whatever
// this host missed, however far down that is.
func candidates(r popularity.Ranking, top int) []popularity.Entry {
	entries := slices.Clone(r.Top(top).Entries)
	for _, e := range r.Entries[len(entries):] {
		if slices.ContainsFunc(e.Places, func(p popularity.Place) bool { return p.Source == "misses" }) {
			entries = append(entries, e)
		}
	}
	return entries
}

// pipOf is the interpreter whose pip says where the index is, and what it says.
func pipOf(ctx context.Context, targets []builder.Target) (python string, pip index.Config, err error) {
	python = "python3"
	for _, t := range targets {
		if t.Interpreter != nil {
			python = t.Interpreter.Executable
			break
		}
	}
	pip, err = index.FromPip(ctx, []string{python})
	return python, pip, err
}

func simulateClient(pip index.Config, jobs int, cache string) (*index.Client, error) {
	options := index.Options{Limits: fetch.Limits{Jobs: jobs}, UserAgent: userAgent()}
	var err error
	if options.Cache, err = index.OpenPageCache(filepath.Join(cache, "pages"), 0); err != nil {
		warnf("%v", err)
	}
	return index.New(pip, options)
}

func (out *simulation) print(c *cli.Context) error {
	percent := func(f float64) string { return fmt.Sprintf("%.1f %%", 100*f) }
	fmt.Fprintf(c.App.Writer, "%d sets, %d wheels, for %s\n", out.Sets, out.Wheels, out.Target)
	tw := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	names := slices.Sorted(maps.Keys(out.Curve[0].ByCategory))
	fmt.Fprintf(tw, "budget\tstocked\twheels\tbytes\t%s\tafter misses\tothers after misses\n", strings.Join(names, "\t"))
	for i, p := range out.Curve {
		fmt.Fprintf(tw, "%s\t%d\t%s\t%s", humanize.Bytes(uint64(p.Budget)), p.Stocked, percent(p.HitWheels), percent(p.HitBytes))
		for _, name := range names {
			fmt.Fprintf(tw, "\t%s", percent(p.ByCategory[name]))
		}
		fmt.Fprintf(tw, "\t%s\t%s\n", percent(out.AfterAll[i].HitWheels), percent(out.AfterOther[i].HitWheels))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "sizes and versions of projects that no set resolves to are guessed from those that one does\n")
	if out.NeedsUntold > 0 {
		fmt.Fprintf(c.App.Writer, "%d projects are taken to need nothing: the index has no metadata beside their wheels; a build fetches those it chooses, to know\n", out.NeedsUntold)
	}
	for _, l := range []struct {
		what string
		sets []unstockable
	}{{"asks for what has no wheel", out.NeedSdist}, {"cannot be resolved from wheels", out.Unresolved}} {
		for _, s := range l.sets {
			fmt.Fprintf(c.App.Writer, "counted apart: %s %s: %s\n", printable(s.ID), l.what, printable(strings.TrimSpace(strings.Join(s.Pins, " ")+" "+s.Reason)))
		}
	}
	for i, m := range out.Missed {
		if i == 20 {
			fmt.Fprintf(c.App.Writer, "and %d more wheels missed\n", len(out.Missed)-i)
			break
		}
		fmt.Fprintf(c.App.Writer, "missed: %s, wanted by %d sets, %s\n", m.Wheel, m.Sets, humanize.Bytes(uint64(m.Bytes)))
	}
	return nil
}
