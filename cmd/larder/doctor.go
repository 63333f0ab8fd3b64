package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"larder/overlay/probe"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "try what this host can do, look at what is set up, and say how to mend it",
		Description: "Every mount that an attach needs is made, in a scratch directory beside the store, and\n" +
			"removed again. With runc or crun, one container is created with the hook, looked at and deleted.\n" +
			"Exit status 9 when something lacks that nothing works without.\n" +
			"With --container: whether that container has its cache, and uses it; 8 when it does not.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "container", Usage: "look at the container of this `ID` instead, as its runtime names it"},
			runDirFlag(),
		},
		Action: runDoctor,
	}
}

// finding is one thing that doctor looked at.
type finding struct {
	Group  string `json:"group"` // host, runtimes, clients, store or container
	Name   string `json:"name"`
	State  string `json:"state"`            // ok, warn, fail or unknown
	Detail string `json:"detail,omitempty"` // what was seen
	Why    string `json:"why,omitempty"`    // why it matters
	Fix    string `json:"fix,omitempty"`    // what mends it, a command where there is one
}

// The states of a check. Only what nothing works without fails.
const (
	stateOK      = "ok"
	stateWarn    = "warn"
	stateFail    = "fail"
	stateUnknown = "unknown"
)

// judge is a check that is ok without an error, else in a state that says how bad it is.
func judge(group, name, detail, why string, err error, otherwise, fix string) finding {
	if err == nil {
		return finding{Group: group, Name: name, State: stateOK, Detail: detail, Why: why}
	}
	return finding{Group: group, Name: name, State: otherwise, Detail: err.Error(), Why: why, Fix: fix}
}

func runDoctor(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("doctor takes no argument %q", c.Args().First()).hint("larder doctor --container ID looks at one container")
	}
	dir, err := storeDir(c)
	if err != nil {
		return err
	}
	var checks []finding
	failed := exitUnsupported
	if id := c.String("container"); id != "" {
		checks, err = containerChecks(c, id)
		failed = exitSkips
	} else {
		checks, err = hostChecks(c, dir)
	}
	if err != nil {
		return err
	}
	bad := slices.ContainsFunc(checks, func(k finding) bool { return k.State == stateFail })
	if err := printChecks(c, dir, checks, !bad); err != nil {
		return err
	}
	if bad {
		return statusError(failed)
	}
	return nil
}

// hostChecks look at all that a host has to do with Larder.
func hostChecks(c *cli.Context, dir string) ([]finding, error) {
	probed, err := probe.Host(c.Context, dir)
	if err != nil {
		return nil, err
	}
	checks := []finding{kernelCheck()}
	for _, p := range probed {
		checks = append(checks, probeCheck(p))
	}
	checks = append(checks, namespacesCheck("/proc/sys/user/max_user_namespaces"))
	checks = append(checks, sandboxCheck(c, dir)...)
	runtimes, used := runtimeChecks("/")
	checks = append(append(checks, runtimes...), trialCheck(c, dir, used))
	look := storeLook{c: c, dir: dir}
	checks = append(checks, look.checks()...)
	checks = append(checks, clientChecks(c.Context, look.manifest)...)
	return append(checks, indexCheck(c.Context, look.manifest)), c.Context.Err()
}

// probeCheck is a probe of the kernel and the store's file system as doctor tells of it.
func probeCheck(p probe.Check) finding {
	k := finding{Group: "host", Name: p.Name, State: stateOK, Detail: p.Detail, Why: p.Why, Fix: p.Fix}
	switch {
	case !p.OK && p.Needed:
		k.State = stateFail
	case !p.OK:
		k.State = stateWarn
	}
	return k
}

func printChecks(c *cli.Context, dir string, checks []finding, ok bool) error {
	if jsonWanted(c) {
		return printJSON(c, struct {
			OK     bool      `json:"ok"`
			Store  string    `json:"store"`
			Checks []finding `json:"checks"`
		}{ok, dir, checks})
	}
	var b strings.Builder
	group := ""
	for _, k := range checks {
		if k.Group != group {
			fmt.Fprintf(&b, "%s\n", k.Group)
			group = k.Group
		}
		line := fmt.Sprintf("  %-7s %s", k.State, k.Name)
		if k.Detail != "" {
			line += ": " + k.Detail
		}
		fmt.Fprintln(&b, printable(line))
		if k.State == stateOK {
			continue
		}
		for _, more := range []struct{ word, text string }{{"why", k.Why}, {"fix", k.Fix}} {
			if more.text != "" {
				fmt.Fprintf(&b, "          %s: %s\n", more.word, printable(more.text))
			}
		}
	}
	_, err := fmt.Fprint(c.App.Writer, b.String())
	return err
}

// shortly bounds what doctor asks of others: a host that does not answer is an answer.
func shortly(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, doctorPatience)
}
