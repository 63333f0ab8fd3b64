package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
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
	"larder/cmd/internal/config"
	"larder/popularity"
	"larder/snapshot"
	"larder/snapshot/failpoint"
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
			&cli.StringSliceFlag{Name: "target", Usage: "stock for `TAG`, such as cp311-manylinux_2_36_x86_64 (default: those of the current snapshot, else the python3 on PATH)"},
			&cli.StringSliceFlag{Name: "view", Usage: "write view `NAME`: " + strings.Join(builder.ViewNames(), ", ") + " (default: all)"},
			&cli.BoolFlag{Name: "layers", Value: true, Usage: "unpack the ranked wheels too (what a lock names always is)"},
			&cli.IntFlag{Name: "jobs", Usage: "download `N` files at once (default: 8)"},
			&cli.BoolFlag{Name: "dry-run", Usage: "print the plan and its sizes; fetch and publish nothing"},
			&cli.BoolFlag{Name: "quiet", Usage: "say nothing of the progress; warnings and failures are said"},
			metricsFlag(),
			&cli.BoolFlag{Name: "no-use", Usage: "publish, and leave the current snapshot as it is: larder use SNAPSHOT makes it current"},
			&cli.BoolFlag{Name: "force", Usage: "publish though most of the ranking failed, or lost most of its rows"},
			runDirFlag(),
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
	store, done, err := buildStore(cfg.Store, b.DryRun)
	defer done()
	if err != nil {
		return err
	}
	b.Store = store
	start := time.Now()
	report, err := rankAndBuild(c, cfg, b)
	switch {
	case err == nil && len(report.Skipped) > 0:
		err = statusError(exitSkips)
	case err != nil && c.Context.Err() != nil:
		err = errInterrupted
	}
	failpoint.Here("build: ended")
	if !b.DryRun {
		noteBuild(store, cfg.Metrics, report, err, start)
	}
	if exitCode(err) != exitOK && exitCode(err) != exitSkips {
		return err
	}
	if !b.DryRun {
		followCurrent(c, store)
	}
	report.Seconds["total"] = time.Since(start).Seconds()
	if report.Held != "" {
		warnf("snapshot %.12s is held as current, so containers do not get this one; larder use --release ends that", report.Held)
	}
	if report.Changes != nil {
		sayChanges(c, report)
	}
	show := printReport
	if jsonWanted(c) {
		show = func(c *cli.Context, r *builder.Report) error { return printJSON(c, r) }
	}
	if perr := show(c, report); perr != nil {
		return perr
	}
	return err
}

// buildStore opens the store to build into; done is called in any case. A dry run makes none:
// the plan for one that is not there is that of an empty one.
func buildStore(dir string, dry bool) (s *snapshot.Store, done func(), err error) {
	done = func() {}
	if !dry {
		s, err = snapshot.OpenOrCreate(dir)
		return s, done, err
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		s, err = snapshot.Open(dir)
		return s, done, err
	}
	scratch, err := os.MkdirTemp("", "larder-plan-")
	if err != nil {
		return nil, done, err
	}
	s, err = snapshot.Create(filepath.Join(scratch, "store"))
	return s, func() { os.RemoveAll(scratch) }, err
}

// rankAndBuild makes the build. The report may be nil with an error.
func rankAndBuild(c *cli.Context, cfg config.Config, b builder.Config) (*builder.Report, error) {
	// Before the stage empties the trash, whether or not a ranking is wanted.
	collectMisses(c.Context, b.Store)
	if ranks(c) {
		ranking, _, err := loadRanking(c, cfg)
		if err != nil {
			return nil, err
		}
		entries := ranking.Stocked(cfg.Rank.Top)
		if b.Budget > 0 {
			entries = ranking.Candidates(cfg.Rank.Top)
		}
		rules := rulesOf(cfg.Rank)
		b.Excluded = func(project string) bool { _, is := rules.Excluded(project); return is }
		b.Entries = map[string]popularity.Entry{}
		for _, e := range entries {
			b.Ranking = append(b.Ranking, e.Project)
			b.Entries[e.Project] = e
		}
	}
	shown := newProgress(os.Stderr, jsonWanted(c) || c.Bool("quiet"))
	b.Progress, b.Warn = shown.event, shown.warn
	report, err := builder.Build(c.Context, b)
	shown.done()
	failpoint.Here("build: stage closed")
	if perr := builder.SavePlan(b.Store, report); perr != nil {
		warnf("keep the plan for rank --explain: %v", perr)
	}
	return report, err
}

