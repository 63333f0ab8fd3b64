package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"larder/builder"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

func historyCommand() *cli.Command {
	return &cli.Command{
		Name:  "history",
		Usage: "say how builds went, what failed and why",
		Description: "The newest comes first: builds, and what else changed what is stocked or current.\n" +
			"A build that ended with 8 was published, and names the first projects it had to skip.",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "last", Value: 20, Usage: "the newest `N` only; 0 is all there are"},
		},
		Action: runHistory,
	}
}

func runHistory(c *cli.Context) error {
	if err := maxArgs(c, 0); err != nil {
		return err
	}
	last := c.Int("last")
	if last < 0 {
		return usagef("--last %d: not a number of lines", last).hint("give 1 or more, or 0 for all there are")
	}
	s, err := openStore(c)
	if err != nil {
		return err
	}
	runs, err := builder.History(s)
	if err != nil {
		return err
	}
	if last > 0 && len(runs) > last {
		runs = runs[:last]
	}
	if jsonWanted(c) {
		return printJSON(c, struct {
			Runs []builder.Run `json:"runs"`
		}{runs})
	}
	by, all, err := nounsOf(s)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "WHEN\tCOMMAND\tRESULT\tTOOK\tSNAPSHOT\tWHAT\n")
	for _, r := range runs {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.12s\t%s\n", r.Time.Local().Format(time.DateTime), r.Command, resultOf(r),
			time.Duration(r.Seconds*float64(time.Second)).Round(100*time.Millisecond), cmp.Or(r.Snapshot, "-"), printable(whatOf(r, cmp.Or(by[r.Snapshot], all))))
	}
	return w.Flush()
}

// resultOf is how a run ended.
func resultOf(r builder.Run) string {
	switch r.Exit {
	case exitOK, exitSkips:
		return "ok"
	}
	return fmt.Sprintf("failed (%d)", r.Exit)
}

// whatOf is what a run did, or why it did not; noun is what an artifact of it is called.
func whatOf(r builder.Run, noun string) string {
	switch {
	case r.Error != "":
		return r.Error
	case r.Detail != "" || r.Wheels == 0:
		return r.Detail
	}
	what := fmt.Sprintf("%d %ss, %s fetched", r.Wheels, noun, humanize.Bytes(uint64(r.Fetched)))
	if !r.Published {
		what += ", nothing new"
	}
	if r.Skipped == 0 {
		return what
	}
	skips := make([]string, 0, len(r.Skips))
	for _, s := range r.Skips {
		skips = append(skips, ecosystem.Shown(s.Ecosystem, s.Project, "", "")+": "+s.Reason)
	}
	return fmt.Sprintf("%s, %d skipped (%s)", what, r.Skipped, strings.Join(skips, "; "))
}

// noteCommand notes in the history what a command other than build did to the store, or why not.
func noteCommand(s *snapshot.Store, command string, id snapshot.ID, detail string, err error, start time.Time) {
	run := builder.RunOf(nil, start, exitCode(err), failureOf(err))
	run.Command, run.Detail = command, detail
	if !id.IsZero() {
		run.Snapshot = id.String()
	}
	noteRun(s, run)
}

// noteRun tells the journal and appends to the history. What goes wrong with it is a warning: what was
// done is done.
func noteRun(s *snapshot.Store, run builder.Run) {
	logRun(run)
	if err := builder.AppendHistory(s, run); err != nil {
		warnf("%v", err)
	}
}

// failureOf is what the history says of an error; a status says nothing but itself.
func failureOf(err error) string {
	if err == nil || errors.As(err, new(statusError)) {
		return ""
	}
	return printable(err.Error())
}
