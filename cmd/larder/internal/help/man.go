package help

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// Section is a part of a manual page that no command has.
type Section struct {
	Title string
	Rows  []Row
	Text  string
}

// Man returns the manual page of the whole program, in section 1.
func Man(app *cli.App, more ...Section) string {
	var r roff
	p := appPage(app)
	r.title(app.Name, 1, app.Version)
	r.heading("Name")
	r.WriteString(line(app.Name) + ` \- ` + line(app.Usage) + "\n")
	r.heading("Synopsis")
	r.WriteString(".B " + escape(p.synopsis) + "\n")
	if p.description != "" {
		r.heading("Description")
		r.text(p.description)
	}
	r.heading("Options")
	r.text("Of every command, before or after its name:")
	for _, row := range p.flags {
		r.row(row)
	}
	for _, g := range groups(app.Commands) {
		r.heading(g.name)
		for _, c := range app.Commands {
			if c.Category == g.name && !c.Hidden {
				r.command(app, c)
			}
		}
	}
	for _, s := range more {
		r.section(s)
	}
	return r.String()
}

// command writes what a command's help page says, but for the options that all have.
func (r *roff) command(app *cli.App, c *cli.Command) {
	for _, sub := range c.Subcommands {
		r.command(app, sub)
	}
	if len(c.Subcommands) > 0 {
		return
	}
	p := commandPage(c)
	r.subheading(p.synopsis)
	r.text(strings.ToUpper(c.Usage[:1]) + c.Usage[1:] + ".")
	if c.Description != "" {
		r.text(c.Description)
	}
	for _, f := range c.VisibleFlags() {
		if !slices.ContainsFunc(app.Flags, func(g cli.Flag) bool { return g.Names()[0] == f.Names()[0] }) {
			r.row(flagRow(f))
		}
	}
}

func (r *roff) section(s Section) {
	r.heading(s.Title)
	if s.Text != "" {
		r.text(s.Text)
	}
	for _, row := range s.Rows {
		r.row(row)
	}
}

// ManOfDoc returns the manual page that a package's comment makes. short is the line below
// NAME.
func ManOfDoc(name string, section int, version, short, doc string, more ...Section) string {
	var r roff
	r.title(name, section, version)
	r.heading("Name")
	r.WriteString(line(name) + ` \- ` + line(short) + "\n")
	r.heading("Description")
	r.doc(doc)
	for _, s := range more {
		r.section(s)
	}
	return r.String()
}
