package lock

import (
	"cmp"
	"slices"
)

// ReadAll reads several locks that make one environment. What two of them pin must be
// the same version, with a hash in common if both have hashes; else they are refused. All files are opened by open.
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
	case a.SdistOnly || b.SdistOnly:
		a.SdistOnly, a.Hashes = true, nil
	case len(a.Hashes) == 0: // it takes any file of the version: the other decides
		a.Hashes = b.Hashes
	case len(b.Hashes) > 0:
		a.Hashes = slices.DeleteFunc(slices.Clone(a.Hashes), func(h string) bool { return !slices.Contains(b.Hashes, h) })
		if len(a.Hashes) == 0 {
			return Pin{}, position{}.refuse(fix, "%s==%s has other hashes in %s than in %s", a.Name, a.Version, a.at(), b.at())
		}
	}
	return a, nil
}
