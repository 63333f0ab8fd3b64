package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"larder/builder"
	"larder/cmd/larder/internal/help"
)

func completionCommand() *cli.Command {
	var shells []*cli.Command
	for _, s := range help.Shells {
		shells = append(shells, &cli.Command{
			Name:  s.Name,
			Usage: "teach " + s.Name + " to complete commands, flags and snapshots",
			Action: func(c *cli.Context) error {
				if err := maxArgs(c, 0); err != nil {
					return err
				}
				_, err := fmt.Fprint(c.App.Writer, s.Script)
				return err
			},
		})
	}
	return &cli.Command{
		Name:  "completion",
		Usage: "print what teaches a shell to complete the command line",
		Description: "For this shell: source <(larder completion bash). For good, as root:\n\n" +
			"    larder completion bash > /usr/share/bash-completion/completions/larder\n" +
			"    larder completion zsh > /usr/share/zsh/vendor-completions/_larder\n" +
			"    larder completion fish > /usr/share/fish/vendor_completions.d/larder.fish",
		Subcommands: shells,
	}
}

// completeCommand is what the shells ask.
func completeCommand() *cli.Command {
	return &cli.Command{
		Name:   "__complete",
		Hidden: true,
		Action: func(c *cli.Context) error {
			values := func(flag, placeholder string) []string { return knownValues(c, flag, placeholder) }
			for _, row := range help.Complete(c.App, c.Args().Slice(), values) {
				fmt.Fprintf(c.App.Writer, "%s\t%s\n", row.Name, row.Text)
			}
			return nil
		},
	}
}

// knownValues are the commands, views and snapshots. A store that cannot be read has none: nobody can
// be told in the midst of typing.
func knownValues(c *cli.Context, flag, placeholder string) []string {
	switch {
	case flag == "" && placeholder == "[COMMAND...]":
		var names []string
		for _, cmd := range c.App.VisibleCommands() {
			names = append(names, cmd.Name)
		}
		return names
	case flag == "view":
		return builder.ViewNames()
	case flag == "snapshot" || flag == "" && strings.Contains(placeholder, "SNAPSHOT"):
		names := []string{"current", "previous"}
		if s, err := openStore(c); err == nil {
			list, _ := s.List()
			for _, p := range list {
				names = append(names, p.ID.Short())
			}
		}
		return names
	}
	return nil
}
