package pep508

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"larder/snapshot/pypi/pep440"
)

var (
	// ErrMarker is wrapped by every error of a marker's grammar.
	ErrMarker = errors.New("not an environment marker")
	// ErrUndefined is wrapped when a well-formed marker has no value: it names
	// something that the environment lacks, or compares what cannot be compared.
	ErrUndefined = errors.New("undefined environment marker")
)

// Marker is a parsed marker. The zero value is no marker: it always holds.
type Marker struct {
	text string
	any  [][]term // or of ands
}

// term is a comparison, or a parenthesised marker when group is set.
type term struct {
	group    *Marker
	op       string
	lhs, rhs operand
}

type operand struct {
	value    string
	variable bool
}

const (
	maxDepth = 100     // of parentheses; real markers nest to three
	maxText  = 1 << 18 // bytes of a marker or requirement; uv's longest markers have some 10,000
)

var variables = [...]string{
	"python_version", "python_full_version", "os_name", "os.name", "sys_platform", "sys.platform",
	"platform_release", "platform_system",
	"platform_version", "platform.version", "platform_machine", "platform.machine",
	"platform_python_implementation", "platform.python_implementation", "python_implementation",
	"implementation_name", "implementation_version", "extras", "extra", "dependency_groups",
}

// ParseMarker reads one marker.
func ParseMarker(text string) (Marker, error) {
	if len(text) > maxText {
		return Marker{}, fmt.Errorf("%w: longer than %d bytes", ErrMarker, maxText)
	}
	s := scanner{text: text}
	m, err := s.marker(0)
	if err == nil && !s.end() {
		err = s.errorf(ErrMarker, `expected "and", "or" or the end`)
	}
	if err != nil {
		return Marker{}, err
	}
	return m, nil
}

// IsZero tells whether there is no marker.
func (m Marker) IsZero() bool { return m.any == nil }

// String is the marker as written.
func (m Marker) String() string { return m.text }

func (s *scanner) marker(depth int) (Marker, error) {
	if depth > maxDepth {
		return Marker{}, s.errorf(ErrMarker, "more than %d nested parentheses", maxDepth)
	}
	from := s.pos
	m := Marker{any: make([][]term, 1)}
	for {
		t, err := s.term(depth)
		if err != nil {
			return Marker{}, err
		}
		last := len(m.any) - 1
		m.any[last] = append(m.any[last], t)
		s.space()
		if s.word("or") {
			m.any = append(m.any, nil)
		} else if !s.word("and") {
			m.text = strings.Trim(s.text[from:s.pos], " \t")
			return m, nil
		}
	}
}

func (s *scanner) term(depth int) (term, error) {
	s.space()
	if s.take("(") {
		g, err := s.marker(depth + 1)
		if err != nil {
			return term{}, err
		}
		if !s.take(")") {
			return term{}, s.errorf(ErrMarker, `expected "and", "or" or )`)
		}
		return term{group: &g}, nil
	}
	var t term
	var err error
	if t.lhs, err = s.operand(); err != nil {
		return t, err
	}
	s.space()
	if t.op, err = s.operator(); err != nil {
		return t, err
	}
	s.space()
	if t.rhs, err = s.operand(); err != nil {
		return t, err
	}
	// Names of extras are compared normalised.
	if t.lhs.variable && t.lhs.value == "extra" && !t.rhs.variable {
		t.rhs.value = Normalize(t.rhs.value)
	} else if t.rhs.variable && !t.lhs.variable && slices.Contains([]string{"extra", "extras", "dependency_groups"}, t.rhs.value) {
		t.lhs.value = Normalize(t.lhs.value)
	}
	return t, nil
}

func (s *scanner) operand() (operand, error) {
	for _, v := range variables {
		if s.word(v) {
			v = strings.ReplaceAll(v, ".", "_")
			if v == "python_implementation" {
				v = "platform_python_implementation"
			}
			return operand{v, true}, nil
		}
	}
	q, ok, err := s.quoted()
	if !ok && err == nil {
		err = s.errorf(ErrMarker, "expected a marker variable or a quoted string")
	}
	return operand{value: q}, err
}

func (s *scanner) operator() (string, error) {
	if s.word("in") {
		return "in", nil
	}
	if s.word("not") {
		if !s.space() || !s.word("in") {
			return "", s.errorf(ErrMarker, `expected "in" after "not"`)
		}
		return "not in", nil
	}
	for _, op := range [...]string{"===", "==", "~=", "!=", "<=", ">=", "<", ">"} {
		if s.take(op) {
			return op, nil
		}
	}
	return "", s.errorf(ErrMarker, "expected a comparison: one of <= < != == >= > ~= === in, not in")
}

