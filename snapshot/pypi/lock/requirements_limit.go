package lock

import "larder/snapshot/pypi/pep440"

// limit is what the constraints on one project come to, worked out once however many
// lines ask for the project.
type limit struct {
	lines   []requirement
	version pep440.Version // that one of them names outright
	exact   bool
	hashes  map[string]bool // that all of them allow; nil allows everything
	judged  map[string]*requirement
	pinned  bool // a line of the project was pinned
}

func (s *requirements) limit(name string) *limit {
	l := s.limits[name]
	if l != nil {
		return l
	}
	l = &limit{lines: s.constraints[name], judged: make(map[string]*requirement)}
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
	key := v.Canonical()
	line, ok := l.judged[key]
	if ok {
		return line
	}
	for i := range l.lines {
		if !allows(l.lines[i].req.Specifiers, v) {
			line = &l.lines[i]
		}
	}
	l.judged[key] = line
	return line
}

// common is what a line's hashes and the constraints' both allow; nil allows
// everything.
func (l *limit) common(hashes []string) []string {
	if l.hashes == nil {
		return hashes
	}
	both := []string{}
	if hashes == nil {
		for h := range l.hashes {
			both = append(both, h)
		}
		return both
	}
	for _, h := range hashes {
		if l.hashes[h] {
			both = append(both, h)
		}
	}
	return both
}
