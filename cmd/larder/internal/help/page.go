package help

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

// Width is how many columns a page takes: the terminals of old, and half of a wide one.
const Width = 80

// Row is a line of a table: a name, and what it means.
type Row struct{ Name, Text string }

// page is what a help page shows, of the program or of one command.
type page struct {
	name, usage, synopsis, description string
	groups                             []group // of commands
	flags                              []Row
}

type group struct {
	name string
	rows []Row
}

// Print writes the page of data, a *cli.App or a *cli.Command. The library calls it as its
// help printer.
func Print(w io.Writer, _ string, data any) {
	switch v := data.(type) {
	case *cli.App:
		appPage(v).write(w)
	case *cli.Command:
		commandPage(v).write(w)
	}
}

func appPage(app *cli.App) page {
	return page{
		name: app.Name, usage: app.Usage,
		synopsis:    app.Name + " [options] COMMAND [options] [ARGUMENT...]",
		description: app.Description,
		groups:      groups(app.Commands),
		flags:       flagRows(app.VisibleFlags()),
	}
}

func commandPage(c *cli.Command) page {
	p := page{
		name: c.HelpName, usage: c.Usage, description: c.Description,
		synopsis: strings.TrimSpace(c.HelpName + " [options] " + strings.TrimSpace(c.ArgsUsage)),
		flags:    flagRows(c.VisibleFlags()),
	}
	if len(c.Subcommands) > 0 {
		p.synopsis = c.HelpName + " COMMAND [options]"
		p.groups = []group{{rows: commandRows("", c.Subcommands)}}
	}
	return p
}

// groups are the visible commands by category, in the order in which they are registered.
func groups(commands []*cli.Command) (all []group) {
	for _, c := range commands {
		if c.Hidden {
			continue
		}
		at := slices.IndexFunc(all, func(g group) bool { return g.name == c.Category })
		if at < 0 {
			all, at = append(all, group{name: c.Category}), len(all)
		}
		all[at].rows = append(all[at].rows, commandRows("", []*cli.Command{c})...)
	}
	return all
}

// commandRows names each command that does something: of one with subcommands, those.
func commandRows(prefix string, commands []*cli.Command) (rows []Row) {
	for _, c := range commands {
		switch {
		case c.Hidden:
		case len(c.Subcommands) > 0:
			rows = append(rows, commandRows(prefix+c.Name+" ", c.Subcommands)...)
		default:
			rows = append(rows, Row{prefix + c.Name, c.Usage})
		}
	}
	return rows
}

func flagRows(flags []cli.Flag) (rows []Row) {
	for _, f := range flags {
		rows = append(rows, flagRow(f))
	}
	return rows
}

// quoted is the placeholder of a flag's value in its usage.
var quoted = regexp.MustCompile("`([^`]*)`")

// flagRow is a flag as it is typed, and what it does.
func flagRow(f cli.Flag) Row {
	doc, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return Row{Name: dashed(f.Names()[0])}
	}
	var names []string
	for _, n := range f.Names() {
		names = append(names, dashed(n))
	}
	name, value := strings.Join(names, ", "), placeholder(f)
	if value != "" {
		name += " " + value
	}
	text := quoted.ReplaceAllString(doc.GetUsage(), "$1")
	given := doc.GetValue()
	if !strings.Contains(text, "(default: ") && given != "" && given != "0" && given != "false" {
		text += " (default: " + given + ")"
	}
	return Row{name, text}
}

// placeholder stands for a flag's value; "" when it takes none.
func placeholder(f cli.Flag) string {
	doc, ok := f.(cli.DocGenerationFlag)
	if !ok || !doc.TakesValue() {
		return ""
	}
	if m := quoted.FindStringSubmatch(doc.GetUsage()); m != nil {
		return m[1]
	}
	return "VALUE"
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

func (p page) write(w io.Writer) {
	fmt.Fprintf(w, "NAME:\n%s\nUSAGE:\n%s", wrap(p.name+" - "+p.usage, 3, 6), wrap(p.synopsis, 3, 6))
	if p.description != "" {
		fmt.Fprintf(w, "\nDESCRIPTION:\n%s", paragraphs(p.description))
	}
	if len(p.groups) > 0 {
		fmt.Fprint(w, "\nCOMMANDS:\n")
	}
	for i, g := range p.groups {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if g.name != "" {
			fmt.Fprintf(w, "   %s:\n", g.name)
		}
		io.WriteString(w, table(g.rows, widest(p.groups)))
	}
	if len(p.flags) > 0 {
		fmt.Fprintf(w, "\nOPTIONS:\n%s", table(p.flags, min(26, widest([]group{{rows: p.flags}}))))
	}
}

// widest is how many columns the names of all groups take.
func widest(groups []group) (columns int) {
	for _, g := range groups {
		for _, r := range g.rows {
			columns = max(columns, utf8.RuneCountInString(r.Name))
		}
	}
	return columns
}

// table lays rows out in two columns, the first as wide as said: a longer name has a line of
// its own.
func table(rows []Row, first int) string {
	var b strings.Builder
	for _, r := range rows {
		body := wrap(r.Text, 3+first+2, 3+first+2)
		if n := utf8.RuneCountInString(r.Name); n <= first && body != "" {
			body = "   " + r.Name + strings.Repeat(" ", first-n) + strings.TrimPrefix(body, strings.Repeat(" ", 3+first))
		} else {
			b.WriteString("   " + r.Name + "\n")
		}
		b.WriteString(body)
	}
	return b.String()
}

// paragraphs wraps text: an empty line ends a paragraph, an indented one stays as it is.
func paragraphs(text string) string {
	var b strings.Builder
	var paragraph []string
	flush := func() {
		if len(paragraph) > 0 {
			b.WriteString(wrap(strings.Join(paragraph, " "), 3, 3))
		}
		paragraph = nil
	}
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case strings.TrimSpace(line) == "":
			flush()
			b.WriteString("\n")
		case strings.HasPrefix(line, " "):
			flush()
			b.WriteString("   " + line + "\n")
		default:
			paragraph = append(paragraph, line)
		}
	}
	flush()
	return b.String()
}

// wrap breaks text at spaces into lines that fit the page, the first indented by first
// columns and the others by rest. A word that fits no line has one of its own.
func wrap(text string, first, rest int) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case column == 0:
			b.WriteString(strings.Repeat(" ", first))
			column = first
		case column+1+n > Width:
			b.WriteString("\n" + strings.Repeat(" ", rest))
			column = rest
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	if column > 0 {
		b.WriteByte('\n')
	}
	return b.String()
}
