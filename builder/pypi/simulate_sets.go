package pypi

import (
	"context"
	"maps"
	"slices"

	"larder/builder"
	"larder/builder/pypi/index"
	"larder/popularity/simulate"
	"larder/snapshot/pypi/lock"
)

// SimulateSets is NewSimulation for the projects of resolved sets, whose needs are taken
// from the resolutions where the index has no metadata.
func SimulateSets(ctx context.Context, client *index.Client, target Target, cfg builder.Config, locks []simulate.Locked, cache string) (*Simulation, error) {
	projects, needs := map[string]bool{}, map[string][]string{}
	for _, l := range locks {
		pins, err := lock.Read(l.Lock, target.Markers)
		if err != nil {
			return nil, err
		}
		for _, p := range pins.Pins {
			projects[p.Name] = true
			for _, n := range l.Needs[p.Name] {
				if !slices.Contains(needs[p.Name], n) {
					needs[p.Name] = append(needs[p.Name], n)
				}
			}
			// A project that needs nothing there is known to, too.
			if needs[p.Name] == nil && l.Needs != nil {
				needs[p.Name] = []string{}
			}
		}
	}
	return NewSimulation(ctx, client, target, cfg, slices.Sorted(maps.Keys(projects)), needs, cache)
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
