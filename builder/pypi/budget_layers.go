package pypi

import (
	"slices"

	"larder/builder"
	"larder/snapshot/pypi/pep440"
)

// A layer is a choice of its own, beside its wheel. What it takes is four to nine times the wheel; what
// it spares is the unpacking and compiling of a lock's packages, where the wheel spares a download
// from afar for every client there is. So a budget has for each wheel a second thing to take: its
// layers, which need the wheel, and the layers of what the wheel needs, since an environment is
// mounted whole.
//
// What this host's containers had to download somebody here installs: its layers are worth what the
// wheel is, and are left out only where they are much larger than others (machine code for
// accelerators, gigabytes of it). What is only ranked may never be asked for: its layers are worth a
// part of it, so that those of the most wanted, small wheels come before the last wheels of a ranking,
// and the cold rest is kept as wheels.

// layerWorth is into how many parts the hits of a ranked wheel are divided, one of which its layers
// are worth: where it takes four times the wheel, a quarter of its worth. Set once, not tuned.
const layerWorth = 16

// layersChosen says that layers are a choice.
func (s *planner) layersChosen() bool { return s.cfg.Layers == builder.AutoLayers }

// weighOptions finds what each option adds to the disk: its wheel with the layers that are made whatever
// the budget says, and the others.
func (s *planner) weighOptions() {
	newest := map[string]pep440.Version{}
	for _, o := range s.options {
		if v, err := pep440.Parse(o.picks[0].Version); err == nil && v.Compare(newest[o.picks[0].Project]) > 0 {
			newest[o.picks[0].Project] = v
		}
	}
	for _, o := range s.options {
		if o.disk == unweighable {
			continue
		}
		v, err := pep440.Parse(o.picks[0].Version)
		older := err == nil && v.Compare(newest[o.picks[0].Project]) < 0
		made := 0
		for _, p := range o.picks {
			if s.cfg.Layers == builder.AllLayers || p.Locked || p.Tool {
				made++
			}
			older = older && !p.Locked // a lock is paid for whole
		}
		unpacked := func(layers int) int64 {
			n := unpackedBytes(o.picks[0].Filename, o.picks[0].Size, layers)
			if older {
				n = n * sharedPercent / 100
			}
			return n
		}
		o.disk, o.layers = packedBytes(o.picks[0].Size, s.copies)+unpacked(made), 0
		if s.layersChosen() {
			o.layers = unpacked(len(o.picks)) - unpacked(made)
		}
	}
}

// withLayers adds the layers of each option, which expects so many hits, behind the wheels.
func (s *planner) withLayers(wheels []budgetWheel, hits []int64) []budgetWheel {
	if !s.layersChosen() {
		return wheels
	}
	n := len(s.options)
	for i, o := range s.options {
		l := budgetWheel{key: wheels[i].key + " layers", hits: hits[i] / layerWorth, bytes: o.layers, needs: []int{i}}
		if o.missed {
			l.hits = hits[i]
		}
		if o.disk >= unweighable {
			l.bytes = unweighable
		}
		for _, need := range o.needs {
			l.needs = append(l.needs, n+need)
		}
		wheels = append(wheels, l)
	}
	return wheels
}

// wheelsOf are the wheels of a choice, in its order.
func (s *planner) wheelsOf(choice budgetChoice) []int {
	return slices.DeleteFunc(slices.Clone(choice.wheels), func(i int) bool { return i >= len(s.options) })
}

// layersFrom is the smallest budget that unpacks option i; ok is false when none does.
func (s *planner) layersFrom(order *budgetOrder, i int) (bytes int64, ok bool) {
	switch s.cfg.Layers {
	case builder.AutoLayers:
		return order.threshold(len(s.options) + i)
	case builder.AllLayers:
		return order.threshold(i)
	}
	return never, false
}

// unpacked says whether the budget unpacks option i.
func (s *planner) unpacked(order *budgetOrder, i int) bool {
	from, ok := s.layersFrom(order, i)
	return ok && from <= s.ranked.Budget
}
