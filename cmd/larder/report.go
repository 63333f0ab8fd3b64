package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"larder/builder"
	page "larder/cmd/larder/internal/report"
	"larder/popularity"
	"larder/popularity/misses"
	"larder/popularity/usage"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

func reportCommand() *cli.Command {
	return &cli.Command{
		Name:  "report",
		Usage: "draw on one page of HTML what is stocked, used, missed and amiss",
		Description: "The page is whole by itself and asks nobody for anything: it can be mailed, or put where\n" +
			"people see it. It names projects, containers and paths of this host.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the page to `FILE`"},
			runDirFlag(),
		},
		Action: runReport,
	}
}

func runReport(c *cli.Context) error {
	if err := maxArgs(c, 0); err != nil {
		return err
	}
	path := c.String("output")
	if path == "" {
		return usagef("report needs a file to write").hint("for example: larder report -o larder.html")
	}
	s, err := openStore(c)
	if err != nil {
		return err
	}
	p, err := reportPage(c, s)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		return fmt.Errorf("draw report: %w", err)
	}
	if err := snapshot.WriteFile(path, b.Bytes(), 0o644); err != nil {
		return usagef("write %s: %v", path, err).hint("name a file in a directory that this user can write")
	}
	if jsonWanted(c) {
		return printJSON(c, struct {
			Wrote    string `json:"wrote"`
			Bytes    int    `json:"bytes"`
			Problems int    `json:"problems"`
		}{path, b.Len(), len(p.Problems)})
	}
	_, err = fmt.Fprintf(c.App.Writer, "wrote %s: %d problems\n", path, len(p.Problems))
	return err
}

// reportPage asks what ls, du, rank, doctor and the history ask. What cannot be known is left
// out and said on standard error: a page with a gap is better than none.
func reportPage(c *cli.Context, s *snapshot.Store) (p page.Page, err error) {
	p = page.Page{Version: version, Store: s.Dir(), Made: time.Now()}
	if p.Host, err = os.Hostname(); err != nil {
		return p, err
	}
	if p.Store, err = filepath.Abs(s.Dir()); err != nil {
		return p, err
	}
	if err := reportDisk(c, &p); err != nil {
		return p, err
	}
	all, err := allStocked(c, s)
	if err != nil {
		return p, err
	}
	reportSnapshots(&p, all)
	if err := reportUsers(&p, s); err != nil {
		return p, err
	}
	if err := reportProblems(c, &p, s); err != nil {
		return p, err
	}
	reportRanking(c, &p, s)
	reportHistory(&p, s)
	reportWeeks(&p, s)
	return p, nil
}

func reportDisk(c *cli.Context, p *page.Page) error {
	u, err := storeUsageOf(c)
	if err != nil {
		return err
	}
	p.Disk = []page.Share{{Name: "objects", Bytes: u.Pool}, {Name: "images", Bytes: u.Images}, {Name: "private images", Bytes: u.Private},
		{Name: "instances", Bytes: u.Instances}, {Name: "trash", Bytes: u.Trash}, {Name: "other", Bytes: u.Other}}
	p.Free, p.Freed = u.Free, u.FreedByGC
	return nil
}

func reportSnapshots(p *page.Page, all []stocked) {
	for _, s := range all {
		row := page.Snapshot{ID: s.ID.String(), Published: s.Time, Users: s.Users, Own: -1, Shared: -1}
		if marks := s.marks(); marks != "" {
			row.Marks = strings.Split(marks, ", ")
		}
		if s.Footprint != nil {
			row.Own, row.Shared = s.Own, s.Shared()
		}
		if s.Artifacts != nil {
			row.Artifacts, row.Noun = *s.Artifacts, nounIn(s.manifest)
		}
		p.Snapshots = append(p.Snapshots, row)
		if s.Current && s.manifest != nil {
			p.Packages, p.Noun = packagesOf(s.manifest.Artifacts), nounIn(s.manifest)
		}
	}
}

// packagesOf are the projects of a snapshot, by name as people are shown it.
func packagesOf(artifacts []snapshot.ManifestArtifact) []page.Package {
	by := map[string]*page.Package{}
	for _, a := range artifacts {
		name := ecosystem.Shown(a.Ecosystem, a.Project, "", "")
		k := by[name]
		if k == nil {
			k = &page.Package{Project: name}
			by[name] = k
		}
		if !slices.Contains(k.Versions, a.Version) {
			k.Versions = append(k.Versions, a.Version)
		}
		k.Files++
		k.Bytes += a.Size
	}
	packages := make([]page.Package, 0, len(by))
	for _, name := range slices.Sorted(maps.Keys(by)) {
		packages = append(packages, *by[name])
	}
	return packages
}