// buildConfig is what the configuration asks of a build, but for its store, its ranking.
func buildConfig(c *cli.Context, cfg config.Config) (b builder.Config, err error) {
	if err := findLocks(cfg.Build.Locks); err != nil {
		return b, err
	}
	for _, v := range cfg.Build.Views {
		if !slices.Contains(builder.ViewNames(), v) {
			return b, usagef("no view %q", v).hint("the views are %s", strings.Join(builder.ViewNames(), ", "))
		}
	}
	b = builder.Config{
		Locks: cfg.Build.Locks, Views: cfg.Build.Views, Layers: cfg.Build.Layers, Jobs: cfg.Build.Jobs,
		Budget: cfg.Rank.Budget.Bytes(), FetchTime: time.Duration(cfg.Build.Timeout), DryRun: c.Bool("dry-run"), Force: c.Bool("force"), NoUse: c.Bool("no-use"), UserAgent: userAgent(),
		Warn: func(line string) { warnf("%s", line) },
	}
	var had []snapshot.Target
	if len(cfg.Build.Targets) == 0 {
		had = storeTargets(cfg.Store)
	}
	b.Targets, err = builder.FindTargets(c.Context, cfg.Build.Locks, ranks(c), cfg.Build.Targets, had)
	for _, t := range b.Targets {
		if len(had) > 0 && t.Program == "" {
			warnf("no interpreter for target %s of the store is on this host, so its new layers have no bytecode", t.Tag)
		}
	}
	return b, err
}

// storeTargets are what the current snapshot is for: a job with another PATH must not stock for
// another interpreter. None is known where there is no snapshot, or none that can be read.
func storeTargets(dir string) []snapshot.Target {
	s, err := snapshot.Open(dir)
	if err != nil {
		return nil // the build says why
	}
	id, err := s.Current()
	if err != nil {
		return nil
	}
	m, err := manifestOf(s, id)
	if err != nil {
		warnf("which targets the current snapshot is for nobody knows, so it is those of this host: %v", err)
		return nil
	}
	return m.Targets
}

// findLocks refuses locks that are not there.
func findLocks(paths []string) error {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err == nil && info.IsDir() {
			err = &fs.PathError{Op: "read", Path: path, Err: unix.EISDIR}
		}
		if err != nil {
			return usagef("lock %q: %v", path, errors.Unwrap(err)).hint("name a pylock.toml, uv.lock, poetry.lock or requirements.txt")
		}
	}
	return nil
}

// ranks says whether a build stocks the ranking: with locks on the command line, only when asked.
func ranks(c *cli.Context) bool { return !c.IsSet("lock") || c.IsSet("ranking") || c.IsSet("top") }

// noteBuild appends a build to the history and writes the metrics. What goes wrong with it
// is a warning: the build is what it is.
func noteBuild(s *snapshot.Store, metrics string, r *builder.Report, err error, start time.Time) {
	noteRun(s, builder.RunOf(r, start, exitCode(err), failureOf(err)))
	writeMetrics(s, metrics)
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
		say(os.Stderr, slog.LevelInfo, "skipped "+name+": "+s.Reason)
	}
	_, err := fmt.Fprintf(out, "snapshot %s\n%s: %d wheels, %d layers, %d files of %s; %s fetched, %s reused, %d skipped, %.1f s\n",
		r.Snapshot, stateOf(r), r.Wheels, r.Layers, r.Objects, humanize.Bytes(uint64(r.Bytes)),
		humanize.Bytes(uint64(r.FetchedBytes)), humanize.Bytes(uint64(r.ReusedBytes)), len(r.Skipped), r.Seconds["total"])
	return err
}

// sayChanges says what is new against what was current, and what is lost in a line of its own: a job
// at night should neither drop a target unseen nor stop updating because of it.
func sayChanges(c *cli.Context, r *builder.Report) {
	changes, from := r.Changes, "nothing"
	if changes.From != "" {
		from = fmt.Sprintf("%.12s", changes.From)
	}
	if !jsonWanted(c) && !c.Bool("quiet") {
		fmt.Fprintf(os.Stderr, "larder: changes against %s: %s; %s more, %s gone\n", from, printable(changes.Text()),
			humanize.Bytes(uint64(changes.AddedBytes)), humanize.Bytes(uint64(changes.GoneBytes)))
	}
	if len(changes.Lost) == 0 {
		return
	}
	back := "larder use " + from + " goes back"
	if c.Bool("dry-run") {
		back = "nothing is published yet"
	}
	warnf("LOST against %s: %s; %s", from, strings.Join(changes.Lost, "; "), back)
}

// stateOf says what became of the snapshot.
func stateOf(r *builder.Report) string {
	switch {
	case r.Held != "":
		return fmt.Sprintf("published, not current: snapshot %.12s is held", r.Held)
	case !r.Current:
		return "published, not current: larder use makes it so"
	case !r.Published:
		return "already current, nothing new to publish"
	}
	return "published and current"
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
