package pypi

import (
	"context"
	"maps"
	"slices"
	"strings"

	"larder/builder"
	"larder/builder/pypi/index"
	"larder/popularity/simulate"
	"larder/snapshot/pypi/lock"
	"larder/snapshot/pypi/pep440"
)

// SimulateSets is NewSimulation for the projects of resolved sets, whose needs are taken
// from the resolutions where the index has no metadata: from those that have the newest of
// a project's versions in them, since older ones need other versions.
func SimulateSets(ctx context.Context, client *index.Client, target Target, cfg builder.Config, locks []simulate.Locked, cache string) (*Simulation, error) {
	known, needs := map[string]pep440.Version{}, map[string][]string{}
	for _, l := range locks {
		pins, err := lock.Read(l.Lock, target.Markers)
		if err != nil {
			return nil, err
		}
		for _, p := range pins.Pins {
			version, err := pep440.Parse(p.Version)
			had, ok := known[p.Name]
			newer := !ok || err == nil && version.Compare(had) > 0
			if newer {
				known[p.Name] = version
				delete(needs, p.Name)
			}
			if l.Needs != nil && (newer || version.Compare(had) == 0) {
				needs[p.Name] = joined(needs[p.Name], l.Needs[p.Name])
			}
		}
	}
	return NewSimulation(ctx, client, target, cfg, slices.Sorted(maps.Keys(known)), needs, cache)
}

// joined is the requirements of both, never nil: a project that needs nothing there is known to,
// too. Of one project the first says at which version.
func joined(had, more []string) []string {
	all := append([]string{}, had...)
	for _, line := range more {
		name, _, _ := strings.Cut(line, "==")
		if !slices.ContainsFunc(all, func(other string) bool { return other == name || strings.HasPrefix(other, name+"==") }) {
			all = append(all, line)
		}
	}
	return all
}

// Wheels implements simulate.Index.
func (s *Simulation) Wheels(ctx context.Context, locks []simulate.Locked) (all []simulate.Resolved, lacking []simulate.Unstockable, err error) {
	for _, l := range locks {
		pins, err := lock.Read(l.Lock, s.target.Markers)
		if err != nil {
			return nil, nil, err
		}
		set := simulate.Resolved{ID: l.ID, Category: l.Category}
		lacks := simulate.Unstockable{ID: l.ID}
		for _, p := range pins.Requirements().Pins {
			p.Digests = nil // which of its wheels is the target's to say
			name, size, err := s.Wheel(ctx, &p)
			if err != nil {
				lacks.Pins, lacks.Reason = append(lacks.Pins, p.Name+"=="+p.Version), err.Error()
				continue
			}
			set.Wheels = append(set.Wheels, simulate.Wheel{Project: p.Name, Version: p.Version, Filename: name, Size: size})
		}
		if len(lacks.Pins) > 0 {
			lacking = append(lacking, lacks)
		}
		all = append(all, set)
	}
	return all, lacking, nil
}
