package main

import (
	"fmt"
	"os"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"larder/overlay"
	"larder/overlay/instance"
	"larder/overlay/keep"
	"larder/popularity/misses"
	"larder/snapshot"
	"larder/snapshot/gc"
)

func gcCommand() *cli.Command {
	return &cli.Command{
		Name:  "gc",
		Usage: "remove snapshots nobody uses, what dead containers left, and files no snapshot needs",
		Description: "The current snapshot, the previous one, the newest N and every snapshot in use stay.\n" +
			"Of their private images, sealed by first runs of locks, those go that nobody used for two weeks.\n" +
			"AGE is a number and m, h, d or w: 36h, 14d, 2w.",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "keep", Usage: "keep the newest `N` snapshots (default: 3); with 1 previous goes too"},
			&cli.StringFlag{Name: "older-than", Usage: "remove only what was published longer ago than `AGE`"},
			&cli.BoolFlag{Name: "leftovers", Usage: "take what dead containers left, and nothing else"},
			&cli.BoolFlag{Name: "dry-run", Usage: "say what would go, and remove nothing"},
			metricsFlag(),
			runDirFlag(),
		},
		Action: runGC,
	}
}

func runGC(c *cli.Context) error {
	if err := maxArgs(c, 0); err != nil {
		return err
	}
	opts, metrics, err := gcOptions(c)
	if err != nil {
		return err
	}
	s, err := openStore(c)
	if err != nil {
		return err
	}
	opts.Unmount = func(id snapshot.ID) error {
		return keep.Dir(c.String("run-dir")).Unmount(c.Context, id.String(), s.ObjectsDir())
	}
	opts.Users = func(id snapshot.ID, image *os.File) []string { return overlay.Users(id.String(), image) }
	opts.Parked = func() {
		collectMisses(c.Context, s)
		if err := misses.Prune(s.MissesDir(), time.Now()); err != nil {
			warnf("%v", err)
		}
	}
	start := time.Now()
	if !opts.DryRun {
		collectMisses(c.Context, s) // while the snapshots that containers had are there
	}
	r, err := gc.Run(c.Context, s, opts)
	noteGC(s, r, err, start)
	if !opts.DryRun {
		writeMetrics(s, metrics)
	}
	if r == nil {
		return err
	}
	if !opts.DryRun {
		followCurrent(c, s) // the last container of an old snapshot may have gone
	}
	for _, w := range r.Warnings {
		warnf("%s", w)
	}
	if jsonWanted(c) {
		if perr := printJSON(c, r); perr != nil || err == nil {
			return perr
		}
		// The report is the one JSON document; what went wrong is said on standard error.
		warnf("%v", err)
		return statusError(exitCode(err))
	}
	printGC(c, r)
	return err
}

// noteGC notes a collection that took or failed; those of every hour that found nothing are not worth
// a line.
func noteGC(s *snapshot.Store, r *gc.Report, err error, start time.Time) {
	detail := ""
	if r != nil && (len(r.Removed) > 0 || r.Objects > 0 || r.Private > 0) {
		detail = fmt.Sprintf("removed %d snapshots and %d objects, %s", len(r.Removed), r.Objects, humanize.Bytes(uint64(r.Bytes)))
	}
	if r != nil && r.DryRun || detail == "" && err == nil {
		return
	}
	noteCommand(s, "gc", snapshot.ID{}, detail, err, start)
}

// gcOptions is what the configuration and the command line ask for, and where metrics go.
func gcOptions(c *cli.Context) (opts gc.Options, metrics string, err error) {
	cfg, err := loadConfig(c)
	if err != nil {
		return opts, "", err
	}
	return gc.Options{Keep: cfg.GC.Keep, OlderThan: time.Duration(cfg.GC.OlderThan), DryRun: c.Bool("dry-run"),
		Leftovers: c.Bool("leftovers"), Mounted: instance.Mounted}, cfg.Metrics, nil
}

func printGC(c *cli.Context, r *gc.Report) {
	did := "removed"
	if r.DryRun {
		did = "would remove"
	}
	for _, s := range r.Kept {
		fmt.Fprintf(c.App.Writer, "kept snapshot %s: %s\n", s.ID.Short(), printable(s.Reason))
	}
	for _, s := range r.Removed {
		fmt.Fprintf(c.App.Writer, "%s snapshot %s of %s\n", did, s.ID.Short(), s.Time.Local().Format(time.DateOnly))
	}
	for _, d := range r.Reaped {
		fmt.Fprintf(c.App.Writer, "%s what container %q left: %s\n", did, d.ID, d.Reason)
	}
	if r.Instances > 0 {
		fmt.Fprintf(c.App.Writer, "%s %d instances of no container\n", did, r.Instances)
	}
	if r.Private > 0 {
		fmt.Fprintf(c.App.Writer, "%s %d private images that nobody used for two weeks, or that were never whole\n", did, r.Private)
	}
	fmt.Fprintf(c.App.Writer, "%s %d objects; %s\n", did, r.Objects, humanize.Bytes(uint64(r.Bytes)))
}
