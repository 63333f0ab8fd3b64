package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"larder/overlay/probe"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "try what this host can do, and say how to fix what it can't",
		Description: "Every mount that an attach needs is made, in a scratch directory beside the store, and\n" +
			"removed again. Exit status 9 when something lacks that nothing works without.",
		Action: runDoctor,
	}
}

func runDoctor(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("doctor takes no argument %q", c.Args().First())
	}
	dir, err := storeDir(c)
	if err != nil {
		return err
	}
	checks, err := probe.Host(c.Context, dir)
	if err != nil {
		return err
	}
	checks = append(checks, probe.Program("python3", "install Python 3 with pip: larder build asks it for the index and the target"))
	lacking := 0
	for _, check := range checks {
		if check.Needed && !check.OK {
			lacking++
		}
	}
	if jsonWanted(c) {
		err = printJSON(c, struct {
			OK     bool          `json:"ok"`
			Store  string        `json:"store"`
			Checks []probe.Check `json:"checks"`
		}{lacking == 0, dir, checks})
		if err != nil {
			return err
		}
	} else {
		for _, check := range checks {
			printCheck(c, check)
		}
	}
	if lacking > 0 {
		return statusError(exitUnsupported)
	}
	return nil
}

func printCheck(c *cli.Context, check probe.Check) {
	word := "ok"
	switch {
	case !check.OK && check.Needed:
		word = "NO"
	case !check.OK:
		word = "no"
	}
	line := fmt.Sprintf("%-3s %s", word, check.Name)
	if check.Detail != "" {
		line += ": " + check.Detail
	}
	fmt.Fprintln(c.App.Writer, printable(line))
	if !check.OK && check.Fix != "" {
		fmt.Fprintf(c.App.Writer, "    fix: %s\n", printable(check.Fix))
	}
}
