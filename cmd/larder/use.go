package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"larder/snapshot"
	"larder/snapshot/check"
)

func useCommand() *cli.Command {
	return &cli.Command{
		Name:      "use",
		Usage:     "make a snapshot the current one",
		ArgsUsage: "SNAPSHOT [--hold] | --release",
		Description: "New containers get it; those that run keep what they have. A damaged snapshot is refused.\n" +
			"previous is what was current before. A build replaces the current snapshot unless it is held.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "hold", Usage: "keep it current through later builds, which publish and leave it so"},
			&cli.BoolFlag{Name: "release", Usage: "end the hold: the next build's snapshot is current again"},
			runDirFlag(),
		},
		Action: runUse,
	}
}

func runUse(c *cli.Context) error {
	if c.Bool("release") {
		return runRelease(c)
	}
	if c.NArg() != 1 {
		return usagef("use needs one snapshot").hint("larder ls lists them; larder use previous goes back one")
	}
	s, err := openStore(c)
	if err != nil {
		return err
	}
	id, err := s.Resolve(c.Args().First())
	if err != nil {
		return err
	}
	start, use := time.Now(), s.Use
	if c.Bool("hold") {
		use = s.Hold
	}
	if err = usable(c.Context, s, id); err == nil {
		err = use(id)
	}
	noteCommand(s, "use", id, "", err, start)
	if err != nil {
		return err
	}
	followCurrent(c, s)
	return printUsed(c, s)
}

func runRelease(c *cli.Context) error {
	if c.Bool("hold") || c.Args().Present() {
		return usagef("use --release takes nothing else: it ends the hold on the current snapshot").hint("larder use SNAPSHOT --hold holds another one")
	}
	s, err := openStore(c)
	if err != nil {
		return err
	}
	start := time.Now()
	id, err := s.Release()
	noteCommand(s, "use", id, "", err, start)
	if err != nil {
		return err
	}
	return printUsed(c, s)
}

// printUsed prints what is current by now.
func printUsed(c *cli.Context, s *snapshot.Store) error {
	id, err := s.Current()
	if err != nil {
		return err
	}
	held, err := s.Held()
	if err != nil {
		return err
	}
	if jsonWanted(c) {
		return printJSON(c, struct {
			Current snapshot.ID `json:"current"`
			Held    bool        `json:"held"`
		}{id, held == id})
	}
	_, err = fmt.Fprintf(c.App.Writer, "%s\n", id)
	return err
}

// usable looks at a snapshot as verify does without --full: at its image, and at the
// names, sizes and modes of its files. What is marked bad is not.
func usable(ctx context.Context, s *snapshot.Store, id snapshot.ID) error {
	if _, _, err := s.Usable(id.String()); err != nil {
		return err
	}
	r, err := check.Run(ctx, s, []snapshot.ID{id}, check.Options{})
	if err != nil {
		return err
	}
	damage := slices.DeleteFunc(r.Findings, func(f check.Finding) bool { return f.Harmless })
	if len(damage) == 0 {
		return nil
	}
	more := ""
	if n := len(damage) - 1; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return &adviceError{
		fmt.Errorf("snapshot %s is not used: %w: %s%s", id.Short(), snapshot.ErrDamaged, damage[0], more),
		"larder verify " + id.Short() + " says all; larder build makes again what it still wants",
	}
}
