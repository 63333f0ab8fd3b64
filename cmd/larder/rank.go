package main

import (
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"larder/builder/fetch"
	"larder/cmd/internal/config"
	"larder/popularity"
	"larder/popularity/sources"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

func rankCommand() *cli.Command {
	return &cli.Command{
		Name:  "rank",
		Usage: "print the ranking that a build plans from, and where it comes from",
		Description: "Several rankings are read as months of one: a project counts by the median of its\n" +
			"ranks and must be in more than half of them. What containers of this host had to\n" +
			"download (its misses, kept in the store) is blended in.",
		Flags: []cli.Flag{
			ecosystemFlag("rank the projects of `NAME` (default: the first, or that of the package url to explain)"),
			&cli.StringSliceFlag{Name: "ranking", Usage: "`FILE or URL` of a ranking: JSON, CSV or a list of names; may be repeated (default: the configuration's, else the one built in)"},
			&cli.IntFlag{Name: "top", Usage: "print the first `N` only"},
			&cli.StringFlag{Name: "source", Usage: "rank by `NAME` alone: rankings or misses"},
			&cli.StringFlag{Name: "explain", Usage: "say what is known of `PROJECT`: its rank in each source, versions, and what is stocked"},
			&cli.StringFlag{Name: "simulate", Usage: "say what budgets would hold of the requirement sets in `DIR or FILE`, resolved with uv"},
			&cli.StringFlag{Name: "budget", Usage: "with --explain: what a budget of `SIZE` makes of it (default: the last plan's); with --simulate: that one only"},
			&cli.StringSliceFlag{Name: "target", Usage: "with --simulate: resolve for `TAG` (default: the python3 on PATH)"},
			&cli.StringFlag{Name: "uv", Value: "uv", Usage: "with --simulate: the uv to resolve with, a `PATH`"},
			&cli.StringFlag{Name: "cache", Usage: "with --simulate: `DIR` of what was resolved before (default: larder/simulate in the user's cache directory)"},
			&cli.BoolFlag{Name: "show-query", Usage: "print the SQL that ranks by a ClickHouse server, and ask nobody"},
			&cli.BoolFlag{Name: "force", Usage: "take a ranking that lost nine tenths of its projects since last time"},
		},
		Action: runRank,
	}
}

func runRank(c *cli.Context) error {
	if err := checkRank(c); err != nil {
		return err
	}
	e, err := loadEffective(c)
	if err != nil {
		return err
	}
	cfg := e.Config
	of, err := aboutOne(c)
	if err != nil {
		return err
	}
	if flag := onlyFirst(c); keyOf(of) != "" && flag != "" {
		return usagef("--%s knows %s alone", flag, ecosystemOf("").Name).hint("leave --ecosystem out")
	}
	switch {
	case c.IsSet("simulate"):
		return runSimulate(c, e)
	case c.Bool("show-query"):
		sql, err := clickHouseOf(cfg.Rank.ClickHouse).SQL()
		if err == nil {
			_, err = fmt.Fprint(c.App.Writer, sql)
		}
		return err
	}
	project, _, ok := of.ReadName(c.String("explain"))
	if c.IsSet("explain") && !ok {
		return usagef("--explain %q is not a project name of %s", c.String("explain"), of.Name).hint("name it as larder rank prints it; --ecosystem says of which it is")
	}
	ranking, warnings, err := loadRanking(c, cfg, of)
	if err != nil {
		return err
	}
	if c.IsSet("explain") {
		return explain(c, cfg, of, ranking, project)
	}
	if c.IsSet("top") {
		ranking = ranking.Top(wantedOf(cfg, of).Top)
	}
	if jsonWanted(c) {
		// Lists are lists, never null.
		ranking.Origins = append([]popularity.Origin{}, ranking.Origins...)
		ranking.Entries = append([]popularity.Entry{}, ranking.Entries...)
		return printJSON(c, struct {
			Ecosystem string `json:"ecosystem"`
			popularity.Ranking
			Warnings []popularity.Warning `json:"warnings"`
		}{of.Name, ranking, append([]popularity.Warning{}, warnings...)})
	}
	return printRanking(c, of, ranking)
}

// checkRank refuses what does not go together.
func checkRank(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("rank takes no argument %q", c.Args().First()).hint("a ranking is named by --ranking, a project by --explain")
	}
	switch c.String("source") {
	case "", "rankings", "misses":
	default:
		return usagef("no source %q", c.String("source")).hint("the sources are rankings and misses")
	}
	switch {
	case c.IsSet("simulate") && c.IsSet("explain"):
		return usagef("--simulate and --explain are two questions").hint("ask one at a time")
	case c.IsSet("budget") && !c.IsSet("simulate") && !c.IsSet("explain"):
		return usagef("a ranking has no budget").hint("larder build --dry-run --budget SIZE shows what one takes; --explain and --simulate know it, too")
	}
	return nil
}

