package main

import (
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"
)

func setupListCommand() *cli.Command {
	return &cli.Command{
		Name:  "list",
		Usage: "list the definitions that have an engine run the hook, and what is wrong with them",
		Flags: []cli.Flag{&cli.StringFlag{Name: "root", Value: "/", Usage: "of the host whose they are is `DIR`", Hidden: true}},
		Action: func(c *cli.Context) error {
			if err := maxArgs(c, 0); err != nil {
				return err
			}
			return printDefinitions(c, definitions(c.String("root"), slices.Concat(hooksDirs, cdiDirs)))
		},
	}
}

// definitionRow is a definition, and why it does nothing.
type definitionRow struct {
	File    string `json:"file"`
	Program string `json:"program"`
	Problem string `json:"problem,omitempty"`
}

func printDefinitions(c *cli.Context, found []hookFile) error {
	rows := make([]definitionRow, len(found))
	for i, d := range found {
		rows[i] = definitionRow{File: d.file, Program: d.program}
		if _, err := checkHook(c, d.program); err != nil {
			rows[i].Problem = err.Error()
		}
	}
	if jsonWanted(c) {
		return printJSON(c, struct {
			Definitions []definitionRow `json:"definitions"`
		}{rows})
	}
	for _, r := range rows {
		fmt.Fprintf(c.App.Writer, "%s: %s\n", printable(r.File), printable(r.Program))
		if r.Problem != "" {
			fmt.Fprintf(c.App.Writer, "  problem: %s\n", printable(r.Problem))
		}
	}
	return nil
}
