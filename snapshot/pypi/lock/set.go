package lock

import (
	"cmp"
	"slices"
	"strings"

	"larder/snapshot/pypi/pep440"
	"larder/snapshot/pypi/pep508"
)

// maxPins bounds the projects of one lock.
const maxPins = 20_000

// pinSet collects the pins of one lock for one environment. All formats fill it:
// it normalises, refuses two versions of one project and evaluates markers.
type pinSet struct {
	env     Environment
	pins    map[string]*Pin
	leftOut []string
}

// lock is what was collected.
func (s *pinSet) lock() *Lock {
	list := make([]Pin, 0, len(s.pins))
	for _, pin := range s.pins {
		if pin.anyFile() {
			pin.Sources = nil // those of some file of the version would say nothing
		}
		for _, digests := range []*[]string{&pin.Hashes, &pin.Sources} {
			slices.Sort(*digests)
			*digests = slices.Compact(*digests)
		}
		list = append(list, *pin)
	}
	slices.SortFunc(list, func(a, b Pin) int { return cmp.Compare(a.Name, b.Name) })
	slices.Sort(s.leftOut)
	return &Lock{Pins: list, LeftOut: slices.Compact(s.leftOut)}
}

// leaveOut notes a source tree of the user's that the lock names.
func (s *pinSet) leaveOut(name string) { s.leftOut = append(s.leftOut, pep508.Normalize(name)) }

// add takes one pin in, checks and normalises it, and merges it with what is
// already known of the project: the files of both may be used.
func (s *pinSet) add(pin Pin) error {
	if !pep508.ValidName(pin.Name) {
		return pin.at().refuse("correct the name", "%s is no project name", show(pin.Name))
	}
	pin.Name = pep508.Normalize(pin.Name)
	v, err := pep440.Parse(pin.Version)
	if err != nil {
		return pin.at().refuse("lock a release with a version as PEP 440 writes it", "%s: %s is no version", pin.Name, show(pin.Version))
	}
	pin.Version = v.String()
	old := s.pins[pin.Name]
	if old == nil {
		if len(s.pins) == maxPins {
			return pin.at().refuse("use a smaller lock", "more than %d projects", maxPins)
		}
		s.pins[pin.Name] = &pin
		return nil
	}
	if w, _ := pep440.Parse(old.Version); v.Compare(w) != 0 {
		return pin.at().refuse("keep one of the two, or give them markers that do not hold together",
			"%s %s, but %s pins %s", pin.Name, pin.Version, old.at(), old.Version)
	}
	old.SdistOnly = old.SdistOnly && pin.SdistOnly
	old.Hashes = append(old.Hashes, pin.Hashes...) // sorted at the end: a hostile lock repeats a pin often
	old.Sources = append(old.Sources, pin.Sources...)
	return nil
}

// marker evaluates a marker of a lock; no text always holds.
func (s *pinSet) marker(at position, text string, extras, groups []string) (bool, error) {
	if text == "" {
		return true, nil
	}
	m, err := pep508.ParseMarker(text)
	ok := false
	if err == nil {
		ok, err = m.EvaluateLock(s.env, extras, groups)
	}
	if err != nil {
		return false, at.refuse(remake, "%s", err)
	}
	return ok, nil
}

// anyMarker tells whether one of several markers holds.
func (s *pinSet) anyMarker(at position, texts, extras []string) (bool, error) {
	holds := false
	for _, text := range texts {
		ok, err := s.marker(at, text, extras, nil)
		if err != nil {
			return false, err
		}
		holds = holds || ok
	}
	return holds, nil
}

// requiresPython refuses when the environment's Python is not allowed.
// Pre-releases of Python are.
func (s *pinSet) requiresPython(at position, who, clause string) error {
	list, err := pep440.ParseSpecifiers(clause)
	if err != nil {
		return at.refuse("correct it", "requires-python: %s", err)
	}
	if !list.ContainsText(s.python(), true) {
		return at.refuse("choose another target, or lock for this Python", "%s needs Python %s, the target has %s",
			who, show(clause), show(s.env["python_full_version"]))
	}
	return nil
}

// python is the version of the environment's Python; an untagged build has a "+".
func (s *pinSet) python() string { return strings.TrimSuffix(s.env["python_full_version"], "+") }

// forEnvironment refuses when the lock names environments and none of them holds.
func (s *pinSet) forEnvironment(at position, markers []string) error {
	for _, text := range markers {
		ok, err := s.marker(at, text, nil, nil)
		if ok || err != nil {
			return err
		}
	}
	if len(markers) > 0 {
		return at.refuse("choose another target, or lock for this one too", "is for other environments: %s", show(strings.Join(markers, " | ")))
	}
	return nil
}

// digest tells whether s is a SHA-256 as locks write it; it returns lower case.
func digest(s string) (string, bool) {
	s = strings.ToLower(s) // copies only what has upper case
	return s, len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// hash reads "sha256:<hex>"; false means another algorithm.
func hash(s string) (string, bool) {
	hex, ok := strings.CutPrefix(s, "sha256:")
	if !ok {
		return "", false
	}
	return digest(hex)
}
