package main

import (
	"slices"

	"larder/builder"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// nounOf is what people call one of an ecosystem's artifacts, such as "wheel": where they are of
// several ecosystems, or nobody knows of which, "artifact".
func nounOf(names ...string) string {
	noun := ""
	for _, name := range names {
		switch n := ecosystem.Noun(name); {
		case noun == "":
			noun = n
		case noun != n:
			return "artifact"
		}
	}
	if noun == "" {
		return "artifact"
	}
	return noun
}

// nounIn is nounOf of what snapshots have, or are for. A nil manifest says nothing.
func nounIn(all ...*snapshot.Manifest) string {
	var names []string
	for _, m := range all {
		if m == nil {
			continue
		}
		for _, a := range m.Artifacts {
			names = append(names, a.Ecosystem)
		}
		if len(m.Artifacts) == 0 {
			for _, t := range m.Targets {
				names = append(names, t.Ecosystem)
			}
		}
	}
	return nounOf(names...)
}

// nounFor is nounOf of targets, by their tags.
func nounFor(tags []string, among []builder.Target) string {
	var names []string
	for _, t := range among {
		if slices.Contains(tags, t.Tag) {
			names = append(names, t.Ecosystem)
		}
	}
	return nounOf(names...)
}

// nounsOf are the words for the artifacts of a store's snapshots, by id, and the one for all of them
// together: what a snapshot had that is gone, nobody knows.
func nounsOf(s *snapshot.Store) (by map[string]string, all string, err error) {
	published, err := s.List()
	if err != nil {
		return nil, nounOf(), err
	}
	by = map[string]string{}
	manifests := make([]*snapshot.Manifest, len(published))
	for i, p := range published {
		m, err := manifestOf(s, p.ID)
		if err != nil {
			continue // ls and verify say so
		}
		manifests[i], by[p.ID.String()] = m, nounIn(m)
	}
	return by, nounIn(manifests...), nil
}
