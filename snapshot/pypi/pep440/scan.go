package pep440

import (
	"cmp"
	"strings"
)

// The grammar is the VERSION_PATTERN of packaging 26.3, read left to right: its
// quantifiers are possessive, so one pass without going back gives the same
// answer. What is optional is taken whenever it is there.

var preWords = [...]struct {
	word string
	kind preKind
}{ // longest first where one begins another
	{"alpha", preA}, {"a", preA}, {"beta", preB}, {"b", preB},
	{"preview", preRC}, {"pre", preRC}, {"c", preRC}, {"rc", preRC},
}

var postWords = [...]string{"post", "rev", "r"}

// scan reads the longest version that begins s and returns what is left.
func scan(s string) (v Version, rest string, ok bool) {
	if s != "" && (s[0] == 'v' || s[0] == 'V') {
		s = s[1:]
	}
	v.epoch = "0"
	if n, r := digits(s); n != "" && strings.HasPrefix(r, "!") {
		v.epoch, s = n, r[1:]
	}
	n, s := digits(s)
	if n == "" {
		return Version{}, s, false
	}
	v.release = append(v.release, n)
	for strings.HasPrefix(s, ".") {
		n, r := digits(s[1:])
		if n == "" {
			break
		}
		v.release, s = append(v.release, n), r
	}
	s = v.scanPre(s)
	s = v.scanPost(s)
	if r, ok := word(separator(s), "dev"); ok {
		v.dev, s = counter(r)
	}
	if strings.HasPrefix(s, "+") {
		if local, r := scanLocal(s[1:]); local != nil {
			v.local, s = local, r
		}
	}
	return v, s, true
}

func (v *Version) scanPre(s string) string {
	for _, w := range preWords {
		if r, ok := word(separator(s), w.word); ok {
			v.pre = w.kind
			v.preN, r = counter(r)
			return r
		}
	}
	return s
}

func (v *Version) scanPost(s string) string {
	if strings.HasPrefix(s, "-") { // "1.0-1"
		if n, r := digits(s[1:]); n != "" {
			v.post = n
			return r
		}
	}
	for _, w := range postWords {
		if r, ok := word(separator(s), w); ok {
			v.post, r = counter(r)
			return r
		}
	}
	return s
}

// scanLocal returns nil when s does not begin with a local label.
func scanLocal(s string) (local []string, rest string) {
	for {
		n := 0
		for n < len(s) && isAlnum(s[n]) {
			n++
		}
		if n == 0 {
			return nil, s
		}
		seg := strings.ToLower(s[:n])
		if allDigits(seg) {
			num, _ := digits(seg)
			seg = string(num)
		}
		local, s = append(local, seg), s[n:]
		if len(s) < 2 || !isSeparator(s[0]) || !isAlnum(s[1]) {
			return local, s
		}
		s = s[1:]
	}
}

// counter reads "[._-]?[0-9]*": the number after a word, 0 when there is none.
func counter(s string) (number, string) {
	n, r := digits(separator(s))
	if n == "" {
		return "0", r
	}
	return n, r
}

// digits reads a run of decimal digits and drops its leading zeros.
func digits(s string) (number, string) {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	if n == 0 {
		return "", s
	}
	return cmp.Or(number(strings.TrimLeft(s[:n], "0")), "0"), s[n:]
}

func separator(s string) string {
	if s != "" && isSeparator(s[0]) {
		return s[1:]
	}
	return s
}

// word cuts the ASCII prefix w, in any case, off s.
func word(s, w string) (string, bool) {
	if len(s) < len(w) || !strings.EqualFold(s[:len(w)], w) { // of one length, so ASCII too
		return s, false
	}
	return s[len(w):], true
}

func isDigit(c byte) bool     { return c >= '0' && c <= '9' }
func isSeparator(c byte) bool { return c == '.' || c == '-' || c == '_' }
func isAlnum(c byte) bool {
	return isDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
}

func allDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
