package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"larder/builder"
	"larder/cmd/internal/config"
	"larder/popularity"
	"larder/snapshot/ecosystem"
)

// explanation is what --explain prints.
type explanation struct {
	Ecosystem string               `json:"ecosystem"`
	Project   string               `json:"project"`
	Rank      int                  `json:"rank"` // 0: not ranked
	Of        int                  `json:"of"`
	Top       int                  `json:"top"` // a build looks at so many
	Places    []popularity.Place   `json:"places"`
	Versions  []popularity.Version `json:"versions"`
	Stocked   []stockedWheel       `json:"stocked"` // in the current snapshot

	Included *popularity.Rule `json:"included"` // what of the configuration always stocks it
	Excluded *popularity.Rule `json:"excluded"` // what of it never does, but for a lock
	Pins     []string         `json:"pins"`     // the versions it is pinned to
	Denied   []string         `json:"denied"`   // by larder revoke, as it takes them

	Budget  int64            `json:"budget"`            // 0: none
	Planned *time.Time       `json:"planned,omitempty"` // when the options were looked at
	Options []builder.Option `json:"options"`           // of the project
	Cut     *builder.Option  `json:"cut,omitempty"`     // the first artifact the budget does not take

	table string // of the configuration
}

type stockedWheel struct {
	Filename string `json:"filename"`
	Bytes    int64  `json:"bytes"`
}

// explain says where a project is ranked, by whom, what the current snapshot has of
// it, and what a budget makes of it.
func explain(c *cli.Context, cfg config.Config, of ecosystem.Ecosystem, r popularity.Ranking, project string) error {
	e, err := explanationOf(c, cfg, of, r, project)
	if err != nil {
		return err
	}
	if jsonWanted(c) {
		return printJSON(c, e)
	}
	var b strings.Builder
	fmt.Fprintln(&b, e.verdict())
	for _, name := range e.Denied {
		fmt.Fprintf(&b, "  denied: %s, by larder revoke, for rankings and locks alike; larder revoke --list says why\n", printable(name))
	}
	if len(e.Pins) > 0 {
		fmt.Fprintf(&b, "  pinned to %s\n", printable(strings.Join(e.Pins, ", ")))
	}
	for _, p := range e.Places {
		fmt.Fprintf(&b, "  rank %d in %s\n", p.Rank, printable(p.Source))
	}
	for _, v := range e.Versions {
		fmt.Fprintf(&b, "  version %s%s\n", v.Version, forPython(v.Python))
	}
	for _, w := range e.Stocked {
		fmt.Fprintf(&b, "  stocked: %s, %d bytes\n", w.Filename, w.Bytes)
	}
	if len(e.Stocked) == 0 {
		fmt.Fprintln(&b, "  not stocked")
	}
	e.budget(&b)
	_, err = fmt.Fprint(c.App.Writer, b.String())
	return err
}

// verdict says in a line whether a build stocks the project, and why.
func (e *explanation) verdict() string {
	name := ecosystem.Shown(e.Ecosystem, e.Project, "", "")
	switch {
	case e.Excluded != nil:
		return fmt.Sprintf("%s is never stocked but by a lock: %s of [%s] in the configuration; to stock it, take that out, or write its name into include", name, e.Excluded, e.table)
	case e.Included != nil:
		return fmt.Sprintf("%s is %d of %d, and always stocked: %s of [%s] in the configuration", name, e.Rank, e.Of, e.Included, e.table)
	case e.Rank == 0:
		return fmt.Sprintf("%s is in none of the rankings; to stock it, write include = [%q] under [%s] of the configuration", name, name, e.table)
	case e.Rank > e.Top:
		return fmt.Sprintf("%s is %d of %d, behind the %d that a build stocks", name, e.Rank, e.Of, e.Top)
	}
	return fmt.Sprintf("%s is %d of %d, among the %d that a build stocks", name, e.Rank, e.Of, e.Top)
}

