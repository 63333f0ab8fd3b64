package lock

import (
	"cmp"
	"slices"
)

// ReadAll reads several locks that make one environment. What two of them pin must be
// the same version, with a file in common if both say which may be used; else they are refused. All
// files are opened by open.
func ReadAll(paths []string, env Environment, open Opener) (*Lock, error) {
	var locks []*Lock
	for _, path := range paths {
		l, err := read(path, env, open)
		if err != nil {
			return nil, err
		}
		locks = append(locks, l)
	}
	return union(locks)
}

func union(locks []*Lock) (*Lock, error) {
	all := &Lock{}
	for _, l := range locks {
		all.Pins = append(all.Pins, l.Pins...)
		all.LeftOut = append(all.LeftOut, l.LeftOut...)
	}
	slices.Sort(all.LeftOut)
	all.LeftOut = slices.Compact(all.LeftOut)
	slices.SortStableFunc(all.Pins, func(a, b Pin) int { return cmp.Compare(a.Name, b.Name) })
	n := 0 // pins before it are done
	for _, p := range all.Pins {
		if n > 0 && all.Pins[n-1].Name == p.Name {
			var err error
			if p, err = both(all.Pins[n-1], p); err != nil {
				return nil, err
			}
			n--
		}
		all.Pins[n] = p
		n++
	}
	all.Pins = all.Pins[:n]
	return all, nil
}

// both is the pin that satisfies two of one project.
func both(a, b Pin) (Pin, error) {
	const fix = "lock them together, or leave one out"
	if a.canonical() != b.canonical() {
		return Pin{}, position{}.refuse(fix, "%s is pinned to %s by %s and to %s by %s", a.Name, a.Version, a.at(), b.Version, b.at())
	}
	switch {
	case b.anyFile(): // the other decides
		return a, nil
	case a.anyFile():
		a.Hashes, a.Sources, a.SdistOnly = b.Hashes, b.Sources, b.SdistOnly
		return a, nil
	}
	untold := a.untold() || b.untold()
	a.Hashes, a.Sources = common(a.Hashes, b.Hashes), common(a.Sources, b.Sources)
	a.SdistOnly = len(a.Hashes) == 0
	if a.untold() && !untold {
		return Pin{}, position{}.refuse(fix, "%s==%s has other hashes in %s than in %s", a.Name, a.Version, a.at(), b.at())
	}
	return a, nil
}

// untold says that a lock lists only sources, and no digest of one.
func (p Pin) untold() bool { return p.SdistOnly && len(p.Sources) == 0 }

// common are the digests in both lists.
func common(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(h string) bool { return !slices.Contains(b, h) })
}
