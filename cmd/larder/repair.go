package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/urfave/cli/v2"

	"larder/builder"
	"larder/overlay/keep"
	"larder/snapshot"
)

func repairCommand() *cli.Command {
	return &cli.Command{
		Name:  "repair",
		Usage: "mend what verify --full finds damaged",
		Description: "Every file is read. What is damaged is made again from the wheels in the pool; those that are\n" +
			"damaged too are fetched by their digest. Files are replaced, never written into. A snapshot\n" +
			"that stays damaged is marked bad: containers get the newest good one until it is mended.\n" +
			"Exit status 3: something stays damaged; 10: and the index could not be reached.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "dry-run", Usage: "say what is damaged, and change nothing"},
			runDirFlag(),
		},
		Action: runRepair,
	}
}

func runRepair(c *cli.Context) error {
	if err := maxArgs(c, 0); err != nil {
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
	b := againConfig(s, cfg)
	b.DryRun, b.Warn = c.Bool("dry-run"), func(line string) { warnf("%s", line) }
	done := func() {}
	if !jsonWanted(c) {
		b.Read, done = verifyProgress(os.Stderr)
	}
	start := time.Now()
	r, err := builder.Repair(c.Context, b)
	done()
	if err != nil {
		return err
	}
	noteRepair(s, r, start)
	if !r.DryRun {
		remount(c, s, r)
		followCurrent(c, s)
	}
	if jsonWanted(c) {
		err = printJSON(c, r)
	} else {
		err = printRepair(c, r)
	}
	return cmp.Or(err, repaired(r))
}

// repaired is nil when nothing stays damaged.
func repaired(r *builder.RepairReport) error {
	switch {
	case len(r.Left) == 0:
		return nil
	case r.Unreachable != "":
		return statusError(exitNetwork)
	}
	return statusError(exitDamage)
}

// noteRepair notes a repair that found something to do.
func noteRepair(s *snapshot.Store, r *builder.RepairReport, start time.Time) {
	if r.DryRun || len(r.Mended)+len(r.Left)+len(r.MarkedBad)+len(r.MarkedGood) == 0 {
		return
	}
	detail := fmt.Sprintf("mended %d files; %d findings stay, %d snapshots marked bad, %d good again", len(r.Mended), len(r.Left), len(r.MarkedBad), len(r.MarkedGood))
	noteCommand(s, "repair", snapshot.ID{}, detail, repaired(r), start)
}

// remount mounts anew what is kept mounted and may have looked up a file that was replaced.
func remount(c *cli.Context, s *snapshot.Store, r *builder.RepairReport) {
	dir := keep.Dir(c.String("run-dir"))
	kept, err := dir.List(s.ObjectsDir())
	for _, id := range kept {
		if !r.Replaced[id] {
			continue
		}
		if full, perr := snapshot.ParseDigest(id); perr == nil {
			err = errors.Join(err, dir.Again(c.Context, toKeep(s, full)))
		}
	}
	if err != nil {
		warnf("kept mounts may still have damaged files: %v; larder unmount --all, then larder mount", err)
	}
}

func printRepair(c *cli.Context, r *builder.RepairReport) error {
	out := c.App.Writer
	for _, m := range r.Mended {
		name := string(m.Kind)
		if m.Path != "" {
			name += " " + m.Path
		}
		fmt.Fprintf(out, "mended %s: %s\n", name, printable(m.How))
	}
	for _, id := range r.MarkedGood {
		fmt.Fprintf(out, "snapshot %s is good again\n", id.Short())
	}
	for _, id := range r.MarkedBad {
		fmt.Fprintf(out, "snapshot %s is marked bad: containers get the newest good one\n", id.Short())
	}
	for _, h := range r.Holders {
		fmt.Fprintf(out, "container %q (pid %d) has snapshot %s and may see the damaged bytes until it is restarted\n", h.Container, h.PID, h.Snapshot.Short())
	}
	for _, f := range r.Strange {
		fmt.Fprintf(out, "left alone: %s\n", printable(f.String()))
	}
	for _, f := range r.Left {
		fmt.Fprintf(out, "%s\n", printable(f.String()))
	}
	if r.Unreachable != "" {
		warnf("what is damaged could not be fetched: %s", r.Unreachable)
	}
	state := "nothing to mend"
	switch {
	case len(r.Left) > 0:
		state = english.Plural(len(r.Left), "finding stays", "findings stay")
	case len(r.Mended)+len(r.MarkedGood) > 0:
		state = "whole again"
	}
	_, err := fmt.Fprintf(out, "%s: %d mended, %s fetched\n", state, len(r.Mended), humanize.Bytes(uint64(r.FetchedBytes)))
	return err
}
