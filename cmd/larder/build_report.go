package main

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"larder/builder"
	"larder/snapshot/ecosystem"
)

// printReport says what was built; noun is what its people call an artifact of it.
func printReport(c *cli.Context, r *builder.Report, noun string) error {
	printSkips(os.Stderr, r.Skipped)
	if c.Bool("dry-run") {
		return printPlan(c.App.Writer, r, noun)
	}
	_, err := fmt.Fprintf(c.App.Writer, "snapshot %s\nfor %s\n%s: %d %ss, %d layers, %d files of %s; %s fetched, %s reused, %d skipped, %.1f s\n",
		r.Snapshot, strings.Join(r.Targets, ", "), stateOf(r), r.Wheels, noun, r.Layers, r.Objects, humanize.Bytes(uint64(r.Bytes)),
		humanize.Bytes(uint64(r.FetchedBytes)), humanize.Bytes(uint64(r.ReusedBytes)), len(r.Skipped), r.Seconds["total"])
	for _, view := range slices.Sorted(maps.Keys(r.Answers)) {
		a := r.Answers[view]
		fmt.Fprintf(c.App.Writer, "view %s: %s of %d packages; %d fetched, %s\n", view, humanize.Bytes(uint64(a.Bytes)), a.Projects-a.Missing, a.Fetched, humanize.Bytes(uint64(a.FetchedBytes)))
	}
	return err
}

func printSkips(out io.Writer, skipped []builder.Skip) {
	for _, s := range skipped {
		name := ecosystem.Shown(s.Ecosystem, s.Project, "==", s.Version)
		if s.Target != "" {
			name += " for " + s.Target
		}
		say(out, slog.LevelInfo, "skipped "+name+": "+s.Reason)
	}
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

// sayChanges says what is new against what was current, and what is lost in a line of its own: a job
// at night should neither drop a target unseen nor stop updating because of it.
func sayChanges(c *cli.Context, r *builder.Report, ranked bool) {
	changes, from := r.Changes, "nothing"
	if changes.From != "" {
		from = fmt.Sprintf("%.12s", changes.From)
	}
	if !jsonWanted(c) && !c.Bool("quiet") {
		text := "none"
		if !changes.None() {
			text = fmt.Sprintf("%s; %s more, %s gone", changes.Text(), sizeText(changes.AddedBytes), sizeText(changes.GoneBytes))
		}
		say(os.Stderr, slog.LevelInfo, "changes against "+from+": "+text)
	}
	if len(changes.Lost) > 0 {
		lost := strings.Join(changes.Lost, "; ")
		if !ranked {
			lost += "; a build of locks alone replaces all that was stocked"
		}
		tellLoss(os.Stderr, "LOST against "+from+": "+lost, undo(r, from, ranked))
	}
}

// undo says how not to lose what a build lost.
func undo(r *builder.Report, from string, ranked bool) string {
	hint := "larder use previous goes back, as does larder use " + from
	switch {
	case r.Disk != nil:
		hint = "nothing is published by a dry run"
	case !r.Current:
		hint = "it is not current yet: containers get it only after larder use " + r.Snapshot[:12]
	}
	if !ranked {
		hint += "; for both, larder build --top N --lock FILE, or locks in [build] of the configuration"
	}
	return hint
}

// printPlan lists what a dry run would stock, the largest first.
func printPlan(out io.Writer, r *builder.Report, noun string) error {
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
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
	fmt.Fprintf(tw, "%s\t%d %ss, %s to fetch\n", humanize.Bytes(uint64(r.Bytes)), r.Wheels, noun, humanize.Bytes(uint64(r.FetchedBytes)))
	if err := tw.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "for %s; %d skipped\n", strings.Join(r.Targets, ", "), len(r.Skipped))
	if b := r.Budget; b != nil {
		printBudget(out, b, ecosystemOf("").Artifact, "")
	}
	for _, name := range slices.Sorted(maps.Keys(r.Budgets)) {
		printBudget(out, r.Budgets[name], ecosystem.Noun(name), " for "+name)
	}
	free := "unknown"
	if r.Disk.Free >= 0 {
		free = sizeText(r.Disk.Free)
	}
	short := ""
	if r.Disk.Free >= 0 && r.Disk.Needed > r.Disk.Free {
		short = ": too little"
	}
	_, err := fmt.Fprintf(out, "about %s more on disk, of %s free%s\n", sizeText(r.Disk.Needed), free, short)
	return err
}

func printBudget(out io.Writer, b *builder.BudgetReport, noun, of string) {
	fmt.Fprintf(out, "about %s on disk of a budget of %s%s; %d %ss looked at are left out, %d of those taken are unpacked\n", sizeText(b.Disk), sizeText(b.Budget), of, b.LeftOut, noun, b.Unpacked)
}

// freeFor is what is free for a store that may not be there yet, in bytes; -1 when nobody knows.
func freeFor(dir string) int64 {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return -1
	}
	for {
		var st unix.Statfs_t
		err := unix.Statfs(abs, &st)
		if err == nil {
			return int64(st.Bavail) * st.Frsize
		}
		if err != unix.ENOENT || abs == "/" {
			return -1
		}
		abs = filepath.Dir(abs)
	}
}
