package pins

import (
	"cmp"
	"slices"
	"strings"

	"larder/snapshot/pypi/pep440"
	"larder/snapshot/pypi/pep508"
)

// Environment is the values that markers are evaluated with.
type Environment map[string]string

// Pin is one project at one version.
type Pin struct {
	Name      string   // normalised
	Version   string   // normalised, as the lock writes it: "1.0.0" stays apart from "1.0"
	Hashes    []string // hex SHA-256 of files that may be used, sorted; empty: any file of the version
	SdistOnly bool     // the lock lists files, and none is a wheel
	File      string   // where it stands, for messages
	Line      int      // 0 when not known
}

// maxPins bounds the projects of one lock.
const maxPins = 20_000

// Set collects the pins of one lock for one environment.
type Set struct {
	Env     Environment
	pins    map[string]*Pin
	leftOut []string
}

// Pins returns what was added, sorted by name.
func (s *Set) Pins() []Pin {
	list := make([]Pin, 0, len(s.pins))
	for _, pin := range s.pins {
		slices.Sort(pin.Hashes)
		pin.Hashes = slices.Compact(pin.Hashes)
		list = append(list, *pin)
	}
	slices.SortFunc(list, func(a, b Pin) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// LeaveOut notes a source tree of the user's that the lock names.
func (s *Set) LeaveOut(name string) { s.leftOut = append(s.leftOut, pep508.Normalize(name)) }

// LeftOut returns the names given to LeaveOut, sorted, each once.
func (s *Set) LeftOut() []string {
	slices.Sort(s.leftOut)
	return slices.Compact(s.leftOut)
}

// Add takes one pin in, checks and normalises it, and merges it with what is
// already known of the project: the hashes of both may be used.
func (s *Set) Add(pin Pin) error {
	if !pep508.ValidName(pin.Name) {
		return Refuse(pin.File, pin.Line, "correct the name", "%s is no project name", Show(pin.Name))
	}
	pin.Name = pep508.Normalize(pin.Name)
	v, err := pep440.Parse(pin.Version)
	if err != nil {
		return Refuse(pin.File, pin.Line, "lock a release with a version as PEP 440 writes it", "%s: %s is no version", pin.Name, Show(pin.Version))
	}
	pin.Version = v.String()
	old := s.pins[pin.Name]
	if old == nil {
		if len(s.pins) == maxPins {
			return Refuse(pin.File, pin.Line, "use a smaller lock", "more than %d projects", maxPins)
		}
		if s.pins == nil {
			s.pins = make(map[string]*Pin)
		}
		s.pins[pin.Name] = &pin
		return nil
	}
	if w, _ := pep440.Parse(old.Version); v.Compare(w) != 0 {
		return Refuse(pin.File, pin.Line, "keep one of the two, or give them markers that do not hold together",
			"%s %s, but %s pins %s", pin.Name, pin.Version, Where(old.File, old.Line), old.Version)
	}
	old.SdistOnly = old.SdistOnly && pin.SdistOnly
	old.Hashes = append(old.Hashes, pin.Hashes...) // sorted by Pins: a hostile lock repeats a pin often
	return nil
}

// Digest tells whether s is a digest as locks write it; it returns lower case. (A lock has
// thousands, nearly all in lower case already: nothing is decoded or copied for those.)
func Digest(s string) (string, bool) {
	if len(s) != 64 {
		return "", false
	}
	upper := false
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'f':
		case c >= 'A' && c <= 'F':
			upper = true
		default:
			return "", false
		}
	}
	if upper {
		s = strings.ToLower(s)
	}
	return s, true
}

// Hash reads "sha256:<hex>"; false means another algorithm.
func Hash(s string) (string, bool) {
	digest, ok := strings.CutPrefix(s, "sha256:")
	if !ok {
		return "", false
	}
	return Digest(digest)
}
