package pep440

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// ErrVersion is wrapped by every error of Parse.
var ErrVersion = errors.New("not a PEP 440 version")

// maxText bounds one version or specifier; the longest on the public index is 66.
const maxText = 512

// number is decimal digits without leading zeros; "" means absent. Text instead
// of an integer because PEP 440 sets no limit and real dates overflow 64 bits.
type number string

func (n number) cmp(m number) int {
	if c := cmp.Compare(len(n), len(m)); c != 0 {
		return c
	}
	return strings.Compare(string(n), string(m))
}

type preKind int8

const (
	preNone preKind = iota
	preA
	preB
	preRC
)

func (k preKind) String() string { return [...]string{"", "a", "b", "rc"}[k] }

// Version is one parsed version. The zero value is no version: only Parse makes
// one. Two spellings of a version ("1.0" and "1.0.0") are different values that
// Same says whether "==a" takes version b: as pip reads it, with the local builds of a.
func Same(a, b string) bool {
	s, err := ParseSpecifiers("==" + a)
	return a == b || err == nil && s.ContainsText(b, true)
}

// Compare as equal, so compare with Compare and index maps with Canonical.
type Version struct {
	epoch   number
	release []number
	pre     preKind
	preN    number
	post    number
	dev     number
	local   []string // normalised segments: lower case, or digits without leading zeros
}

// Parse reads one version. White space around it is allowed, as in packaging.
func Parse(text string) (Version, error) {
	if len(text) > maxText {
		return Version{}, fmt.Errorf("%w: longer than %d bytes", ErrVersion, maxText)
	}
	v, rest, ok := scan(strings.TrimFunc(text, isSpace))
	if !ok || rest != "" {
		return Version{}, fmt.Errorf("%w: %q", ErrVersion, text)
	}
	return v, nil
}

// isSpace is Python's notion: unicode.IsSpace and the four separators that
// str.isspace counts too.
func isSpace(r rune) bool {
	return unicode.IsSpace(r) || (r >= 0x1c && r <= 0x1f)
}

// IsZero tells whether v is the zero value, that is no version at all.
func (v Version) IsZero() bool { return v.release == nil }

// String is the normalised form, release zeros kept: "v1.0.0-Alpha1" is "1.0.0a1".
func (v Version) String() string { return v.text(v.release) }

// Canonical is String without the trailing zeros of the release: one text for
// all spellings of equal versions. Do not show it to people.
func (v Version) Canonical() string {
	r := trim(v.release)
	if len(r) == 0 && len(v.release) > 0 {
		r = v.release[:1]
	}
	return v.text(r)
}

func (v Version) text(release []number) string {
	var b strings.Builder
	if v.epoch != "0" && v.epoch != "" {
		b.WriteString(string(v.epoch) + "!")
	}
	for i, n := range release {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(string(n))
	}
	if v.pre != preNone {
		b.WriteString(v.pre.String() + string(v.preN))
	}
	if v.post != "" {
		b.WriteString(".post" + string(v.post))
	}
	if v.dev != "" {
		b.WriteString(".dev" + string(v.dev))
	}
	if len(v.local) > 0 {
		b.WriteString("+" + strings.Join(v.local, "."))
	}
	return b.String()
}

// IsPrerelease tells whether v is an alpha, beta, release candidate or
// development release.
func (v Version) IsPrerelease() bool { return v.pre != preNone || v.dev != "" }

// IsLocal tells whether v has a local label ("+cu121").
func (v Version) IsLocal() bool { return len(v.local) > 0 }

// Compare orders two versions as PEP 440 does: negative, zero or positive.
func (v Version) Compare(w Version) int {
	if c := v.comparePublic(w); c != 0 {
		return c
	}
	return compareLocal(v.local, w.local)
}

func (v Version) comparePublic(w Version) int {
	if c := v.epoch.cmp(w.epoch); c != 0 {
		return c
	}
	if c := compareRelease(v.release, w.release); c != 0 {
		return c
	}
	if c := cmp.Compare(v.preRank(), w.preRank()); c != 0 {
		return c
	}
	if c := v.preN.cmp(w.preN); c != 0 {
		return c
	}
	// Absent sorts before any post-release ("" is shorter than "0") …
	if c := v.post.cmp(w.post); c != 0 {
		return c
	}
	// … but after any development release.
	if (v.dev == "") != (w.dev == "") {
		if v.dev == "" {
			return 1
		}
		return -1
	}
	return v.dev.cmp(w.dev)
}

// preRank: a bare development release sorts before every alpha, a release
// without pre-release part after every candidate.
func (v Version) preRank() int {
	switch {
	case v.pre != preNone:
		return int(v.pre)
	case v.post == "" && v.dev != "":
		return 0
	}
	return int(preRC) + 1
}

func trim(release []number) []number {
	for len(release) > 0 && release[len(release)-1] == "0" {
		release = release[:len(release)-1]
	}
	return release
}

func compareRelease(a, b []number) int {
	for i := 0; i < len(a) || i < len(b); i++ {
		if c := at(a, i).cmp(at(b, i)); c != 0 {
			return c
		}
	}
	return 0
}

func at(release []number, i int) number {
	if i < len(release) {
		return release[i]
	}
	return "0"
}

// compareLocal: no label first, then segment by segment, text before numbers,
// a shorter label before its own continuation.
func compareLocal(a, b []string) int {
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		xn, yn := allDigits(x), allDigits(y)
		var c int
		switch {
		case xn && yn:
			c = number(x).cmp(number(y))
		case xn:
			c = 1
		case yn:
			c = -1
		default:
			c = strings.Compare(x, y)
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}