func explanationOf(c *cli.Context, cfg config.Config, of ecosystem.Ecosystem, r popularity.Ranking, project string) (explanation, error) {
	wanted := wantedOf(cfg, of)
	e := explanation{Ecosystem: of.Name, Project: project, Of: len(r.Entries), Top: wanted.Top, Budget: wanted.Budget.Bytes(), Places: []popularity.Place{},
		Versions: []popularity.Version{}, Stocked: []stockedWheel{}, Options: []builder.Option{}, Denied: []string{}, table: config.RankTable(keyOf(of))}
	rules := rulesOf(cfg, of)
	e.Pins = append([]string{}, rules.Pins(project)...)
	if by, is := rules.Excluded(project); is {
		e.Excluded = &by
	}
	if by, _, is := rules.Included(project); is && e.Excluded == nil {
		e.Included = &by
	}
	for _, entry := range r.Entries {
		if entry.Project == project {
			e.Rank = entry.Rank
			e.Places = append(e.Places, entry.Places...)
			e.Versions = append(e.Versions, entry.Versions...)
		}
	}
	store := rankingStore(cfg)
	if store == nil {
		return e, nil
	}
	wheels, err := currentWheels(store)
	if err != nil {
		return e, err
	}
	for _, w := range wheels {
		if w.Project == project && w.Ecosystem == of.Name {
			e.Stocked = append(e.Stocked, stockedWheel{w.Filename, w.Size})
		}
	}
	denials, err := store.Denials()
	if err != nil {
		return e, err
	}
	for _, d := range denials {
		if (d.Ecosystem == "" || d.Ecosystem == of.Name) && ecosystem.Normalize(of.Name, d.Project) == project {
			e.Denied = append(e.Denied, d.Name())
		}
	}
	if plan := builder.LoadPlan(store, keyOf(of)); plan != nil {
		e.Planned = &plan.Time
		if !c.IsSet("budget") {
			e.Budget = plan.Budget
		}
		options, cut := plan.Explain(project, e.Budget)
		e.Options, e.Cut = append(e.Options, options...), cut
	}
	return e, nil
}

func (e *explanation) budget(b *strings.Builder) {
	if e.Planned == nil {
		if e.Budget > 0 {
			fmt.Fprintln(b, "  no plan with a budget was made yet: larder build --dry-run --budget SIZE makes one")
		}
		return
	}
	size := func(n int64) string { return humanize.Bytes(uint64(max(0, n))) }
	fmt.Fprintf(b, "with a budget of %s, by the plan of %s:\n", size(e.Budget), e.Planned.Format(time.DateOnly))
	if len(e.Options) == 0 {
		fmt.Fprintf(b, "  no %s of it was looked at\n", ecosystem.Noun(e.Ecosystem))
	}
	for _, o := range e.Options {
		why := fmt.Sprintf("%d hits expected, by the rule for versions", o.Hits)
		if o.Counted {
			why = fmt.Sprintf("%d hits expected, by its count", o.Hits)
		}
		if o.Place > 0 {
			why = fmt.Sprintf("%d in the ranking", o.Place)
		}
		if e.Included != nil {
			why = "named in the configuration"
		}
		if o.NeededBy != "" {
			why = "needed by " + o.NeededBy
		}
		state := "out"
		if o.Taken {
			state = "in"
		}
		from := "no budget takes it"
		if o.From >= 0 {
			from = "from a budget of " + size(o.From) + " on"
		}
		if o.Layers > 0 && o.LayersFrom >= 0 {
			from += fmt.Sprintf("; its layers, %s more, from %s on", size(o.Layers), size(o.LayersFrom))
		}
		fmt.Fprintf(b, "  %s: %s, %s of %s, %s on disk, %s, %s\n", state, o.Filename, ecosystem.Noun(e.Ecosystem), size(o.Size), size(o.Disk), why, from)
	}
	if e.Cut != nil {
		fmt.Fprintf(b, "  the cut falls before %s of %s on disk\n", e.Cut.Filename, size(e.Cut.Disk))
	} else {
		fmt.Fprintln(b, "  the budget takes everything that was looked at")
	}
}

func forPython(minor string) string {
	if minor == "" {
		return ""
	}
	return " for python " + minor
}