func reportUsers(p *page.Page, s *snapshot.Store) error {
	leases, err := s.Leases()
	if err != nil {
		return err
	}
	for _, l := range leases {
		if dead, _ := l.Dead(); !dead && l.Unreadable == nil {
			p.Users = append(p.Users, page.User{Name: l.Container, Snapshot: l.Snapshot.String(), Since: l.Time})
		}
	}
	slices.SortFunc(p.Users, func(a, b page.User) int { return cmp.Compare(a.Name, b.Name) })
	return nil
}

// reportProblems are what doctor does not find in order. What it cannot know is no problem.
func reportProblems(c *cli.Context, p *page.Page, s *snapshot.Store) error {
	checks, err := hostChecks(c, s.Dir())
	if err != nil {
		return err
	}
	for _, k := range checks {
		if k.State == stateFail || k.State == stateWarn {
			p.Problems = append(p.Problems, page.Problem{Needed: k.State == stateFail, Name: k.Name, Detail: k.Detail, Why: k.Why, Fix: k.Fix})
		}
	}
	return nil
}

// reportRanking marks what of the ranking is stocked, and what is missed most.
func reportRanking(c *cli.Context, p *page.Page, s *snapshot.Store) {
	cfg, err := loadConfig(c)
	var ranking popularity.Ranking
	if err == nil {
		ranking, _, err = loadRanking(c, cfg, ecosystemOf(""))
	}
	if err != nil {
		p.Problems = append(p.Problems, page.Problem{Name: "ranking", Detail: err.Error(), Fix: hintOf(err)})
		return
	}
	at := map[string]int{}
	for i, k := range p.Packages {
		at[k.Project] = i
	}
	for _, e := range ranking.Top(cfg.Rank.Top).Entries {
		i, stocked := at[e.Project]
		if stocked {
			p.Packages[i].Rank = e.Rank
		}
		p.Ranking = append(p.Ranking, page.Ranked{Project: e.Project, Stocked: stocked})
	}
	for _, of := range rankable() {
		missed, _, err := misses.Load(s.MissesDir(), of.Name, p.Made)
		if err != nil {
			warnf("%v", err)
		}
		for _, e := range missed.Top(shownMisses).Entries {
			name := ecosystem.Shown(of.Name, e.Project, "", "")
			_, stocked := at[name]
			p.Missed = append(p.Missed, page.Missed{Project: name, Count: e.Count, Stocked: stocked})
		}
	}
	slices.SortStableFunc(p.Missed, func(a, b page.Missed) int { return cmp.Compare(b.Count, a.Count) })
	p.Missed = p.Missed[:min(len(p.Missed), shownMisses)]
}

// How much of a long list the page has.
const (
	shownMisses = 30
	shownBuilds = 20
)

func reportWeeks(p *page.Page, s *snapshot.Store) {
	all, err := usage.Load(s, stocks(s))
	if err != nil {
		warnf("%v", err)
	}
	for _, w := range all.Weeks {
		sum := w.Count.All()
		p.Weeks = append(p.Weeks, page.Week{Start: w.Start, Used: sum.Used, Downloaded: sum.Downloaded, Spared: sum.SparedBytes})
	}
}

func reportHistory(p *page.Page, s *snapshot.Store) {
	runs, err := builder.History(s)
	if err != nil {
		warnf("%v", err)
	}
	by, all, err := nounsOf(s)
	if err != nil {
		warnf("%v", err)
	}
	for _, r := range runs {
		b := page.Build{Ended: r.Time, OK: r.Exit == exitOK || r.Exit == exitSkips, Took: time.Duration(r.Seconds * float64(time.Second))}
		switch {
		case !b.OK:
			b.Outcome = cmp.Or(r.Error, fmt.Sprintf("exit %d", r.Exit))
		case r.Detail != "":
			b.Outcome = r.Command + ": " + r.Detail
		default:
			b.Outcome = fmt.Sprintf("%d %ss, %s fetched, %d skipped", r.Wheels, cmp.Or(by[r.Snapshot], all), sizeText(r.Fetched), r.Skipped)
		}
		if p.Builds = append(p.Builds, b); len(p.Builds) == shownBuilds {
			return
		}
	}
}
