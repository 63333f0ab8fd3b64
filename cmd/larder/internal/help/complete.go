package help

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// What Complete answers where the shell knows better: any file, or a directory.
const (
	AnyFile      = ":file"
	AnyDirectory = ":dir"
)

// Complete returns what may stand in place of the last of words, which are those after the
// program's name. Nothing is run. values names what the program knows for a placeholder, of a
// flag or (flag is "") of an argument: SNAPSHOT, or NAME of --view.
func Complete(app *cli.App, words []string, values func(flag, placeholder string) []string) []Row {
	if len(words) == 0 {
		words = []string{""}
	}
	current := words[len(words)-1]
	at := place{flags: app.Flags, commands: app.Commands}
	for _, word := range words[:len(words)-1] {
		at.pass(word)
	}
	return starting(current, at.candidates(current, values))
}

// place is where on a command line one is.
type place struct {
	flags    []cli.Flag
	commands []*cli.Command // that may come next
	command  *cli.Command
	value    cli.Flag // whose value comes next
	foreign  bool     // what follows is another program's
}

// pass goes beyond one word.
func (p *place) pass(word string) {
	switch {
	case p.foreign:
	case p.value != nil:
		p.value = nil
	case word == "--":
		p.foreign, p.commands = true, nil
	case strings.HasPrefix(word, "-") && len(word) > 1:
		if f := flagNamed(p.flags, word); f != nil && placeholder(f) != "" {
			p.value = f
		}
	case len(p.commands) > 0:
		at := slices.IndexFunc(p.commands, func(c *cli.Command) bool { return c.HasName(word) })
		if at < 0 {
			p.foreign, p.commands = true, nil
			return
		}
		p.command = p.commands[at]
		p.flags, p.commands = p.command.Flags, p.command.Subcommands
	case p.command != nil && strings.HasPrefix(p.command.ArgsUsage, "-- "):
		p.foreign = true
	}
}

// flagNamed returns the flag that a word gives, without a value in the word itself; or nil.
func flagNamed(flags []cli.Flag, word string) cli.Flag {
	name := strings.TrimLeft(word, "-")
	at := slices.IndexFunc(flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
	if at < 0 {
		return nil
	}
	return flags[at]
}

func (p *place) candidates(current string, values func(flag, placeholder string) []string) []Row {
	name, _, hasValue := strings.Cut(current, "=")
	switch {
	case p.foreign:
		return []Row{{Name: AnyFile}}
	case p.value != nil:
		return valuesOf(p.value.Names()[0], placeholder(p.value), "", values)
	case strings.HasPrefix(current, "--") && hasValue:
		if f := flagNamed(p.flags, name); f != nil {
			return valuesOf(f.Names()[0], placeholder(f), name+"=", values)
		}
		return nil
	case strings.HasPrefix(current, "-"):
		return longFlags(p.flags)
	case len(p.commands) > 0:
		var rows []Row
		for _, c := range p.commands {
			if !c.Hidden {
				rows = append(rows, Row{c.Name, c.Usage})
			}
		}
		return rows
	case p.command != nil && strings.HasPrefix(p.command.ArgsUsage, "-- "):
		return []Row{{Name: AnyFile}}
	case p.command != nil:
		return valuesOf("", p.command.ArgsUsage, "", values)
	}
	return nil
}

func longFlags(flags []cli.Flag) (rows []Row) {
	for _, f := range flags {
		for _, name := range f.Names() {
			if len(name) > 1 {
				rows = append(rows, Row{dashed(name), flagRow(f).Text})
			}
		}
	}
	return rows
}

// valuesOf are the values that a placeholder stands for. One of small letters lists them.
func valuesOf(flag, placeholder, prefix string, values func(flag, placeholder string) []string) (rows []Row) {
	var names []string
	switch {
	case placeholder == "":
	case strings.ToLower(placeholder) == placeholder && flag != "":
		names = strings.Split(placeholder, "|")
	default:
		names = values(flag, placeholder)
	}
	for _, n := range names {
		rows = append(rows, Row{Name: prefix + n})
	}
	for _, word := range strings.FieldsFunc(placeholder, func(r rune) bool { return !('A' <= r && r <= 'Z') }) {
		switch {
		case word == "FILE" || word == "LOCK" || word == "PATH" && flag != "": // else one in a snapshot
			return append(rows, Row{Name: AnyFile})
		case word == "DIR":
			rows = append(rows, Row{Name: AnyDirectory})
		}
	}
	return rows
}

// starting keeps what begins as the word does.
func starting(word string, rows []Row) []Row {
	return slices.DeleteFunc(rows, func(r Row) bool {
		return !strings.HasPrefix(r.Name, word) && r.Name != AnyFile && r.Name != AnyDirectory
	})
}
