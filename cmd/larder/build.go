package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"larder/builder"
	"larder/builder/fetch"
	"larder/builder/pypi/index"
	"larder/cmd/internal/config"
	"larder/popularity"
	"larder/snapshot"
)

func buildCommand() *cli.Command {
	return &cli.Command{
		Name:  "build",
		Usage: "rank, fetch, check, seal and publish a snapshot",
		Description: "With --lock and neither --ranking nor --top, exactly what the locks name is stocked.\n" +
			"Else the best projects of the ranking are, and the locks besides.",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "ranking", Usage: "rank by `FILE|URL`; several are merged as months of one ranking"},
			&cli.IntFlag{Name: "top", Usage: "stock the first `N` projects of the ranking (default: 1000)"},
			&cli.StringFlag{Name: "budget", Usage: "choose among the first N, with older versions and what they need, what takes `SIZE` on disk, such as 50GB"},
			&cli.StringSliceFlag{Name: "lock", Usage: "stock what lock `FILE` names, as an environment"},
			&cli.StringSliceFlag{Name: "target", Usage: "stock for `TAG`, such as cp311-manylinux_2_36_x86_64 (default: the python3 on PATH)"},
			&cli.StringSliceFlag{Name: "view", Usage: "write view `NAME`: " + strings.Join(builder.ViewNames, ", ") + " (default: all)"},
			&cli.BoolFlag{Name: "layers", Value: true, Usage: "unpack the ranked wheels too (what a lock names always is)"},
			&cli.IntFlag{Name: "jobs", Usage: "download `N` files at once (default: 8)"},
			&cli.BoolFlag{Name: "dry-run", Usage: "print the plan and its sizes; fetch and publish nothing"},
			&cli.StringFlag{Name: "metrics", Usage: "write the state after the build to `FILE`, in Prometheus' text format"},
			&cli.BoolFlag{Name: "force", Usage: "publish though most of the ranking failed, or lost most of its rows"},
		},
		Action: runBuild,
	}
}

func runBuild(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("build takes no argument %q", c.Args().First()).hint("name a lock with --lock, a ranking with --ranking")
	}
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	b, err := buildConfig(c, cfg)
	if err != nil {
		return err
	}
	dir, err := storeDir(c)
	if err != nil {
		return err
	}
	if b.Targets, err = builder.FindTargets(c.Context, b.wantedTargets); err != nil {
		return err
	}
	open := snapshot.OpenOrCreate
	if b.DryRun {
		open = snapshot.Open
		if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
			// A plan for the store that a build would make there: nothing is in it.
			scratch, err := os.MkdirTemp("", "larder-plan-")
			if err != nil {
				return err
			}
			defer os.RemoveAll(scratch)
			dir, open = filepath.Join(scratch, "store"), snapshot.Create
		}
	}
	if b.Store, err = open(dir); err != nil {
		return err
	}
	start := time.Now()
	report, err := b.run(c)
	switch {
	case err == nil && len(report.Skipped) > 0:
		err = statusError(exitSkips)
	case err != nil && c.Context.Err() != nil:
		err = errInterrupted
	}
	if !b.DryRun {
		noteBuild(b.Store, metricsFile(c, cfg), historyOf(report, err, start))
	}
	if exitCode(err) != exitOK && exitCode(err) != exitSkips {
		return err
	}
	report.Seconds["total"] = time.Since(start).Seconds()
	show := printReport
	if jsonWanted(c) {
		show = func(c *cli.Context, r *builder.Report) error { return printJSON(c, r) }
	}
	if perr := show(c, report); perr != nil {
		return perr
	}
	return err
}

// run ranks and builds. The report may be nil with an error.
func (b *buildRequest) run(c *cli.Context) (*builder.Report, error) {
	// Before the stage empties the trash, whether or not a ranking is wanted.
	collectMisses(c.Context, b.Store)
	if b.ranks {
		ranking, _, err := loadRanking(c.Context, c)
		if err != nil {
			return nil, err
		}
		b.Entries = map[string]popularity.Entry{}
		entries := ranking.Top(b.top).Entries
		if b.Budget > 0 {
			entries = candidates(ranking, b.top)
		}
		for _, e := range entries {
			b.Ranking = append(b.Ranking, e.Project)
			b.Entries[e.Project] = e
		}
	}
	client, err := indexClient(c.Context, b.Config, b.Store)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	b.Index = client
	shown := newProgress(os.Stderr, jsonWanted(c))
	b.Progress, b.Warn = shown.event, shown.warn
	report, err := builder.Build(c.Context, b.Config)
	shown.done()
	savePlan(b.Store, report)
	return report, err
}

// buildRequest is the command line and the configuration put together.
type buildRequest struct {
	builder.Config
	wantedTargets []string
	ranks         bool // the ranking is wanted, cut to top
	top           int
}

