package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"larder/popularity"
	"larder/popularity/sources"
	"larder/snapshot"
)

func rankCommand() *cli.Command {
	return &cli.Command{
		Name:  "rank",
		Usage: "print the ranking that a build plans from, and where it comes from",
		Description: "Several rankings are read as months of one: a project counts by the median of its\n" +
			"ranks and must be in more than half of them.",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "ranking", Usage: "`FILE or URL` of a ranking: JSON, CSV or a list of names; may be repeated (default: the configuration's, else the one built in)"},
			&cli.IntFlag{Name: "top", Usage: "print the first `N` only"},
			&cli.BoolFlag{Name: "force", Usage: "take a ranking that lost nine tenths of its projects since last time"},
		},
		Action: runRank,
	}
}

func runRank(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("rank takes no argument %q", c.Args().First()).hint("a ranking is named by --ranking")
	}
	if c.IsSet("top") && c.Int("top") < 1 {
		return usagef("--top %d is less than 1", c.Int("top"))
	}
	ranking, warnings, err := loadRanking(c.Context, c)
	if err != nil {
		return err
	}
	ranking = ranking.Top(c.Int("top"))
	if jsonWanted(c) {
		return printJSON(c, struct {
			popularity.Ranking
			Warnings []popularity.Warning `json:"warnings"`
		}{ranking, append([]popularity.Warning{}, warnings...)})
	}
	for _, o := range ranking.Origins {
		fmt.Fprintf(c.App.Writer, "# %s\n", originLine(o))
	}
	for _, e := range ranking.Entries {
		if e.Count == 0 {
			fmt.Fprintf(c.App.Writer, "%6d  %s\n", e.Rank, e.Project)
			continue
		}
		fmt.Fprintf(c.App.Writer, "%6d  %-40s %14d\n", e.Rank, e.Project, e.Count)
	}
	return nil
}

// loadRanking reads the rankings that the flags, else the configuration, name,
// and prints what went wrong with those that could not be used.
func loadRanking(ctx context.Context, c *cli.Context) (popularity.Ranking, []popularity.Warning, error) {
	cfg, err := loadConfig(c)
	if err != nil {
		return popularity.Ranking{}, nil, err
	}
	from := cfg.Rank.Ranking
	if c.IsSet("ranking") {
		from = c.StringSlice("ranking")
	}
	ranking, warnings, err := sources.Load(ctx, from, sources.Options{
		CacheDir:  rankingCache(c),
		Force:     c.Bool("force"),
		UserAgent: userAgent(),
	})
	for _, w := range warnings {
		warnf("%s", w)
	}
	return ranking, warnings, err
}

// rankingCache is where answers of ranking addresses are kept: in the store,
// when there is one that this process may use, else nowhere. A ranking can be
// looked at without a store.
func rankingCache(c *cli.Context) string {
	dir, err := storeDir(c)
	if err != nil {
		return ""
	}
	s, err := snapshot.Open(dir)
	if err != nil {
		return ""
	}
	return filepath.Join(s.Dir(), "rankings")
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
