package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"larder/overlay/attach"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/pypi"
)

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "say what of a lock is stocked and what lacks",
		ArgsUsage: "LOCK...",
		Description: "Nothing is built, mounted or run: it is what larder run -r LOCK would find. Of several\n" +
			"targets this host's own is looked at, as run does; where none is, all are.\n" +
			"Exit 0: all is stocked; 8: something lacks, and is named.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "snapshot", Usage: "look in snapshot `ID` (default: current)"},
			&cli.StringFlag{Name: "built", Usage: "count what was built from sources: `no|pure|all`, as run does (default: pure)"},
			&cli.StringFlag{Name: "target", Usage: "look for `TAG`, such as cp311-manylinux_2_36_x86_64 (default: this host's)"},
			&cli.StringFlag{Name: "python", Usage: "look for the targets of Python `X.Y`"},
		},
		Action: runCheck,
	}
}

// errLacking is no fault: the lock is fine, the snapshot is fine, and one lacks something of the other.
// A script tells it from a lock that cannot be read (4) and goes on to a build.
var errLacking = errors.New("not all is stocked")

// lacking is what check ends with when something lacks.
type lacking struct{ text, advice string }

func (e *lacking) Error() string        { return e.text }
func (e *lacking) Hint() string         { return e.advice }
func (e *lacking) Is(target error) bool { return target == errLacking }

// checked is what a snapshot has of locks for one target.
type checked struct {
	Target  string    `json:"target"`
	Stocked []project `json:"stocked"`
	Lacking []project `json:"lacking"`
	LeftOut []string  `json:"left_out"` // named by the lock, and no packages of an index
	Merged  bool      `json:"merged"`   // the build merged it: it is mounted as one layer
	// Built is what --built would have to be, for more of it to be stocked; nil: nothing more would be.
	Built  *snapshot.Built `json:"built"`
	unmade bool            // it is mounted whole or not at all, and something lacks of it
	first  bool            // its first run seals it
	advice string
}

type project struct {
	Project string `json:"project"`
	Version string `json:"version"`
}

func runCheck(c *cli.Context) error {
	locks := c.Args().Slice()
	if len(locks) == 0 {
		return usagef("check needs a lock").hint("for example: larder check requirements.lock")
	}
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	if err := findLocks(locks); err != nil {
		return err
	}
	world, err := ecosystem.ForLocks(locks)
	if err != nil {
		return usagef("%v", err)
	}
	s, err := openStore(c)
	if err != nil {
		return err
	}
	img, id, err := openImage(s, cfg.Run.Snapshot)
	if err != nil {
		return err
	}
	defer img.Close()
	m, err := img.Manifest()
	if err != nil {
		return err
	}
	targets, err := checkTargets(world, m.Targets, interpreters(s, id), cfg.Run.Target, c.String("python"))
	if err != nil {
		return err
	}
	all := make([]checked, len(targets))
	for i, t := range targets {
		if all[i], err = checkLocks(world, img, locks, t, cfg.Run.Built); err != nil {
			return err
		}
	}
	return printChecked(c, world, id, locks, all)
}

// checkTargets are the targets to look at: those that were named, else this host's own, else all.
func checkTargets(e ecosystem.Ecosystem, all []snapshot.Target, made map[string]string, tag, python string) ([]snapshot.Target, error) {
	keep, named := func(snapshot.Target) bool { return true }, ""
	switch {
	case tag != "" && python != "":
		return nil, usagef("--target and --python are two ways to say one thing").hint("give one of them")
	case tag != "":
		keep, named = func(t snapshot.Target) bool { return t.Tag == tag }, "target "+tag
	case python != "":
		keep, named = func(t snapshot.Target) bool { return pythonOf(t) == python }, "Python "+python
	}
	var tags []string
	fits := slices.DeleteFunc(slices.Clone(all), func(t snapshot.Target) bool {
		tags = append(tags, t.Tag)
		return t.Ecosystem != e.Name || !keep(t)
	})
	switch {
	case len(fits) > 0:
	case named == "":
		return nil, usagef("the snapshot has nothing of %s (it is for %s)", e.Name, strings.Join(tags, ", ")).hint("larder build --lock stocks what the lock names")
	default:
		return nil, usagef("the snapshot has nothing for %s (it has %s)", named, strings.Join(tags, ", ")).
			hint("larder build --target stocks for another one")
	}
	if named != "" {
		return fits, nil
	}
	host, err := e.Environments.Open(ecosystem.Host{}, "")
	if err != nil {
		return nil, err
	}
	if own := host.Targets(fits, made); len(own) == 1 {
		return own, nil
	}
	return fits, nil
}

