package lock

import (
	"maps"
	"slices"

	"larder/snapshot/pypi/pep440"
)

// limit is what the constraints on one project come to, worked out once however many
// lines ask for the project.
type limit struct {
	lines   []requirement
	version pep440.Version // that one of them names outright
	exact   bool
	hashes  map[string]bool // that all of them allow; nil allows everything
	pinned  string          // the version of a line that was pinned
}

func (s *requirements) limit(name string) *limit {
	l := s.limits[name]
	if l != nil {
		return l
	}
	l = &limit{lines: s.constraints[name]}
	s.limits[name] = l
	for _, c := range l.lines {
		if !l.exact {
			l.version, l.exact = exact(c.req.Specifiers)
		}
		if c.hashes == nil {
			continue
		}
		allowed := make(map[string]bool, len(c.hashes))
		for _, h := range c.hashes {
			if l.hashes == nil || l.hashes[h] {
				allowed[h] = true
			}
		}
		l.hashes = allowed
	}
	return l
}

// against is the last constraint that a version does not satisfy, nil when there is none.
func (l *limit) against(v pep440.Version) *requirement {
	if l.pinned == v.Canonical() {
		return nil
	}
	for i := range slices.Backward(l.lines) {
		if !allows(l.lines[i].req.Specifiers, v) {
			return &l.lines[i]
		}
	}
	return nil
}

// common is what a line's hashes and the constraints' both allow; nil allows
// everything.
func (l *limit) common(hashes []string) []string {
	switch {
	case l.hashes == nil:
		return hashes
	case hashes == nil:
		return slices.AppendSeq([]string{}, maps.Keys(l.hashes))
	}
	return slices.DeleteFunc(hashes, func(h string) bool { return !l.hashes[h] })
}

// exact finds a version that some clause names outright.
func exact(list pep440.Specifiers) (pep440.Version, bool) {
	for i := range list {
		if v, ok := list[i : i+1].Exact(); ok {
			return v, true
		}
	}
	return pep440.Version{}, false
}

// allows is Contains, except that === compares versions and not their spelling.
func allows(list pep440.Specifiers, v pep440.Version) bool {
	for i := range list {
		one := list[i : i+1]
		e, ok := one.Exact()
		same := ok && one[0].Operator == "===" && e.Compare(v) == 0
		if !same && !one.Contains(v, true) {
			return false
		}
	}
	return true
}
