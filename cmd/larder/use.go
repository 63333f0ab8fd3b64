package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"larder/snapshot"
)

func useCommand() *cli.Command {
	return &cli.Command{
		Name:        "use",
		Usage:       "make a snapshot the current one",
		ArgsUsage:   "SNAPSHOT",
		Description: "New containers get it; those that run keep what they have.",
		Action:      runUse,
	}
}

func runUse(c *cli.Context) error {
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
	if err := s.Use(id); err != nil {
		return err
	}
	if jsonWanted(c) {
		return printJSON(c, struct {
			Current snapshot.ID `json:"current"`
		}{id})
	}
	_, err = fmt.Fprintf(c.App.Writer, "%s\n", id)
	return err
}