// Evaluate tells whether the marker holds in env. With several extras it holds
// when it holds for one of them, each taken alone, as pip does; without extras,
// `extra` is the empty text.
func (m Marker) Evaluate(env map[string]string, extras ...string) (bool, error) {
	if m.IsZero() {
		return true, nil
	}
	if len(extras) == 0 {
		extras = []string{""}
	}
	for _, x := range extras {
		ok, err := m.eval(scope{env: env, extra: Normalize(x)})
		if ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// EvaluateLock evaluates a marker of a lock file, where the sets `extras` and
// `dependency_groups` are known. uv and Poetry also write `extra == "x"` in
// locks and mean that x is among the extras; so it is here.
func (m Marker) EvaluateLock(env map[string]string, extras, groups []string) (bool, error) {
	if m.IsZero() {
		return true, nil
	}
	return m.eval(scope{env: env, lock: true, extras: normalizeAll(extras), groups: normalizeAll(groups)})
}

func normalizeAll(names []string) []string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = Normalize(n)
	}
	return list
}

type scope struct {
	env            map[string]string
	lock           bool
	extra          string
	extras, groups []string
}

func (m Marker) eval(sc scope) (bool, error) {
	result := false
	for _, and := range m.any {
		all := true
		for _, t := range and {
			var ok bool
			var err error
			if t.group != nil {
				ok, err = t.group.eval(sc)
			} else {
				ok, err = t.eval(sc)
			}
			if err != nil {
				return false, err
			}
			all = all && ok
		}
		result = result || all
	}
	return result, nil
}

// eval follows packaging: when the left side is quoted text, the right side
// names the variable, even if it is quoted too.
func (t term) eval(sc scope) (bool, error) {
	key := t.lhs.value
	if !t.lhs.variable {
		key = t.rhs.value
	}
	if set, ok := sc.set(key); ok {
		return t.evalSet(key, set)
	}
	value, ok := sc.value(key)
	if !ok {
		return false, fmt.Errorf("%w: no value for %q here", ErrUndefined, key)
	}
	if t.lhs.variable {
		return compare(key, value, t.op, t.rhs.value)
	}
	return compare(key, t.lhs.value, t.op, value)
}

func (sc scope) value(key string) (string, bool) {
	if key == "extra" {
		return sc.extra, true
	}
	v, ok := sc.env[key]
	if key == "python_full_version" && strings.HasSuffix(v, "+") {
		v += "local" // an untagged build of Python: "3.14.0a1+"
	}
	return v, ok
}

func (sc scope) set(key string) ([]string, bool) {
	switch {
	case !sc.lock:
	case key == "extras" || key == "extra":
		return sc.extras, true
	case key == "dependency_groups":
		return sc.groups, true
	}
	return nil, false
}

func (t term) evalSet(key string, set []string) (bool, error) {
	if key == "extra" {
		name := t.rhs.value
		if !t.lhs.variable {
			name = t.lhs.value
		}
		switch t.op {
		case "==":
			return slices.Contains(set, name), nil
		case "!=":
			return !slices.Contains(set, name), nil
		}
	} else if !t.lhs.variable {
		switch t.op {
		case "in":
			return slices.Contains(set, t.lhs.value), nil
		case "not in", "!=": // text never equals a set
			return t.op == "!=" || !slices.Contains(set, t.lhs.value), nil
		case "==", "<=", ">=", "<", ">":
			return false, nil
		}
	}
	return false, fmt.Errorf("%w: %q is a set, %s cannot be used that way", ErrUndefined, key, t.op)
}

func compare(key, lhs, op, rhs string) (bool, error) {
	switch key {
	case "python_version", "python_full_version", "implementation_version", "platform_release":
		if clause, err := pep440.ParseSpecifier(op + rhs); err == nil {
			return pep440.Specifiers{clause}.ContainsText(lhs, true), nil
		}
	}
	switch op {
	case "in":
		return strings.Contains(rhs, lhs), nil
	case "not in":
		return !strings.Contains(rhs, lhs), nil
	case "==", "<=", ">=":
		return lhs == rhs, nil
	case "!=":
		return lhs != rhs, nil
	case "<", ">":
		return false, nil
	}
	return false, fmt.Errorf("%w: %q %s %q compares no versions", ErrUndefined, lhs, op, rhs)
}