// pythonOf is the Python of a target, "3.12"; "" of a target that has none.
func pythonOf(t snapshot.Target) string {
	tag, err := pypi.ParseTag(t.Tag)
	if err != nil {
		return ""
	}
	return tag.Python()
}

func checkLocks(e ecosystem.Ecosystem, in snapshot.Paths, locks []string, t snapshot.Target, built snapshot.Built) (checked, error) {
	want, err := e.Locks.Read(ecosystem.Host{}, locks, t)
	if err != nil {
		return checked{}, err
	}
	found, err := snapshot.FindEnvironment(in, t.Tag, built, want)
	if err != nil {
		return checked{}, err
	}
	r := checked{Target: t.Tag, Stocked: []project{}, Lacking: []project{}, LeftOut: append([]string{}, want.LeftOut...),
		Merged: len(found.Lowers) == 1 && strings.HasPrefix(found.Lowers[0], "e/"), advice: sourceAdvice(found)}
	if found.Trust > built {
		r.Built = &found.Trust
	}
	placed := len(want.Places) > 0 && !r.Merged
	r.unmade = placed && found.Layers == nil
	r.first = found.Layers != nil && (placed || len(found.Lowers) > attach.Stackable)
	for _, p := range want.Pins { // a project may be there in several versions
		row := project{p.Name, p.Version}
		if slices.ContainsFunc(found.Missing, func(m snapshot.Pin) bool { return m.Name == p.Name && m.Version == p.Version }) {
			r.Lacking = append(r.Lacking, row)
		} else {
			r.Stocked = append(r.Stocked, row)
		}
	}
	return r, nil
}

func printChecked(c *cli.Context, world ecosystem.Ecosystem, id snapshot.ID, locks []string, all []checked) error {
	lacks, unmade, advice := 0, false, ""
	for _, r := range all {
		lacks, unmade, advice = lacks+len(r.Lacking), unmade || r.unmade, cmp.Or(advice, r.advice)
	}
	if jsonWanted(c) {
		if err := printJSON(c, struct {
			Snapshot snapshot.ID `json:"snapshot"`
			Complete bool        `json:"complete"`
			Targets  []checked   `json:"targets"`
		}{id, lacks == 0 && !unmade, all}); err != nil || lacks == 0 && !unmade {
			return err
		}
		return statusError(exitSkips) // one document, which says it all
	}
	for _, r := range all {
		printOneChecked(c.App.Writer, world, r)
	}
	if unmade {
		return &lacking{fmt.Sprintf("snapshot %s has no environment of %s", id.Short(), strings.Join(locks, ", ")), "larder build --lock makes one"}
	}
	if lacks == 0 {
		return nil
	}
	return &lacking{fmt.Sprintf("snapshot %s lacks %d of %s", id.Short(), lacks, strings.Join(locks, ", ")),
		cmp.Or(advice, "larder build --lock stocks what a lock names; larder run -r LOCK --missing pip has pip install it")}
}

func printOneChecked(out io.Writer, world ecosystem.Ecosystem, r checked) {
	how := "stacked"
	switch {
	case r.Merged:
		how = "merged"
	case r.unmade:
		how = "not merged"
	case r.first:
		how = "sealed by the first run"
	}
	fmt.Fprintf(out, "%s: %d of %d stocked, %s\n", r.Target, len(r.Stocked), len(r.Stocked)+len(r.Lacking), how)
	for _, p := range r.Lacking {
		fmt.Fprintln(out, printable("  lacks "+ecosystem.Shown(world.Name, p.Project, "==", p.Version)))
	}
	for _, name := range r.LeftOut {
		fmt.Fprintln(out, printable("  left out, no package of an index: "+name))
	}
}
