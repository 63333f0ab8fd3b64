package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"larder/builder/pypi"
	"larder/builder/pypi/index"
	"larder/popularity"
	"larder/popularity/simulate"
	"larder/popularity/sources"
)

// simulatedBudgets are those of the curve when none is named.
var simulatedBudgets = []int64{1e9, 5e9, 10e9, 20e9, 50e9}

// runSimulate says how well what a budget takes serves real sets of requirements.
func runSimulate(c *cli.Context, e effective) error {
	cfg := e.Config
	sets, err := simulate.ReadSets(c.String("simulate"))
	if err != nil {
		return err
	}
	b, err := buildConfig(c, cfg)
	if err != nil {
		return err
	}
	cache, err := simulateCache(c)
	if err != nil {
		return err
	}
	target := b.Targets[0].Own.(pypi.Target)
	python, pip, err := pypi.PipOf(c.Context, target)
	if err != nil {
		return err
	}
	client, err := pypi.Connect(pip, b, filepath.Join(cache, "pages"))
	if err != nil {
		return err
	}
	defer client.Close()
	sim := simulate.Simulation{Sets: sets, Budgets: simulatedBudgets, Target: target.Tag.String(), Rank: simulatedRanking(c, e)}
	if c.IsSet("budget") {
		sim.Budgets = []int64{cfg.Rank.Budget.Bytes()}
	}
	if sim.Resolver, err = newResolver(c.String("uv"), target, pip, python, cache); err != nil {
		return err
	}
	sim.Open = func(ctx context.Context, locks []simulate.Locked) (simulate.Index, error) {
		return pypi.SimulateSets(ctx, client, target, b, locks, filepath.Join(cache, "requires.jsonl"))
	}
	r, err := sim.Run(c.Context)
	if err != nil {
		return err
	}
	if jsonWanted(c) {
		return printJSON(c, r)
	}
	return printSimulation(c, r)
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

// newResolver finds uv and tells it of the index that pip is configured for.
func newResolver(uv string, t pypi.Target, pip index.Config, python, cache string) (simulate.Resolver, error) {
	path, err := exec.LookPath(uv)
	if err != nil {
		return simulate.Resolver{}, usagef("--simulate resolves with uv, and %q is not there", uv).hint("install uv, or name it with --uv")
	}
	platform, ok := simulate.Platform(t.Tag.String())
	if !ok {
		return simulate.Resolver{}, usagef("uv has no name for the platform of %s", t.Tag)
	}
	env := append(os.Environ(), "UV_PYTHON="+python)
	if len(pip.Indexes) > 0 {
		env = append(env, "UV_INDEX_URL="+pip.Indexes[0])
	}
	if len(pip.Indexes) > 1 {
		env = append(env, "UV_EXTRA_INDEX_URL="+strings.Join(pip.Indexes[1:], " "))
	}
	if len(pip.CABundles) > 0 {
		env = append(env, "SSL_CERT_FILE="+pip.CABundles[0])
	}
	return simulate.Resolver{UV: path, Cache: cache, Python: t.Tag.Python(), Platform: platform, Env: env}, nil
}

// simulatedRanking is the ranking that a build with a budget would choose from, and the same with
// the misses of a simulation.
func simulatedRanking(c *cli.Context, e effective) func(context.Context, string, int64) ([]popularity.Entry, error) {
	cfg := e.Config
	by, _ := e.source("rank.top")
	said := map[popularity.Warning]bool{}
	store := rankingStore(cfg)
	first := ecosystemOf("")
	blend := blendOf(c, cfg, first, store)
	return func(ctx context.Context, misses string, budget int64) ([]popularity.Entry, error) {
		b := blend
		if misses != "" {
			b.Sources = append(slices.Clone(blend.Sources), sources.Source{Name: "misses", Weight: cfg.Rank.Weight.Misses, Misses: misses})
		}
		ranking, warnings, err := sources.Gather(ctx, b, sources.Options{Of: first, Web: rankingWeb(store)})
		for _, w := range warnings {
			if !said[w] {
				warnf("%s", w)
			}
			said[w] = true
		}
		top := cfg.Rank.Top
		if by == "default" {
			top = topOf(budget)
		}
		return ranking.Candidates(top), err
	}
}

// printFigures prints a row for each budget. The others are the sets that report no misses.
func printFigures(w io.Writer, f simulate.Figures) error {
	percent := func(f float64) string { return fmt.Sprintf("%.1f %%", 100*f) }
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	names := slices.Sorted(maps.Keys(f.Curve[0].ByCategory))
	fmt.Fprintf(tw, "budget\tstocked\twheels\tbytes\t%s\n", strings.Join(append(names, "others", "after misses", "others", "after three rounds", "others"), "\t"))
	for i, p := range f.Curve {
		fmt.Fprintf(tw, "%s\t%d\t%s\t%s", humanize.Bytes(uint64(p.Budget)), p.Stocked, percent(p.HitWheels), percent(p.HitBytes))
		for _, name := range names {
			fmt.Fprintf(tw, "\t%s", percent(p.ByCategory[name]))
		}
		for _, points := range [][]simulate.Point{f.Other, f.AfterAll, f.AfterOther, f.AfterThreeAll, f.AfterThreeOther} {
			fmt.Fprintf(tw, "\t%s", percent(points[i].HitWheels))
		}
		fmt.Fprintln(tw)
	}
	return tw.Flush()
}

func printSimulation(c *cli.Context, r *simulate.Report) error {
	fmt.Fprintf(c.App.Writer, "%d sets, %d wheels, for %s\n", r.Sets, r.Wheels, r.Target)
	if err := printFigures(c.App.Writer, r.Figures); err != nil {
		return err
	}
	for _, f := range r.Folds {
		about := "nothing was chosen on it"
		if f.Fold == 1 {
			about = "the constants of the choice were chosen on it"
		}
		fmt.Fprintf(c.App.Writer, "fold %d of them, %d sets, %d wheels; %s\n", f.Fold, f.Sets, f.Wheels, about)
		if err := printFigures(c.App.Writer, f.Figures); err != nil {
			return err
		}
	}
	fmt.Fprintf(c.App.Writer, "sizes and versions of projects that no set resolves to are guessed from those that one does\n")
	if r.NeedsUntold > 0 {
		fmt.Fprintf(c.App.Writer, "%d projects are taken to need nothing: the index has no metadata beside their wheels; a build fetches those it chooses, to know\n", r.NeedsUntold)
	}
	for _, l := range []struct {
		what string
		sets []simulate.Unstockable
	}{{"asks for what has no wheel", r.NeedSdist}, {"cannot be resolved from wheels", r.Unresolved}} {
		for _, s := range l.sets {
			fmt.Fprintf(c.App.Writer, "counted apart: %s %s: %s\n", printable(s.ID), l.what, printable(strings.TrimSpace(strings.Join(s.Pins, " ")+" "+s.Reason)))
		}
	}
	for i, m := range r.Missed {
		if i == 20 {
			fmt.Fprintf(c.App.Writer, "and %d more wheels missed\n", len(r.Missed)-i)
			break
		}
		fmt.Fprintf(c.App.Writer, "missed: %s, wanted by %d sets, %s\n", m.Wheel, m.Sets, humanize.Bytes(uint64(m.Bytes)))
	}
	return nil
}
