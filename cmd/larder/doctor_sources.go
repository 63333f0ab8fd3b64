package main

import (
	"fmt"
	"slices"
	"strings"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// sources says what of the container's was built from sources, where its snapshot has such.
func (l *containerLook) sources() {
	const why = "an index vouches for what it publishes, and this host's builder for what it made of sources; built in the profile says what counts"
	m, err := manifestOf(l.store, l.lease.Snapshot)
	note := snapshot.Attached{}
	if err == nil {
		note, err = snapshot.ReadAttached(l.lease.Instance)
	}
	if err == nil && !slices.ContainsFunc(m.Artifacts, func(a snapshot.ManifestArtifact) bool { return a.Built != nil }) {
		return
	}
	detail := "none"
	if err == nil {
		if has := builtIn(m, note); len(has) > 0 {
			detail = strings.Join(has, ", ")
		}
	}
	l.note("built from sources", detail, why, err, stateUnknown, "run as root")
}

// builtIn are the views and projects with what was built from sources among the lowers of mounts.
func builtIn(m *snapshot.Manifest, note snapshot.Attached) (has []string) {
	built := map[string]string{} // by layer
	for _, row := range m.Layers {
		for _, a := range m.Artifacts {
			if a.Built != nil && a.SHA256 == row.Artifact {
				built[row.ID] = fmt.Sprintf("%s %s (%s)", a.Project, a.Version, a.Built.Kind)
			}
		}
	}
	for _, mount := range note.Mounts {
		for _, lower := range mount.Lowers {
			kind, name, _ := strings.Cut(lower, "/")
			layers := []string{name}
			for _, e := range m.Environments {
				if kind == "e" && e.ID == name {
					layers = e.Layers
				}
			}
			if kind == "views" && ecosystem.Needs(name) != snapshot.NoBuilt {
				has = append(has, "view "+name)
			}
			for _, id := range layers {
				if text := built[id]; text != "" && kind != "views" && !slices.Contains(has, text) {
					has = append(has, text)
				}
			}
		}
	}
	return has
}
