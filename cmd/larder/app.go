package main

import (
	"encoding/json"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"larder/cmd/internal/config"
	"larder/cmd/larder/internal/help"
	"larder/snapshot"
)

// builtWith are the commands that a build tag adds.
var builtWith []func() *cli.Command

// newApp returns the command line: the global flags and the list of commands.
func newApp() *cli.App {
	app := &cli.App{
		Name:                   "larder",
		Usage:                  "stock a host with Python packages, share them copy-on-write",
		Description:            exitCodesText(),
		Version:                version,
		HideHelpCommand:        true,
		UseShortOptionHandling: true,
		// A comma in a path or a URL is part of it.
		DisableSliceFlagSeparator: true,
		// Errors and exit codes are decided in exit.go alone.
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   onUsageError,
		Writer:         os.Stdout,
		ErrWriter:      io.Discard,
		Flags:          append(globalFlags(), cli.HelpFlag),
		Commands: slices.Concat(
			group("Stock",
				rankCommand(),
				buildCommand(),
				useCommand(),
			),
			group("Attach",
				runCommand(),
				mountCommand(),
				unmountCommand(),
			),
			group("See",
				lsCommand(),
				showCommand(),
				catCommand(),
				diffCommand(),
				duCommand(),
				checkCommand(),
				psCommand(),
				statsCommand(),
				historyCommand(),
				reportCommand(),
			),
			group("Keep",
				verifyCommand(),
				repairCommand(),
				rebuildCommand(),
				revokeCommand(),
				gcCommand(),
				doctorCommand(),
			),
			group("Set up",
				setupCommand(),
				configCommand(),
				completionCommand(),
				completeCommand(),
				versionCommand(),
				helpCommand(),
			),
		),
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return noCommand("larder", c.App.Commands, c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
	}
	for _, command := range builtWith {
		app.Commands = append(app.Commands, command())
	}
	app.Setup() // now: it would put its own names over those of prepare
	for _, cmd := range app.Commands {
		prepare(app.Name, cmd)
	}
	return app
}

// group puts commands below one heading of the help.
func group(name string, commands ...*cli.Command) []*cli.Command {
	for _, cmd := range commands {
		cmd.Category = name
	}
	return commands
}

// prepare gives a command what all of them have, and so its subcommands.
func prepare(parent string, cmd *cli.Command) {
	cmd.HelpName = parent + " " + cmd.Name
	cmd.HideHelpCommand = true
	cmd.Flags = append(cmd.Flags, globalFlags()...)
	if cmd.OnUsageError == nil {
		cmd.OnUsageError = onUsageError
	}
	for _, sub := range cmd.Subcommands {
		prepare(cmd.HelpName, sub)
	}
	if len(cmd.Subcommands) > 0 {
		cmd.Action = func(c *cli.Context) error {
			if c.Args().Present() {
				return noCommand(cmd.HelpName, cmd.Subcommands, c.Args().First())
			}
			help.Print(c.App.Writer, "", cmd)
			return nil
		}
		return
	}
	action := cmd.Action
	cmd.Action = func(c *cli.Context) error {
		if journal != nil {
			journal = journal.With("command", strings.TrimPrefix(cmd.HelpName, "larder "))
		}
		// run has exit codes of its own, and looks for itself.
		if err := refuseEmpty(c); err != nil && c.Command.Name != "run" {
			return err
		}
		return action(c)
	}
}

// refuseEmpty refuses a flag whose value is empty: somebody's variable was not set, and
// what the flag stands for then (the default store, root) is not what was meant.
func refuseEmpty(c *cli.Context) error {
	for _, l := range c.Lineage() {
		if l == nil || l.Command == nil {
			continue
		}
		for _, f := range l.Command.Flags {
			if f, ok := f.(*cli.StringFlag); ok && l.IsSet(f.Name) && l.String(f.Name) == "" {
				return usagef("--%s is empty", f.Name).hint("give it a value, or leave it out")
			}
		}
	}
	return nil
}

// globalFlags are accepted before and after the command's name.
func globalFlags() []cli.Flag {
	return []cli.Flag{
		// LARDER_STORE is read in settings.go: as a flag's default it would, after
		// the command's name, beat a flag given before it.
		&cli.StringFlag{Name: "store", Usage: "the store's `DIR` (default: $LARDER_STORE, else " + config.DefaultStore + ")"},
		&cli.StringFlag{Name: "config", Usage: "configuration `FILE` (default: /etc/larder/config.toml if it is there)"},
		&cli.BoolFlag{Name: "json", Usage: "print JSON on standard output"},
	}
}

// jsonWanted says whether --json was given, before or after the command's name.
func jsonWanted(c *cli.Context) bool {
	from := given(c, "json")
	return from != nil && from.Bool("json")
}

// openStore opens the store that the command works on.
func openStore(c *cli.Context) (*snapshot.Store, error) {
	dir, err := storeDir(c)
	if err != nil {
		return nil, err
	}
	return snapshot.Open(dir)
}

// printJSON writes v to standard output as one indented JSON document.
func printJSON(c *cli.Context, v any) error {
	enc := json.NewEncoder(c.App.Writer)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// hoistFlags moves flags given after a command's arguments in front of them
// ("larder show numpy --json"): the flag parser stops at the first argument.
// What follows "--", and all that follows run's command, stays as it is.
func hoistFlags(app *cli.App, args []string) []string {
	at := 1
	for at < len(args) && app.Command(args[at]) == nil {
		if name := strings.TrimLeft(args[at], "-"); name == "store" || name == "config" {
			at++ // its value may be called as a command is
		}
		at++
	}
	if at >= len(args) || args[at] == "run" {
		return args
	}
	command := app.Command(args[at])
	for len(command.Subcommands) > 0 {
		next := -1
		if at++; at < len(args) {
			next = slices.IndexFunc(command.Subcommands, func(c *cli.Command) bool { return c.HasName(args[at]) })
		}
		if next < 0 {
			return args
		}
		command = command.Subcommands[next]
	}
	takesValue := map[string]bool{}
	for _, f := range command.Flags {
		_, isBool := f.(*cli.BoolFlag)
		for _, name := range f.Names() {
			takesValue[name] = !isBool
		}
	}
	var flags, rest []string
	for i := at + 1; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			rest = append(rest, args[i:]...)
			break
		}
		if len(a) < 2 || a[0] != '-' {
			rest = append(rest, a)
			continue
		}
		flags = append(flags, a)
		if takesValue[strings.TrimLeft(a, "-")] && i+1 < len(args) {
			i++
			flags = append(flags, args[i])
		}
	}
	return slices.Concat(args[:at+1], flags, rest)
}
