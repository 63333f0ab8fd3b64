package main

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"larder/builder"
	"larder/cmd/internal/config"
	"larder/popularity"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/failpoint"
	"larder/snapshot/pypi"
)

func buildCommand() *cli.Command {
	return &cli.Command{
		Name:  "build",
		Usage: "rank, fetch, check, seal and publish a snapshot",
		Description: "With --lock and neither --ranking nor --top, exactly what the locks name is stocked.\n" +
			"Else the best projects of the ranking are, and the locks besides; of each ecosystem that has a ranking.\n" +
			"What was stocked before is no input: the same inputs give the same snapshot, on every host.\n" +
			"So a build of a lock alone replaces what was ranked; it says what is lost, and how to go back.",
		Flags: []cli.Flag{
			ecosystemFlag("rank the projects of `NAME`, and of no other that is not named too; --ranking, --top and --budget are about it (default: the first, and what else the configuration ranks)"),
			&cli.StringSliceFlag{Name: "ranking", Usage: "rank by `FILE|URL`; several are merged as months of one ranking"},
			&cli.IntFlag{Name: "top", Usage: "stock the first `N` projects of the ranking (default: 1000)"},
			&cli.StringFlag{Name: "budget", Usage: "choose among the first N, with older versions and what they need, what takes `SIZE` on disk, such as 50GB"},
			&cli.StringSliceFlag{Name: "lock", Usage: "stock what lock `FILE` names, as an environment"},
			&cli.StringSliceFlag{Name: "target", Usage: "stock for `TAG`, such as cp311-manylinux_2_36_x86_64 (default: those of the current snapshot, else the python3 on PATH)"},
			&cli.StringSliceFlag{Name: "python", Usage: "stock for Python `X.Y` on this host's platform, beside the targets"},
			&cli.StringSliceFlag{Name: "view", Usage: "write view `NAME`: " + strings.Join(builder.ViewNames(), ", ") + " (default: " + strings.Join(ecosystem.WrittenViews(), ", ") + ")"},
			&cli.StringFlag{Name: "layers", Value: "auto", Usage: "unpack ranked wheels too, `WHICH`: auto is all without a budget, and with one those worth their disk; all or true; none or false (what a lock names always is)"},
			&cli.StringFlag{Name: "sdists", Value: "no", Usage: "build sources where the index has no wheel that fits, `WHICH`: no; pure (without a compiler); all, with the machine code of the projects in sdists_allow"},
			&cli.IntFlag{Name: "jobs", Usage: "download `N` files at once (default: 16)"},
			&cli.StringSliceFlag{Name: "with-uv", Usage: "have the uv at `PATH` write view uv; one for each generation of its cache (default: the uv on PATH)"},
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
	if report.Disk != nil {
		report.Disk.Free = freeFor(cfg.Store)
	}
	if report.Held != "" {
		warnf("snapshot %.12s is held as current, so containers do not get this one; larder use --release ends that", report.Held)
	}
	if report.Changes != nil {
		sayChanges(c, report, ranks(c))
	}
	show := func() error { return printReport(c, report, nounFor(report.Targets, b.Targets)) }
	if jsonWanted(c) {
		show = func() error { return printJSON(c, report) }
	}
	if perr := show(); perr != nil {
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
	ranked, err := rankedBy(c, cfg)
	if err != nil {
		return nil, err
	}
	b.Ranked = map[string]builder.Ranked{}
	for _, e := range ranked {
		if b.Ranked[e.Name], err = rankedOf(c, cfg, e); err != nil {
			return nil, err
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

// rankedOf is what a build wants of an ecosystem beside locks.
func rankedOf(c *cli.Context, cfg config.Config, e ecosystem.Ecosystem) (r builder.Ranked, err error) {
	ranking, _, err := loadRanking(c, cfg, e)
	if err != nil {
		return r, err
	}
	wanted, rules := wantedOf(cfg, e), rulesOf(cfg, e)
	r = builder.Ranked{Budget: wanted.Budget.Bytes(), Entries: map[string]popularity.Entry{}}
	entries := ranking.Stocked(wanted.Top)
	if r.Budget > 0 {
		entries = ranking.Candidates(wanted.Top)
	}
	r.Excluded = func(project string) bool { _, is := rules.Excluded(project); return is }
	for _, e := range entries {
		r.Projects = append(r.Projects, e.Project)
		r.Entries[e.Project] = e
	}
	return r, nil
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
	if err := checkBuildRoot(cfg.Build); err != nil {
		return b, err
	}
	layers, err := builder.ParseLayers(string(cfg.Build.Layers)) // one that Check let through
	if err != nil {
		return b, err
	}
	b = builder.Config{
		Locks: cfg.Build.Locks, Views: cfg.Build.Views, Layers: layers, Jobs: cfg.Build.Jobs, Programs: programsOf(cfg.Build), Builds: sourcesOf(cfg.Build),
		BuildRoot: cfg.Build.SdistsRoot, BuildLibraries: cfg.Build.SdistsLibraries,
		FetchTime: time.Duration(cfg.Build.Timeout), DryRun: c.Bool("dry-run"), Force: c.Bool("force"), NoUse: c.Bool("no-use"), UserAgent: userAgent(),
		Warn: func(line string) { warnf("%s", line) },
	}
	var had []builder.Target
	tags := slices.Concat(cfg.Build.Targets, cfg.Build.Pythons)
	if len(tags) == 0 {
		had = storeTargets(cfg.Store)
	}
	ranked, err := rankedBy(c, cfg)
	if err != nil {
		return b, err
	}
	var names []string
	for _, e := range ranked {
		names = append(names, e.Name)
	}
	b.Targets, err = builder.FindTargets(c.Context, cfg.Build.Locks, names, tags, had)
	if err == nil && len(tags) == 0 && len(had) == 0 && !jsonWanted(c) && !c.Bool("quiet") {
		say(os.Stderr, slog.LevelInfo, "no target is named, so it is this host's: "+strings.Join(tagsOf(b.Targets), ", "))
	}
	return b, err
}

// programsOf are the programs of the operator's that write views.
func programsOf(b config.Build) map[string][]string {
	return map[string][]string{pypi.ViewUV: b.UV}
}

func tagsOf(targets []builder.Target) (tags []string) {
	for _, t := range targets {
		tags = append(tags, t.Tag)
	}
	return tags
}

// storeTargets are what the current snapshot is for: a job with another PATH must not stock for
// another interpreter. None is known where there is no snapshot, or none that can be read.
func storeTargets(dir string) (had []builder.Target) {
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
	programs := interpreters(s, id)
	for _, t := range m.Targets {
		had = append(had, builder.Target{Target: t, Program: programs[t.Tag]})
	}
	return had
}

// findLocks refuses locks that are not there.
func findLocks(paths []string) error {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err == nil && info.IsDir() {
			err = &fs.PathError{Op: "read", Path: path, Err: unix.EISDIR}
		}
		if err != nil {
			return usagef("lock %q: %v", path, errors.Unwrap(err)).hint("name a pylock.toml, uv.lock, poetry.lock, requirements.txt, package-lock.json or pom.xml")
		}
	}
	return nil
}

// ranks says whether a build stocks the ranking: with locks on the command line, only when asked.
func ranks(c *cli.Context) bool {
	return !c.IsSet("lock") || c.IsSet("ranking") || c.IsSet("top") || c.IsSet("ecosystem")
}

// noteBuild appends a build to the history and writes the metrics. What goes wrong with it
// is a warning: the build is what it is.
func noteBuild(s *snapshot.Store, metrics string, r *builder.Report, err error, start time.Time) {
	noteRun(s, builder.RunOf(r, start, exitCode(err), failureOf(err)))
	writeMetrics(s, metrics)
}

func userAgent() string { return "larder/" + version }
