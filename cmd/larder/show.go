package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

func showCommand() *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "describe a snapshot, a project or a wheel",
		ArgsUsage: "SNAPSHOT|PROJECT[==VERSION]|SHA256",
		Description: "Of projects and wheels: what there is of them in the current snapshot, else in the newest\n" +
			"that has any, for which targets, where it came from, and which snapshots have it. A package url says of\n" +
			"which ecosystem it is: pkg:npm/react@19.1.0, pkg:pypi/flask.",
		Flags:  []cli.Flag{runDirFlag()},
		Action: runShow,
	}
}

func runShow(c *cli.Context) error {
	if c.NArg() != 1 {
		return usagef("show needs a snapshot, a project or a SHA-256").hint("for example: larder show current, larder show numpy")
	}
	s, err := openStore(c)
	if err != nil {
		return err
	}
	arg := c.Args().First()
	id, err := s.Resolve(arg)
	if err == nil {
		return showSnapshot(c, s, id)
	}
	if arg == "current" || arg == "previous" || !errors.Is(err, snapshot.ErrNoSnapshot) {
		return err
	}
	return showProject(c, s, arg)
}

// findWheels returns the wheels that arg means.
func findWheels(m *snapshot.Manifest, arg string) []snapshot.ManifestArtifact {
	match := func(w snapshot.ManifestArtifact) bool { return w.SHA256.String() == arg }
	if _, err := snapshot.ParseDigest(arg); err != nil {
		project, version, exact := snapshot.CutVersion(arg)
		of, pkg, at, err := snapshot.ParsePackageURL(arg)
		if err == nil {
			project, version, exact = pkg, at, at != ""
		}
		match = func(w snapshot.ManifestArtifact) bool {
			return w.Project == ecosystem.Normalize(w.Ecosystem, project) && (!exact || w.Version == version) && (of == "" || w.Ecosystem == of)
		}
	}
	return slices.DeleteFunc(slices.Clone(m.Artifacts), func(w snapshot.ManifestArtifact) bool { return !match(w) })
}

func showSnapshot(c *cli.Context, s *snapshot.Store, id snapshot.ID) error {
	all, err := allStocked(c, s)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(all, func(p stocked) bool { return p.ID == id })
	if at < 0 {
		return usagef("snapshot %s is gone", id.Short()).hint("larder ls lists the snapshots")
	}
	info, m := all[at], all[at].manifest
	if m == nil {
		_, err := manifestOf(s, id) // which says why
		return err
	}
	if jsonWanted(c) {
		return printJSON(c, struct {
			stocked
			*snapshot.Manifest
		}{info, m})
	}
	out := c.App.Writer
	fmt.Fprintf(out, "snapshot %s\n", id)
	state := ""
	if marks := info.marks(); marks != "" {
		state = ", " + marks
	}
	fmt.Fprintf(out, "published %s, number %d%s\n", info.Time.Local().Format(time.DateTime), info.Sequence, state)
	if f := info.Footprint; f != nil {
		fmt.Fprintf(out, "%s, and an image of %s: %s its own, which gc frees with it, %s shared with other snapshots\n",
			sizeText(f.Bytes), sizeText(f.Image), sizeText(f.Own+f.Image), sizeText(f.Shared()))
	}
	fmt.Fprintf(out, "held by %d containers, runs and kept instances\n", info.Users)
	for _, t := range m.Targets {
		line := "target " + t.Tag
		if about := ecosystem.Describe(t.Ecosystem, t.Detail); about != "" {
			line += " (" + about + ")"
		}
		fmt.Fprintln(out, printable(line))
	}
	fmt.Fprintf(out, "views %s\n", printable(strings.Join(m.Views, ", ")))
	for _, e := range m.Environments {
		several := ""
		if len(e.Mounts) > 0 {
			several = fmt.Sprintf(", mounted at %d directories", len(e.Mounts))
		}
		fmt.Fprintf(out, "environment %s for %s: %d layers, merged as e/%s%s\n", printable(e.Name), e.Target, len(e.Layers), e.ID, several)
	}
	bytes, built := int64(0), 0
	for _, w := range m.Artifacts {
		bytes += w.Size
		if w.Built != nil {
			built++
		}
	}
	line := fmt.Sprintf("%d %ss (%s), %d layers", len(m.Artifacts), nounIn(m), sizeText(bytes), len(m.Layers))
	if built > 0 {
		line += fmt.Sprintf(", %d built from sources", built)
	}
	fmt.Fprintln(out, line)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	files := map[string]int{} // by package url
	for _, a := range m.Artifacts {
		files[ecosystem.Shown(a.Ecosystem, a.Project, " ", a.Version)]++
	}
	for _, wheel := range m.Artifacts {
		from := wheel.Index
		if wheel.Built != nil {
			from += ", built, " + wheel.Built.Kind
		}
		name, version := ecosystem.Shown(wheel.Ecosystem, wheel.Project, " ", wheel.Version), ""
		if bare, ok := strings.CutSuffix(name, " "+wheel.Version); ok {
			name, version = bare, wheel.Version
		} else if files[name] > 1 { // such as a jar and its POM
			version = wheel.Filename
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", printable(name), printable(version), sizeText(wheel.Size), printable(from))
	}
	return w.Flush()
}
