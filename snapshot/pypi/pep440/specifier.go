package pep440

import (
	"errors"
	"fmt"
	"strings"
)

// ErrSpecifier is wrapped by every error of ParseSpecifiers.
var ErrSpecifier = errors.New("not a version specifier")

// Specifier is one clause of Specifiers, such as ">=3.8" or "==1.2.*".
type Specifier struct {
	Operator string // one of ~= == != <= >= < > ===
	Text     string // the version as written, ".*" included
	version  Version
	wildcard bool
}

// Specifiers is a list of clauses; a version must satisfy all of them. Empty
// lists are satisfied by every version.
type Specifiers []Specifier

// maxClauses keeps a hostile list from taking memory; real ones have a dozen.
const maxClauses = 1000

var operators = [...]string{"===", "~=", "==", "!=", "<=", ">=", "<", ">"}

// ParseSpecifiers reads a comma separated list. Empty items are ignored and the
// empty string is the empty list, as in packaging.
func ParseSpecifiers(text string) (Specifiers, error) {
	var list Specifiers
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimFunc(item, isSpace)
		if item == "" {
			continue
		}
		if len(list) == maxClauses {
			return nil, fmt.Errorf("%w: more than %d clauses", ErrSpecifier, maxClauses)
		}
		s, err := ParseSpecifier(item)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// ParseSpecifier reads one clause. Only "===" may have a comma in its version.
func ParseSpecifier(item string) (Specifier, error) {
	var s Specifier
	item = strings.TrimFunc(item, isSpace)
	if len(item) > maxText {
		return s, fmt.Errorf("%w: longer than %d bytes", ErrSpecifier, maxText)
	}
	for _, op := range operators {
		if rest, ok := strings.CutPrefix(item, op); ok {
			s.Operator, s.Text = op, strings.TrimFunc(rest, isSpace)
			break
		}
	}
	bad := func(why string) (Specifier, error) {
		return Specifier{}, fmt.Errorf("%w: %q: %s", ErrSpecifier, item, why)
	}
	if s.Operator == "" {
		return bad("begins with none of " + strings.Join(operators[:], " "))
	}
	if s.Operator == "===" {
		if strings.ContainsFunc(s.Text, func(r rune) bool { return isSpace(r) || r == ';' || r == ')' }) {
			return bad("white space, ; or ) in the version")
		}
		s.version, _ = Parse(s.Text) // any text is allowed here
		return s, nil
	}
	base, wildcard := strings.CutSuffix(s.Text, ".*")
	v, rest, ok := scan(base)
	if !ok || rest != "" {
		return bad(ErrVersion.Error())
	}
	s.version, s.wildcard = v, wildcard
	equality := s.Operator == "==" || s.Operator == "!="
	switch {
	case wildcard && !equality:
		return bad(".* needs == or !=")
	case wildcard && (v.pre != preNone || v.post != "" || v.dev != "" || v.IsLocal()):
		return bad(".* after more than a release")
	case v.IsLocal() && !equality:
		return bad("a local label needs == or !=")
	case s.Operator == "~=" && len(v.release) < 2:
		return bad("~= needs a version of two parts or more")
	}
	return s, nil
}

// String is the list as written, without white space.
func (l Specifiers) String() string {
	parts := make([]string, len(l))
	for i, s := range l {
		parts[i] = s.Operator + s.Text
	}
	return strings.Join(parts, ",")
}

// Contains tells whether v satisfies every clause. With prereleases false no
// pre-release ever does, whatever the clauses say.
func (l Specifiers) Contains(v Version, prereleases bool) bool {
	return l.contains(v, v.String(), prereleases)
}

// ContainsText is Contains for a version still in its written form: "===" then
// compares that text, and what is no version satisfies only "===".
func (l Specifiers) ContainsText(text string, prereleases bool) bool {
	v, _ := Parse(text)
	return l.contains(v, text, prereleases)
}

func (l Specifiers) contains(v Version, text string, prereleases bool) bool {
	if !prereleases && v.IsPrerelease() {
		return false
	}
	for _, s := range l {
		if !s.matches(v, text) {
			return false
		}
	}
	return true
}

// Exact returns the one version that the list can mean: some clause is ==V or
// ===V without wildcard, and V satisfies the others. ===V with a V that is no
// version is not exact.
func (l Specifiers) Exact() (Version, bool) {
	for _, s := range l {
		if (s.Operator == "==" || s.Operator == "===") && !s.wildcard && !s.version.IsZero() {
			return s.version, l.Contains(s.version, true) || l.ContainsText(s.Text, true)
		}
	}
	return Version{}, false
}

func (s Specifier) matches(v Version, text string) bool {
	if s.Operator == "===" {
		return strings.EqualFold(text, s.Text)
	}
	if v.IsZero() {
		return false
	}
	w := s.version
	switch s.Operator {
	case "==":
		return s.equal(v)
	case "!=":
		return !s.equal(v)
	case ">=":
		return v.Compare(w) >= 0
	case "<=": // a local version of w is as good as w
		return v.comparePublic(w) <= 0
	case "~=":
		return v.Compare(w) >= 0 && v.hasPrefix(w, len(w.release)-1)
	case "<": // <1.0 does not take the pre-releases of 1.0 …
		if !w.IsPrerelease() {
			w.dev = "0"
		}
		return v.Compare(w) < 0
	case ">": // … nor >1.0 its post-releases and local versions
		if v.Compare(w) <= 0 || v.comparePublic(w) == 0 {
			return false
		}
		family := v.epoch == w.epoch && compareRelease(v.release, w.release) == 0 &&
			v.pre == w.pre && v.preN == w.preN
		return w.dev != "" || w.post != "" || !family
	}
	return false
}

func (s Specifier) equal(v Version) bool {
	switch {
	case s.wildcard:
		return v.hasPrefix(s.version, len(s.version.release))
	case s.version.IsLocal():
		return v.Compare(s.version) == 0
	}
	return v.comparePublic(s.version) == 0
}

// hasPrefix tells whether the first n parts of the releases (missing ones are
// zero) and the epochs agree.
func (v Version) hasPrefix(w Version, n int) bool {
	for i := range n {
		if at(v.release, i) != at(w.release, i) {
			return false
		}
	}
	return v.epoch == w.epoch
}
