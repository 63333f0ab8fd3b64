package main

import (
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"larder/cmd/internal/config"
	"larder/popularity/usage"
	"larder/snapshot"
)

func statsCommand() *cli.Command {
	return &cli.Command{
		Name:  "stats",
		Usage: "say what was used from snapshots, what was downloaded, and what that spared",
		Description: "By week and client, of what has ended: containers are counted when a build or gc reads\n" +
			"what they left, commands of larder run when they end. AGE is a number and m, h, d or w;\n" +
			"the weeks that reach into it count whole. What is counted as used, and how it is known,\n" +
			"is in the documentation: go doc ./popularity/usage",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "since", Usage: "count the last `AGE` only, such as 4w"},
			&cli.StringFlag{Name: "prometheus", Usage: "write builds and usage to `FILE`, as gc and build do with --metrics"},
		},
		Action: runStats,
	}
}

// stats is what the command prints. Its JSON form is a contract.
type stats struct {
	Since    string       `json:"since,omitempty"` // the Monday from which on is counted
	Leases   int          `json:"leases"`          // what holds a snapshot now, and is not counted yet
	Attaches int64        `json:"attaches"`
	Total    usage.Client `json:"total"` // of all clients
	Count    usage.Count  `json:"count"`
	Weeks    []usage.Week `json:"weeks"`
}

func runStats(c *cli.Context) error {
	if err := maxArgs(c, 0); err != nil {
		return err
	}
	var since time.Time
	if c.IsSet("since") {
		age, err := config.ParseAge(c.String("since"))
		if err != nil {
			return usagef("--since: %v", err).hint("an age is a number and m, h, d or w: 4w")
		}
		since = time.Now().Add(-time.Duration(age))
	}
	s, err := openStore(c)
	if err != nil {
		return err
	}
	r, err := statsOf(s, since)
	if err != nil {
		return err
	}
	writeMetrics(s, c.String("prometheus"))
	if jsonWanted(c) {
		return printJSON(c, r)
	}
	return printStats(c, r)
}

func statsOf(s *snapshot.Store, since time.Time) (r stats, err error) {
	all, err := usage.Load(s, stocks(s))
	if err != nil {
		return r, err
	}
	leases, err := s.Leases()
	if err != nil {
		return r, err
	}
	r.Leases = len(leases)
	if since.IsZero() {
		r.Weeks, r.Count = all.Weeks, all.Total()
	} else {
		r.Since = usage.Monday(since)
		r.Weeks, r.Count = all.Since(since)
	}
	r.Weeks = append([]usage.Week{}, r.Weeks...)
	r.Attaches, r.Total = r.Count.Attaches(), r.Count.All()
	if r.Count.Clients == nil {
		r.Count.Clients = map[string]usage.Client{}
	}
	return r, nil
}

func printStats(c *cli.Context, r stats) error {
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "WEEK\tCLIENT\tATTACHES\tUSED\tDOWNLOADED\tHITS\tSPARED\t\n")
	for _, week := range r.Weeks {
		printClients(w, week.Start, week.Count)
	}
	printClients(w, "all", r.Count)
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(c.App.Writer, "%d containers and %d commands have ended; %d hold a snapshot (larder ps)\n", r.Count.Containers, r.Count.Commands, r.Leases)
	return err
}

func printClients(w *tabwriter.Writer, week string, count usage.Count) {
	for _, name := range slices.Sorted(maps.Keys(count.Clients)) {
		client := count.Clients[name]
		hits := "-"
		if n := client.Used + client.Downloaded; n > 0 {
			hits = fmt.Sprintf("%.0f %%", 100*float64(client.Used)/float64(n))
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\t%s\t\n", week, printable(name), client.Attaches, client.Used, client.Downloaded, hits, humanize.Bytes(uint64(client.SparedBytes)))
	}
}
