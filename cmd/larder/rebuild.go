package main

import (
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"larder/builder"
	"larder/cmd/internal/config"
	"larder/snapshot"
)

func rebuildCommand() *cli.Command {
	return &cli.Command{
		Name:      "rebuild",
		Usage:     "make again what was built from sources, or check that its recipes give the same bytes",
		ArgsUsage: "[PROJECT==VERSION | SHA256]",
		Description: "What the pool lacks is built again, by nothing but its recipe, and put back under its digest.\n" +
			"With --check all are built, and the pool stays as it is. Without a name these are all that were\n" +
			"ever built; a SHA256 is that of a source, of what was built, or of a recipe.\n" +
			"Exit status 3: a recipe gives other bytes than it once did.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "check", Usage: "compare, and change nothing"},
			&cli.BoolFlag{Name: "quiet", Usage: "say nothing of the progress"},
		},
		Action: runRebuild,
	}
}

func runRebuild(c *cli.Context) error {
	if err := maxArgs(c, 1); err != nil {
		return err
	}
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	s, err := openStore(c)
	if err != nil {
		return err
	}
	shown := newProgress(os.Stderr, jsonWanted(c) || c.Bool("quiet"))
	b := againConfig(s, cfg)
	b.Progress, b.Warn = shown.event, shown.warn
	start := time.Now()
	r, err := builder.Rebuild(c.Context, b, c.Args().First(), c.Bool("check"))
	shown.done()
	if restored := r.Count(builder.Restored); restored > 0 {
		noteCommand(s, "rebuild", snapshot.ID{}, fmt.Sprintf("put %d back", restored), err, start)
	}
	if len(r.Built) == 0 && err != nil {
		return err
	}
	show := printRebuilt
	if jsonWanted(c) {
		show = func(c *cli.Context, r *builder.RebuildReport) error { return printJSON(c, r) }
	}
	if perr := show(c, r); perr != nil {
		return perr
	}
	return err
}

// againConfig is for what makes again what a store lacks.
func againConfig(s *snapshot.Store, cfg config.Config) builder.Config {
	return builder.Config{Store: s, Jobs: cfg.Build.Jobs, FetchTime: time.Duration(cfg.Build.Timeout), UserAgent: userAgent(),
		Programs: programsOf(cfg.Build), BuildRoot: cfg.Build.SdistsRoot, BuildLibraries: cfg.Build.SdistsLibraries}
}

func printRebuilt(c *cli.Context, r *builder.RebuildReport) error {
	out := c.App.Writer
	for _, b := range r.Built {
		line := fmt.Sprintf("%s %s==%s for %s, recipe %s", b.Outcome, b.Project, b.Version, b.Target, b.Recipe.Short())
		if b.Detail != "" {
			line += ": " + b.Detail
		}
		fmt.Fprintln(out, printable(line))
	}
	n := len(r.Built) - r.Count(builder.There)
	_, err := fmt.Fprintf(out, "%d of %d built again: %d the same, %d put back, %d different, %d failed\n", n, len(r.Built),
		r.Count(builder.Same), r.Count(builder.Restored), r.Count(builder.Different), r.Count(builder.Failed))
	return err
}
