package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"larder/builder"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

func revokeCommand() *cli.Command {
	return &cli.Command{
		Name:      "revoke",
		Usage:     "take a package out of the store now, and keep it out",
		ArgsUsage: "PROJECT[==VERSION] | PACKAGE-URL | SHA256",
		Description: "No later build stocks it. A snapshot without it is made of the current one, without the index,\n" +
			"and becomes current; those that have it are not attached any more. Who runs with it is named.\n" +
			"What is not stocked is denied all the same. PROJECT is one of any ecosystem; a package url, such as\n" +
			"pkg:npm/react@19.1.0, says of which.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "reason", Usage: "why, in a line: `TEXT` that refusals repeat"},
			&cli.BoolFlag{Name: "list", Usage: "list what is revoked"},
			&cli.BoolFlag{Name: "undo", Usage: "take it back: builds may stock it again"},
			&cli.BoolFlag{Name: "dry-run", Usage: "say what has it, and change nothing"},
			runDirFlag(),
		},
		Action: runRevoke,
	}
}

func runRevoke(c *cli.Context) error {
	if c.Bool("list") {
		return listRevoked(c)
	}
	if c.NArg() != 1 {
		return usagef("revoke needs one PROJECT, PROJECT==VERSION, package url or SHA-256").hint("larder revoke --list shows what is revoked")
	}
	d, err := snapshot.ParseDenial(c.Args().First())
	if err != nil {
		return usagef("%v", err).hint("for example: larder revoke evil, larder revoke evil==1.0, or larder revoke pkg:%s/evil@1.0", ecosystem.All()[0].Name)
	}
	if _, known := ecosystem.Find(d.Ecosystem); d.Ecosystem != "" && !known {
		return usagef("no ecosystem %q", d.Ecosystem).hint("for example: larder revoke pkg:%s/evil@1.0", ecosystem.All()[0].Name)
	}
	if d.Reason = printable(c.String("reason")); len(d.Reason) > 500 {
		return usagef("the reason is longer than 500 bytes").hint("give one line")
	}
	s, err := openStore(c)
	if err != nil {
		return err
	}
	start := time.Now()
	r, err := builder.Revoke(c.Context, builder.Config{Store: s, DryRun: c.Bool("dry-run"), Warn: func(line string) { warnf("%s", line) }}, d, c.Bool("undo"))
	if err != nil {
		return err
	}
	noteRevoke(s, r, start)
	if !r.DryRun {
		followCurrent(c, s)
	}
	if jsonWanted(c) {
		err = printJSON(c, r)
	} else {
		err = printRevoked(c, s, r)
	}
	if err == nil && len(r.Skipped) > 0 {
		return statusError(exitSkips)
	}
	return err
}

// noteRevoke notes a revocation, or that one was taken back.
func noteRevoke(s *snapshot.Store, r *builder.RevokeReport, start time.Time) {
	if r.DryRun {
		return
	}
	detail := fmt.Sprintf("revoked %s: %d artifacts, in %d snapshots, held by %d", r.Denial.Name(), len(r.Artifacts), len(r.HadBy), len(r.Holders))
	if r.Undone {
		detail = fmt.Sprintf("%s is not revoked any more", r.Denial.Name())
	}
	id, _ := snapshot.ParseDigest(r.Snapshot) // zero where none was needed
	noteCommand(s, "revoke", id, detail, nil, start)
}

func listRevoked(c *cli.Context) error {
	if err := maxArgs(c, 0); err != nil {
		return err
	}
	s, err := openStore(c)
	if err != nil {
		return err
	}
	all, err := s.Denials()
	if err != nil {
		return err
	}
	if jsonWanted(c) {
		return printJSON(c, struct {
			Denied []snapshot.Denial `json:"denied"`
		}{append([]snapshot.Denial{}, all...)})
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	for _, d := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\n", printable(d.Name()), d.Time.Local().Format(time.DateTime), printable(d.Reason))
	}
	return w.Flush()
}

func printRevoked(c *cli.Context, s *snapshot.Store, r *builder.RevokeReport) error {
	out := c.App.Writer
	name, did := r.Denial.Name(), "revoked"
	if r.DryRun {
		did = "would revoke"
	}
	switch {
	case r.Undone && r.DryRun:
		_, err := fmt.Fprintf(out, "would take back: %s\n", name)
		return err
	case r.Undone:
		fmt.Fprintf(out, "%s is not revoked any more: the next build may stock it\n", name)
		for _, id := range r.GoodAgain {
			fmt.Fprintf(out, "snapshot %s is good again\n", id.Short())
		}
		return nil
	case len(r.Artifacts) == 0:
		_, err := fmt.Fprintf(out, "nothing stocked has %s; %s\n", name, denied(r))
		return err
	}
	of := ecosystemsOf(s, r)
	for _, a := range r.Artifacts {
		name := ecosystem.Shown(of[a.SHA256], a.Project, " ", a.Version)
		fmt.Fprintf(out, "%s %s: %s, sha256:%s\n", did, printable(name), printable(a.Filename), a.SHA256)
	}
	for _, id := range r.HadBy {
		fmt.Fprintf(out, "snapshot %s has it: not attached any more\n", id.Short())
	}
	for _, e := range r.Environments {
		fmt.Fprintf(out, "the environment of %s, is gone\n", printable(e))
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(out, "also left out, %s: %s\n", printable(ecosystem.Shown(s.Ecosystem, s.Project, " ", s.Version)), printable(s.Reason))
	}
	for _, h := range r.Holders {
		fmt.Fprintf(out, "container %q (pid %d) has it, from snapshot %s: stop it\n", h.Container, h.PID, h.Snapshot.Short())
	}
	current := "the current snapshot does not have it"
	switch {
	case r.Snapshot != "":
		current = "snapshot " + r.Snapshot + " without it is current"
	case r.DryRun:
		current = "nothing was changed"
	}
	if _, err := fmt.Fprintf(out, "%s; %s\n", current, denied(r)); err != nil || !r.Held {
		return err
	}
	_, err := fmt.Fprintln(out, "the one before was held; the hold moved to the new one: larder use --release ends it")
	return err
}

// ecosystemsOf are the ecosystems of what a revocation is about, which its report does not tell.
func ecosystemsOf(s *snapshot.Store, r *builder.RevokeReport) map[snapshot.Digest]string {
	of := map[snapshot.Digest]string{}
	for _, id := range r.HadBy {
		m, err := manifestOf(s, id)
		if err != nil {
			continue // gone meanwhile; else it could not have told that it had any
		}
		for _, a := range m.Artifacts {
			of[a.SHA256] = a.Ecosystem
		}
	}
	return of
}

// denied is what becomes of it from here on.
func denied(r *builder.RevokeReport) string {
	if r.DryRun {
		return "a revocation would keep it out of later builds"
	}
	return "later builds leave it out"
}
