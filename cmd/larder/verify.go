package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/urfave/cli/v2"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"larder/snapshot"
	"larder/snapshot/check"
)

func verifyCommand() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "check that snapshots and the files they need are what they were",
		ArgsUsage: "[SNAPSHOT]",
		Description: "Without --full it looks at images, names, sizes and modes: a changed byte in a file is not seen.\n" +
			"Exit status 3 means damage; each line names the file, the snapshots, the paths, and what mends it.\n" +
			"What only does not belong into a store is named too, and is no damage.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "full", Usage: "read every file of the pool"},
			&cli.StringFlag{Name: "subset", Usage: "read `PART/PARTS` of them, as 1/7: so many nights read all"},
		},
		Action: runVerify,
	}
}

func runVerify(c *cli.Context) error {
	if err := maxArgs(c, 1); err != nil {
		return err
	}
	opts := check.Options{Full: c.Bool("full") || c.IsSet("subset")}
	if c.IsSet("subset") {
		var err error
		if opts.Subset, err = check.ParseSubset(c.String("subset")); err != nil {
			return usagef("--subset: %v", err).hint(`the part of this weekday: --subset "$(date +%%u)/7"`)
		}
	}
	s, err := openStore(c)
	if err != nil {
		return err
	}
	var ids []snapshot.ID
	if ref := c.Args().First(); ref != "" {
		id, err := s.Resolve(ref)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	done := func() {}
	if opts.Full && !jsonWanted(c) {
		opts.Progress, done = verifyProgress(os.Stderr)
	}
	r, err := check.Run(c.Context, s, ids, opts)
	done()
	if err != nil {
		return err
	}
	if jsonWanted(c) {
		if err := printJSON(c, r); err != nil {
			return err
		}
	} else {
		printVerify(c, r)
	}
	if r.Damaged() {
		return statusError(exitDamage)
	}
	return nil
}

func printVerify(c *cli.Context, r *check.Report) {
	for _, f := range r.Findings {
		fmt.Fprintf(c.App.Writer, "%s\n", printable(f.String()))
	}
	what := "names, sizes and modes of"
	if r.Full && r.Subset == "" {
		what = "every byte of"
	}
	found := "no damage"
	switch n := len(r.Findings); {
	case r.Damaged():
		found = english.Plural(n, "finding", "")
	case n > 0:
		found = "no damage, " + english.Plural(n, "harmless finding", "")
	}
	part := ""
	if r.Subset != "" {
		part = fmt.Sprintf("; every byte of part %s: %s, %s", r.Subset, english.Plural(r.Read, "object", ""), humanize.Bytes(uint64(r.ReadBytes)))
	}
	fmt.Fprintf(c.App.Writer, "%s: checked %s %s and %s, %s%s\n", found, what,
		english.Plural(r.Snapshots, "snapshot", ""), english.Plural(r.Objects, "object", ""), humanize.Bytes(uint64(r.Bytes)), part)
}

// verifyProgress shows how much was read: a bar on a terminal, elsewhere a plain line now and then.
func verifyProgress(out *os.File) (progress func(done, total int64), end func()) {
	if !term.IsTerminal(int(out.Fd())) {
		return verifyLines(out, lineEvery), func() {}
	}
	p := mpb.New(mpb.WithOutput(out), mpb.WithWidth(40))
	bar := p.AddBar(0, mpb.PrependDecorators(decor.Name("verify "), decor.CountersKiloByte("% .1f / % .1f ")),
		mpb.AppendDecorators(decor.Percentage()))
	return func(done, total int64) {
			bar.SetTotal(total, false)
			bar.SetCurrent(done)
		}, func() {
			bar.Abort(false)
			p.Wait()
		}
}

// verifyLines writes a line when the last one, or the beginning, is longer ago than every.
func verifyLines(out io.Writer, every time.Duration) func(done, total int64) {
	last := time.Now()
	return func(done, total int64) {
		if time.Since(last) >= every {
			last = time.Now()
			say(out, slog.LevelInfo, "verify "+humanize.Bytes(uint64(done))+" of "+humanize.Bytes(uint64(total)))
		}
	}
}
