package main

import (
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"larder/cmd/internal/config"
	"larder/cmd/larder/internal/help"
)

func init() {
	cli.HelpPrinter = help.Print
	cli.HelpFlag = &cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "print this page"}
	cli.VersionFlag = &cli.BoolFlag{Name: "version", Usage: "print the version"}
	// What could not be written is remembered by the program's standard output.
	cli.VersionPrinter = func(c *cli.Context) { _ = printVersion(c) }
}

func helpCommand() *cli.Command {
	return &cli.Command{
		Name:      "help",
		Usage:     "print the page of a command",
		ArgsUsage: "[COMMAND...]",
		Action: func(c *cli.Context) error {
			if !c.Args().Present() {
				return cli.ShowAppHelp(c)
			}
			page, err := commandAt(c.App, c.Args().Slice())
			if err != nil {
				return err
			}
			help.Print(c.App.Writer, "", page)
			return nil
		},
	}
}

// commandAt finds a command by its name and those of the commands it belongs to.
func commandAt(app *cli.App, names []string) (found *cli.Command, err error) {
	parent, among := app.Name, app.Commands
	for _, name := range names {
		at := slices.IndexFunc(among, func(c *cli.Command) bool { return c.HasName(name) })
		if at < 0 {
			return nil, noCommand(parent, among, name)
		}
		found = among[at]
		parent, among = found.HelpName, found.Subcommands
	}
	return found, nil
}

// noCommand refuses a name that no command has, and names the one that may be meant.
func noCommand(parent string, commands []*cli.Command, name string) error {
	var names []string
	for _, c := range commands {
		if !c.Hidden {
			names = append(names, c.Names()...)
		}
	}
	err := usagef("no command %q", strings.TrimPrefix(parent+" "+name, "larder "))
	if meant := config.Nearest(name, names); meant != "" {
		return err.hint("did you mean %s %s? %s --help lists the commands", parent, meant, parent)
	}
	return err.hint("%s --help lists the commands", parent)
}

// undefined is how package flag names a flag that there is not.
var undefined = regexp.MustCompile(`^flag provided but not defined: -(.*)$`)

// onUsageError says what is wrong with a command line that could not be read.
func onUsageError(c *cli.Context, err error, _ bool) error {
	name, flags := "larder", c.App.Flags
	if c.Command != nil && c.Command.HelpName != "" {
		name, flags = c.Command.HelpName, c.Command.Flags
	}
	list := name + " --help lists what it takes"
	m := undefined.FindStringSubmatch(err.Error())
	if m == nil {
		return usagef("%s", strings.TrimSuffix(lowerFirst(err.Error()), ".")).hint("%s", list)
	}
	var names []string
	for _, f := range flags {
		names = append(names, f.Names()...)
	}
	refused := usagef("%s has no flag %q", name, dashed(m[1]))
	if meant := config.Nearest(m[1], names); meant != "" {
		return refused.hint("did you mean %s? %s", dashed(meant), list)
	}
	return refused.hint("%s", list)
}

func dashed(flag string) string {
	if len(flag) == 1 {
		return "-" + flag
	}
	return "--" + flag
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
