package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/image"
)

// shownWheel is a wheel and the layers made of it.
type shownWheel struct {
	snapshot.ManifestArtifact
	Layers []snapshot.ManifestLayer `json:"layers"`
}

// having is a snapshot that has what is shown.
type having struct {
	ID       snapshot.ID `json:"id"`
	Current  bool        `json:"current"`
	Versions []string    `json:"versions"`
	found    []snapshot.ManifestArtifact
	manifest *snapshot.Manifest
}

// showProject shows what there is of a project, of a version of it, or of a digest.
func showProject(c *cli.Context, s *snapshot.Store, arg string) error {
	if snapshot.IsPackageURL(arg) {
		if _, _, _, err := snapshot.ParsePackageURL(arg); err != nil {
			return usagef("%v", err).hint("for example: larder show pkg:npm/react@19.1.0")
		}
	}
	all, err := havingOf(s, arg)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		_, noun, err := nounsOf(s)
		if err != nil {
			return err
		}
		return usagef("no snapshot, and no %s of any, is called %q", noun, arg).
			hint("larder ls lists the snapshots, larder show current the %ss, larder rank --explain PROJECT says why one is not stocked", noun)
	}
	from := all[max(0, slices.IndexFunc(all, func(h having) bool { return h.Current }))]
	shown := make([]shownWheel, len(from.found))
	for i, w := range from.found {
		shown[i] = shownWheel{ManifestArtifact: w, Layers: []snapshot.ManifestLayer{}}
		for _, l := range from.manifest.Layers {
			if l.Artifact == w.SHA256 {
				shown[i].Layers = append(shown[i].Layers, l)
			}
		}
	}
	if jsonWanted(c) {
		return printJSON(c, struct {
			Snapshot  snapshot.ID  `json:"snapshot"`
			Wheels    []shownWheel `json:"artifacts"`
			Snapshots []having     `json:"snapshots"`
		}{from.ID, shown, all})
	}
	for _, w := range shown {
		printWheel(c.App.Writer, w)
	}
	for _, h := range all {
		mark := ""
		if h.Current {
			mark = ", current"
		}
		fmt.Fprintf(c.App.Writer, "in snapshot %s%s: %s\n", h.ID.Short(), mark, printable(strings.Join(h.Versions, ", ")))
	}
	return nil
}

// havingOf are the snapshots that have what arg means, newest first. One whose manifest cannot be read is a
// warning, but the current one.
func havingOf(s *snapshot.Store, arg string) ([]having, error) {
	current, err := s.Current()
	if err != nil {
		return nil, err
	}
	published, err := s.List()
	if err != nil {
		return nil, err
	}
	var all []having
	for _, p := range published {
		m, err := manifestOf(s, p.ID)
		if err != nil && p.ID == current {
			return nil, err
		}
		if errors.Is(err, snapshot.ErrFormat) {
			continue
		}
		if err != nil {
			warnUnreadable(p.ID, err)
			continue
		}
		h := having{ID: p.ID, Current: p.ID == current, manifest: m, found: findWheels(m, arg)}
		for _, w := range h.found {
			if !slices.Contains(h.Versions, w.Version) {
				h.Versions = append(h.Versions, w.Version)
			}
		}
		if len(h.found) > 0 {
			all = append(all, h)
		}
	}
	return all, nil
}

// manifestOf reads the manifest of one snapshot.
func manifestOf(s *snapshot.Store, id snapshot.ID) (*snapshot.Manifest, error) {
	img, err := image.OpenSnapshot(s, id)
	if err != nil {
		return nil, err
	}
	defer img.Close()
	return img.Manifest()
}

func printWheel(out io.Writer, w shownWheel) {
	line := func(format string, args ...any) { fmt.Fprintln(out, printable(fmt.Sprintf(format, args...))) }
	line("%s", ecosystem.Shown(w.Ecosystem, w.Project, " ", w.Version))
	line("  %s %s, %s", ecosystem.Noun(w.Ecosystem), w.Filename, sizeText(w.Size))
	line("  sha256 %s", w.SHA256)
	line("  from %s", w.URL)
	if b := w.Built; b != nil {
		line("  built from %s by recipe %s, %s", b.Source, b.Recipe, b.Kind)
	}
	if about := ecosystem.Describe(w.Ecosystem, w.Detail); about != "" {
		line("  %s", about)
	}
	line("  for %s", strings.Join(w.Targets, ", "))
	for _, l := range w.Layers {
		line("  layer l/%s for %s: %d files, %s", l.ID, l.Target, l.Files, sizeText(l.Bytes))
	}
	if len(w.Layers) == 0 {
		line("  no layer")
	}
}
