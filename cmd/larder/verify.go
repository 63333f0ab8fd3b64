package main

import (
	"fmt"
	"os"

	"github.com/dustin/go-humanize"
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
		Flags:  []cli.Flag{&cli.BoolFlag{Name: "full", Usage: "read every file of the pool"}},
		Action: runVerify,
	}
}

func runVerify(c *cli.Context) error {
	if err := maxArgs(c, 1); err != nil {
		return err
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
	opts := check.Options{Full: c.Bool("full")}
	done := func() {}
	if opts.Full && !jsonWanted(c) && term.IsTerminal(int(os.Stderr.Fd())) {
		opts.Progress, done = verifyBar()
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
	if r.Full {
		what = "every byte of"
	}
	found := "no damage"
	switch n := len(r.Findings); {
	case r.Damaged():
		found = fmt.Sprintf("%d findings", n)
	case n > 0:
		found = fmt.Sprintf("no damage, %d harmless findings", n)
	}
	fmt.Fprintf(c.App.Writer, "%s: checked %s %d snapshots and %d objects, %s\n", found, what, r.Snapshots, r.Objects, humanize.Bytes(uint64(r.Bytes)))
}

// verifyBar shows how much was read.
func verifyBar() (progress func(done, total int64), end func()) {
	p := mpb.New(mpb.WithOutput(os.Stderr), mpb.WithWidth(40))
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