// buildConfig merges flags over the configuration.
func buildConfig(c *cli.Context, cfg config.Config) (_ *buildRequest, err error) {
	b := &buildRequest{
		Config: builder.Config{
			Locks: cfg.Build.Locks, Views: cfg.Build.Views, Layers: cfg.Build.Layers, Jobs: cfg.Build.Jobs,
			FetchTime: time.Duration(cfg.Build.Timeout), DryRun: c.Bool("dry-run"), Force: c.Bool("force"),
		},
		wantedTargets: cfg.Build.Targets,
		ranks:         true,
		top:           cfg.Rank.Top,
	}
	if c.IsSet("lock") {
		b.Locks = c.StringSlice("lock")
		b.ranks = c.IsSet("ranking") || c.IsSet("top")
	}
	for _, path := range b.Locks {
		info, err := os.Stat(path)
		if err == nil && info.IsDir() {
			err = &fs.PathError{Op: "read", Path: path, Err: unix.EISDIR}
		}
		if err != nil {
			return nil, usagef("lock %q: %v", path, errors.Unwrap(err)).hint("name a pylock.toml, uv.lock, poetry.lock or requirements.txt")
		}
	}
	if c.IsSet("view") {
		b.Views = c.StringSlice("view")
	}
	if c.IsSet("target") {
		b.wantedTargets = c.StringSlice("target")
	}
	if c.IsSet("layers") {
		b.Layers = c.Bool("layers")
	}
	if c.IsSet("jobs") {
		if b.Jobs = c.Int("jobs"); b.Jobs < 1 || b.Jobs > 64 {
			return nil, usagef("--jobs %d is not between 1 and 64", b.Jobs).hint("leave it out for 8")
		}
	}
	if c.IsSet("top") {
		if b.top = c.Int("top"); b.top < 1 {
			return nil, usagef("--top %d stocks nothing", b.top).hint("name a number of projects from 1")
		}
	}
	if b.Budget, err = budgetOf(c, cfg); err != nil {
		return nil, err
	}
	for _, v := range b.Views {
		if !slices.Contains(builder.ViewNames, v) {
			return nil, usagef("no view %q", v).hint("the views are %s", strings.Join(builder.ViewNames, ", "))
		}
	}
	return b, nil
}

// indexClient is a client of the index that the first target's pip, else the
// python3 on PATH, is configured for.
func indexClient(ctx context.Context, b builder.Config, s *snapshot.Store) (*index.Client, error) {
	_, cfg, err := pipOf(ctx, b.Targets)
	if err != nil {
		return nil, err
	}
	options := index.Options{Limits: fetch.Limits{Jobs: b.Jobs}, UserAgent: userAgent()}
	if s != nil {
		// Pages that did not change cost one small answer. Without the cache they
		// cost a full one: no reason to fail.
		if options.Cache, err = index.OpenPageCache(s.PagesDir(), 0); err != nil {
			warnf("%v", err)
		}
	}
	return index.New(cfg, options)
}

// budgetOf is the budget of the flag, else the configuration's; 0 is none.
func budgetOf(c *cli.Context, cfg config.Config) (int64, error) {
	if !c.IsSet("budget") {
		return int64(cfg.Rank.Budget), nil
	}
	size, err := config.ParseSize(c.String("budget"))
	if err != nil {
		return 0, usagef("--budget: %v", err)
	}
	if size < 1 {
		return 0, usagef("--budget %s stocks nothing", c.String("budget")).hint("write it as 50GB; leave it out for no budget")
	}
	return int64(size), nil
}

func userAgent() string { return "larder/" + version }

func printReport(c *cli.Context, r *builder.Report) error {
	out := c.App.Writer
	if len(r.Plan) > 0 {
		return printPlan(c, r)
	}
	for _, s := range r.Skipped {
		name := s.Project
		if s.Version != "" {
			name += "==" + s.Version
		}
		if s.Target != "" {
			name += " for " + s.Target
		}
		fmt.Fprintf(os.Stderr, "larder: skipped %s: %s\n", name, printable(s.Reason))
	}
	state := "published and current"
	if !r.Published {
		state = "already current, nothing new to publish"
	}
	_, err := fmt.Fprintf(out, "snapshot %s\n%s: %d wheels, %d layers, %d files of %s; %s fetched, %s reused, %d skipped, %.1f s\n",
		r.Snapshot, state, r.Wheels, r.Layers, r.Objects, humanize.Bytes(uint64(r.Bytes)),
		humanize.Bytes(uint64(r.FetchedBytes)), humanize.Bytes(uint64(r.ReusedBytes)), len(r.Skipped), r.Seconds["total"])
	return err
}

// printPlan lists what a dry run would stock, the largest first.
func printPlan(c *cli.Context, r *builder.Report) error {
	tw := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	for _, p := range r.Plan {
		size, state := "?", ""
		if p.Size >= 0 {
			size = humanize.Bytes(uint64(p.Size))
		}
		if p.Stocked {
			state = "in the store"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", size, p.Filename, p.Target, state)
	}
	fmt.Fprintf(tw, "%s\t%d wheels, %s to fetch\n", humanize.Bytes(uint64(r.Bytes)), r.Wheels, humanize.Bytes(uint64(r.FetchedBytes)))
	if err := tw.Flush(); err != nil {
		return err
	}
	if r.Budget == nil {
		return nil
	}
	_, err := fmt.Fprintf(c.App.Writer, "about %s on disk of a budget of %s; %d wheels looked at are left out\n",
		humanize.Bytes(uint64(r.Budget.Disk)), humanize.Bytes(uint64(r.Budget.Budget)), r.Budget.LeftOut)
	return err
}
