package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

func showCommand() *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "describe a snapshot, a project or a wheel",
		ArgsUsage: "SNAPSHOT|PROJECT[==VERSION]|SHA256",
		Description: "Projects and wheels are looked up in the current snapshot: what there is of them,\n" +
			"for which targets, and where it came from.",
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
	img, id, err := openImage(s, "current")
	if err != nil {
		return err
	}
	defer img.Close()
	m, err := img.Manifest()
	if err != nil {
		return err
	}
	wheels, err := findWheels(m, arg)
	if err != nil {
		return err
	}
	return showWheels(c, id, m, wheels)
}

// findWheels returns the wheels that arg means.
func findWheels(m *snapshot.Manifest, arg string) ([]snapshot.ManifestArtifact, error) {
	match := func(w snapshot.ManifestArtifact) bool { return w.SHA256.String() == arg }
	if _, err := snapshot.ParseDigest(arg); err != nil {
		project, version, exact := strings.Cut(arg, "==")
		project, version = strings.TrimSpace(project), strings.TrimSpace(version)
		match = func(w snapshot.ManifestArtifact) bool {
			return w.Project == ecosystem.Normalize(w.Ecosystem, project) && (!exact || w.Version == version)
		}
	}
	var found []snapshot.ManifestArtifact
	for _, w := range m.Artifacts {
		if match(w) {
			found = append(found, w)
		}
	}
	if len(found) == 0 {
		return nil, usagef("no snapshot and no wheel of the current one is called %q", arg).
			hint("larder ls lists the snapshots, larder show current the wheels")
	}
	return found, nil
}

func showSnapshot(c *cli.Context, s *snapshot.Store, id snapshot.ID) error {
	img, _, err := openImage(s, id.String())
	if err != nil {
		return err
	}
	defer img.Close()
	m, err := img.Manifest()
	if err != nil {
		return err
	}
	info := struct {
		snapshot.Published
		Current bool `json:"current"`
		*snapshot.Manifest
	}{Manifest: m}
	all, err := s.List()
	if err != nil {
		return err
	}
	if at := slices.IndexFunc(all, func(p snapshot.Published) bool { return p.ID == id }); at >= 0 {
		info.Published = all[at]
		if err := info.Unreadable; err != nil {
			warnf("when it was published nobody knows: %v", err)
		}
	}
	cur, err := s.Current()
	info.Current = err == nil && cur == id
	if jsonWanted(c) {
		return printJSON(c, info)
	}
	out := c.App.Writer
	fmt.Fprintf(out, "snapshot %s\n", id)
	state := ""
	if info.Current {
		state = ", current"
	}
	fmt.Fprintf(out, "published %s, number %d%s\n", info.Time.Local().Format(time.DateTime), info.Sequence, state)
	for _, t := range m.Targets {
		line := "target " + t.Tag
		if about := ecosystem.Describe(t.Ecosystem, t.Detail); about != "" {
			line += " (" + about + ")"
		}
		fmt.Fprintln(out, printable(line))
	}
	fmt.Fprintf(out, "views %s\n", printable(strings.Join(m.Views, ", ")))
	for _, e := range m.Environments {
		fmt.Fprintf(out, "environment %s for %s: %d layers, merged as e/%s\n", printable(e.Name), e.Target, len(e.Layers), e.ID)
	}
	var bytes int64
	for _, w := range m.Artifacts {
		bytes += w.Size
	}
	fmt.Fprintf(out, "%d wheels (%s), %d layers\n", len(m.Artifacts), humanize.Bytes(uint64(bytes)), len(m.Layers))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, wheel := range m.Artifacts {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", printable(wheel.Project), printable(wheel.Version), humanize.Bytes(uint64(wheel.Size)), printable(wheel.Index))
	}
	return w.Flush()
}

// shownWheel is a wheel and the layers made of it.
type shownWheel struct {
	snapshot.ManifestArtifact
	Layers []snapshot.ManifestLayer `json:"layers"`
}

func showWheels(c *cli.Context, id snapshot.ID, m *snapshot.Manifest, wheels []snapshot.ManifestArtifact) error {
	shown := make([]shownWheel, len(wheels))
	for i, w := range wheels {
		shown[i] = shownWheel{ManifestArtifact: w, Layers: []snapshot.ManifestLayer{}}
		for _, l := range m.Layers {
			if l.Artifact == w.SHA256 {
				shown[i].Layers = append(shown[i].Layers, l)
			}
		}
	}
	if jsonWanted(c) {
		return printJSON(c, struct {
			Snapshot snapshot.ID  `json:"snapshot"`
			Wheels   []shownWheel `json:"artifacts"`
		}{id, shown})
	}
	for _, w := range shown {
		printWheel(c.App.Writer, w)
	}
	return nil
}

func printWheel(out io.Writer, w shownWheel) {
	line := func(format string, args ...any) { fmt.Fprintln(out, printable(fmt.Sprintf(format, args...))) }
	line("%s %s", w.Project, w.Version)
	line("  %s %s, %s", ecosystem.Noun(w.Ecosystem), w.Filename, humanize.Bytes(uint64(w.Size)))
	line("  sha256 %s", w.SHA256)
	line("  from %s", w.URL)
	if about := ecosystem.Describe(w.Ecosystem, w.Detail); about != "" {
		line("  %s", about)
	}
	line("  for %s", strings.Join(w.Targets, ", "))
	for _, l := range w.Layers {
		line("  layer l/%s for %s: %d files, %s", l.ID, l.Target, l.Files, humanize.Bytes(uint64(l.Bytes)))
	}
	if len(w.Layers) == 0 {
		line("  no layer")
	}
}
