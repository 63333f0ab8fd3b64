package lock

import (
	"errors"
	"fmt"
	"strings"

	"larder/snapshot/pypi/pep440"
)

// constraint is one of Poetry's constraints: alternatives, of which one must hold.
type constraint []pep440.Specifiers

var errConstraint = errors.New("not a constraint of Poetry")

// parseConstraint reads Poetry's constraints: PEP 440 specifiers, "||" between
// alternatives, "^1.2" (up to the next change of the first number that is not 0),
// "~1.2", "1.2.*", a bare version, and "*" or nothing for any.
func parseConstraint(text string) (constraint, error) {
	var r constraint
	for alt := range strings.SplitSeq(text, "||") {
		var specs pep440.Specifiers
		for _, item := range strings.FieldsFunc(joinOperators(alt), func(c rune) bool { return c == ',' || c == ' ' }) {
			translated, err := clause(item)
			if err == nil && translated != "" {
				var more pep440.Specifiers
				more, err = pep440.ParseSpecifiers(translated)
				specs = append(specs, more...)
			}
			if err != nil {
				return nil, fmt.Errorf("%w: %s", errConstraint, show(text))
			}
		}
		r = append(r, specs)
	}
	return r, nil
}

// joinOperators removes the white space after operators, so that what is left
// separates clauses.
func joinOperators(s string) string {
	var b strings.Builder
	last := byte(' ')
	for i := range len(s) {
		if s[i] == ' ' && strings.IndexByte("<>=!~^", last) >= 0 {
			continue
		}
		last = s[i]
		b.WriteByte(last)
	}
	return b.String()
}

func clause(item string) (string, error) {
	switch {
	case item == "*":
		return "", nil
	case strings.HasPrefix(item, "^"):
		return caret(item[1:])
	case strings.HasPrefix(item, "~") && !strings.HasPrefix(item, "~="):
		return tilde(item[1:])
	case strings.IndexByte("<>!~=", item[0]) < 0:
		return "==" + item, nil
	case item[0] == '=' && !strings.HasPrefix(item, "=="):
		return "=" + item, nil
	}
	return item, nil
}

// caret: ^1.2.3 is >=1.2.3,<2; ^0.2.3 is >=0.2.3,<0.3; ^0.0.3 is >=0.0.3,<0.0.4.
func caret(v string) (string, error) {
	parts := releaseParts(v)
	for i, part := range parts {
		if strings.Trim(part, "0") != "" || i == len(parts)-1 {
			return ">=" + v + ",==" + atMost(parts[:i+1]), nil
		}
	}
	return "", errConstraint
}

// tilde: ~1.2.3 and ~1.2 are 1.2.*, ~1 is 1.*.
func tilde(v string) (string, error) {
	parts := releaseParts(v)
	if len(parts) == 0 {
		return "", errConstraint
	}
	return ">=" + v + ",==" + atMost(parts[:min(2, len(parts))]), nil
}

func atMost(parts []string) string { return strings.Join(parts, ".") + ".*" }

func releaseParts(v string) []string {
	n := 0
	for n < len(v) && (v[n] == '.' || v[n] >= '0' && v[n] <= '9') {
		n++
	}
	return strings.FieldsFunc(v[:n], func(c rune) bool { return c == '.' })
}

func (r constraint) contains(v pep440.Version) bool {
	for _, alt := range r {
		if alt.Contains(v, true) {
			return true
		}
	}
	return len(r) == 0
}