func printRanking(c *cli.Context, of ecosystem.Ecosystem, r popularity.Ranking) error {
	for _, o := range r.Origins {
		fmt.Fprintf(c.App.Writer, "# %s\n", printable(originLine(o)))
	}
	tw := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	for _, e := range r.Entries {
		name := ecosystem.Shown(of.Name, e.Project, "", "")
		if e.Count == 0 {
			fmt.Fprintf(tw, "%d\t%s\n", e.Rank, name)
			continue
		}
		fmt.Fprintf(tw, "%d\t%s\t%d\n", e.Rank, name, e.Count)
	}
	return tw.Flush()
}

// onlyFirst is a flag that is about the first ecosystem and no other; "" for none.
func onlyFirst(c *cli.Context) string {
	for _, flag := range []string{"simulate", "show-query"} {
		if c.IsSet(flag) {
			return flag
		}
	}
	return ""
}

// loadRanking blends the rankings of an ecosystem that are asked for with the host's own misses, and says
// what went wrong with those that could not be used.
func loadRanking(c *cli.Context, cfg config.Config, of ecosystem.Ecosystem) (popularity.Ranking, []popularity.Warning, error) {
	store := rankingStore(cfg)
	if store != nil {
		collectMisses(c.Context, store)
	}
	opts := sources.Options{Of: of, Force: c.Bool("force"), Web: rankingWeb(store)}
	ranking, warnings, err := sources.Gather(c.Context, blendOf(c, cfg, of, store), opts)
	for _, w := range warnings {
		warnf("%s", w)
	}
	return ranking, warnings, err
}

// rankingWeb asks the addresses of rankings, through the environment's proxies, and keeps
// what they last said in the store, if there is one. Without it they are left out, with a
// warning each.
func rankingWeb(s *snapshot.Store) sources.Web {
	client, err := fetch.New(fetch.Options{
		Access:    fetch.Access{Proxy: fetch.ProxyFromEnvironment(os.Getenv), Retries: 2},
		UserAgent: userAgent(), MaxRedirects: 5, PlainHTTP: true,
	})
	if err != nil {
		warnf("ask addresses for rankings: %v", err)
		return nil
	}
	k := fetch.Keeper{Client: client}
	if s != nil {
		k.Cache = fetch.NewCache(s.RankingsDir(), 0)
	}
	return k
}

// blendOf says what a ranking is made of. Rankings named on the command line
// replace all that the configuration names, but not the host's own misses.
func blendOf(c *cli.Context, cfg config.Config, of ecosystem.Ecosystem, store *snapshot.Store) sources.Blend {
	r, wanted := cfg.Rank, wantedOf(cfg, of)
	b := sources.Blend{Rules: rulesOf(cfg, of), OnlyMisses: c.String("source") == "misses"}
	switch {
	case b.OnlyMisses:
		b.Rules.Include, b.Rules.Pin = nil, nil // seen, not planned from
	case c.IsSet("ranking") && flaggedFor(c, of):
		b.Sources = append(b.Sources, sources.Source{Weight: 1, Months: wanted.Ranking})
	default:
		if len(wanted.Ranking) > 0 {
			b.Sources = append(b.Sources, sources.Source{Weight: r.Weight.Rankings, Months: wanted.Ranking})
		}
		if keyOf(of) != "" { // what follows is the first's
			break
		}
		for _, s := range r.Source {
			b.Sources = append(b.Sources, sources.Source{Name: s.Name, Weight: s.Weight, Months: s.Ranking})
		}
		if r.ClickHouse.Endpoint != "" {
			b.Sources = append(b.Sources, sources.Source{Weight: r.Weight.ClickHouse, ClickHouse: clickHouseOf(r.ClickHouse)})
		}
	}
	if store != nil && c.String("source") != "rankings" {
		weight := r.Weight.Misses
		if b.OnlyMisses {
			weight = 1
		}
		b.Sources = append(b.Sources, sources.Source{Weight: weight, Misses: store.MissesDir()})
	}
	return b
}

func clickHouseOf(c config.ClickHouse) *sources.ClickHouse {
	return &sources.ClickHouse{Endpoint: c.Endpoint, Projects: c.Projects, Days: c.Days, Versions: c.Versions, Installers: c.Installers}
}

// rankingStore is the store that holds misses and the last answers of ranking
// addresses, or nil: a ranking can be looked at without a store.
func rankingStore(cfg config.Config) *snapshot.Store {
	s, err := snapshot.Open(cfg.Store)
	if err != nil {
		return nil
	}
	return s
}

func originLine(o popularity.Origin) string {
	line := fmt.Sprintf("%s: %d projects", o.Source, o.Projects)
	if !o.Updated.IsZero() {
		line += ", of " + o.Updated.Format(time.DateOnly)
	}
	if o.Stale {
		line += ", its last answer, from " + o.Fetched.Format(time.DateOnly)
	}
	return line
}

// currentWheels lists the wheels of the current snapshot, none without one.
func currentWheels(s *snapshot.Store) ([]snapshot.ManifestArtifact, error) {
	img, _, err := openImage(s, "current")
	if errors.Is(err, snapshot.ErrNoSnapshot) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer img.Close()
	m, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	return m.Artifacts, nil
}
