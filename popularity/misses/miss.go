package misses

import (
	"cmp"
	"slices"
	"strings"

	"larder/snapshot/ecosystem"
)

// valid returns the miss with its names normalised, or false. It is asked both of what comes from an
// upper and of what is read back from a log. A line without an ecosystem is of the program's first.
func valid(m ecosystem.Miss) (ecosystem.Miss, bool) {
	switch m.Kind {
	case ecosystem.Downloaded, ecosystem.Built, ecosystem.Installed, ecosystem.Missing:
	default:
		return m, false
	}
	for _, e := range ecosystem.All() {
		if e.Leftovers != nil && (e.Name == m.Ecosystem || m.Ecosystem == "") {
			return e.Leftovers.Valid(m)
		}
	}
	return m, false
}

func compare(a, b ecosystem.Miss) int {
	return cmp.Or(strings.Compare(a.Ecosystem, b.Ecosystem), strings.Compare(a.Project, b.Project), strings.Compare(a.Version, b.Version),
		strings.Compare(a.Target, b.Target), strings.Compare(a.File, b.File), strings.Compare(a.Kind, b.Kind))
}

// sorted returns the misses in one order, each once.
func sorted(found map[ecosystem.Miss]bool) []ecosystem.Miss {
	out := make([]ecosystem.Miss, 0, len(found))
	for m := range found {
		out = append(out, m)
	}
	slices.SortFunc(out, compare)
	return out
}
