package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"larder/overlay/users"
	"larder/popularity/misses"
	"larder/popularity/usage"
	"larder/snapshot"
)

func psCommand() *cli.Command {
	return &cli.Command{
		Name:  "ps",
		Usage: "list what uses snapshots: containers, commands, kept instances",
		Description: "UPPER is what has been written, on disk; with a + there is more, which was not looked at in\n" +
			"time. USED and GOT are artifacts from the snapshot and downloaded ones, as far as what was\n" +
			"written so far tells; a container's own files are looked at when it ends. What is dead,\n" +
			"larder gc takes.",
		Action: runPs,
	}
}

// psRow is a user, and what it did so far.
type psRow struct {
	users.User
	Used       int64 `json:"used"`
	Downloaded int64 `json:"downloaded"`
}

// psTime bounds what is read of one user for the last two columns.
const psTime = 200 * time.Millisecond

func runPs(c *cli.Context) error {
	if err := maxArgs(c, 0); err != nil {
		return err
	}
	s, err := openStore(c)
	if err != nil {
		return err
	}
	rows, err := psRows(c.Context, s)
	if err != nil {
		return err
	}
	if jsonWanted(c) {
		return printJSON(c, struct {
			Users []psRow `json:"users"`
		}{rows})
	}
	return printPs(c, rows)
}

// psRows are the users of a store, the oldest first.
func psRows(ctx context.Context, s *snapshot.Store) ([]psRow, error) {
	all, err := users.List(ctx, s, users.Limits{})
	if err != nil {
		return nil, err
	}
	rows := make([]psRow, len(all))
	stock := stocks(s)
	for i, u := range all {
		rows[i].User = u
		rows[i].Used, rows[i].Downloaded = soFar(ctx, u, stock)
	}
	slices.SortStableFunc(rows, func(a, b psRow) int { return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.Name, b.Name)) })
	return rows, nil
}

// soFar counts what a user did as it will be counted when it has ended.
func soFar(ctx context.Context, u users.User, stock usage.Stocks) (used, downloaded int64) {
	note, err := snapshot.ReadAttached(u.Instance)
	if err != nil {
		return 0, 0
	}
	found, _, _ := misses.ReadInstance(ctx, u.Instance, misses.Limits{Time: psTime})
	count, _ := stock(note.Snapshot).Count(usage.Of(note, found, nil, time.Now()))
	all := count.All()
	return all.Used, all.Downloaded
}

func printPs(c *cli.Context, rows []psRow) error {
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "NAME\tKIND\tSTATE\tPID\tSNAPSHOT\tPROFILE\tAGE\tUPPER\tUSED\tGOT\tMOUNTS\n")
	for _, r := range rows {
		points := make([]string, len(r.Mounts))
		for i, m := range r.Mounts {
			points[i] = m.Path
		}
		pid, more := "-", ""
		if r.PID != 0 {
			pid = strconv.Itoa(r.PID)
		}
		if !r.UpperWhole {
			more = "+"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s%s\t%d\t%d\t%s\n", shortName(r.Name), cmp.Or(r.Kind, "-"), r.State, pid, cmp.Or(fmt.Sprintf("%.12s", r.Snapshot), "-"),
			printable(cmp.Or(r.Profile, "-")), age(r.Since), humanize.Bytes(uint64(r.UpperBytes)), more, r.Used, r.Downloaded, printable(cmp.Or(strings.Join(points, " "), "-")))
	}
	return w.Flush()
}

// shortName is a container's id as its engine abbreviates it: 12 digits of 64.
func shortName(name string) string {
	if len(name) == 64 && strings.Trim(name, "0123456789abcdef") == "" {
		name = name[:12]
	}
	return printable(name)
}

// age is how long ago a time was, in the largest unit that says enough.
func age(t time.Time) string {
	d := time.Since(t)
	switch {
	case t.IsZero():
		return "-"
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	case d >= 2*time.Minute:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	}
	return fmt.Sprintf("%ds", max(0, int(d.Seconds())))
}
