package pep508

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// scanner walks the text of one requirement or marker. Errors give the column
// and never the text itself: a URL in it may carry a password.
type scanner struct {
	text string
	pos  int
}

func (s *scanner) errorf(sentinel error, format string, args ...any) error {
	return fmt.Errorf("%w: %s at column %d", sentinel, fmt.Sprintf(format, args...), s.pos+1)
}

func (s *scanner) rest() string { return s.text[s.pos:] }
func (s *scanner) end() bool    { return s.pos == len(s.text) }

// space skips blanks and tabs; a line break is not white space here.
func (s *scanner) space() bool {
	from := s.pos
	for !s.end() && (s.text[s.pos] == ' ' || s.text[s.pos] == '\t') {
		s.pos++
	}
	return s.pos > from
}

// take skips lit if it is next.
func (s *scanner) take(lit string) bool {
	if strings.HasPrefix(s.rest(), lit) {
		s.pos += len(lit)
		return true
	}
	return false
}

// boundary tells whether no word character follows position p.
func (s *scanner) boundary(p int) bool {
	r, n := utf8.DecodeRuneInString(s.text[p:])
	return n == 0 || !(r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r))
}

// word skips w if it is next and ends at a word boundary.
func (s *scanner) word(w string) bool {
	if strings.HasPrefix(s.rest(), w) && s.boundary(s.pos+len(w)) {
		s.pos += len(w)
		return true
	}
	return false
}

// identifier reads a name or an extra: the longest run of name characters that
// ends at a word boundary. "foo_" is one here, though not a ValidName.
func (s *scanner) identifier() (string, bool) {
	if s.end() || !isAlnum(s.text[s.pos]) {
		return "", false
	}
	p := s.pos
	for p < len(s.text) && (isAlnum(s.text[p]) || strings.IndexByte("._-", s.text[p]) >= 0) {
		p++
	}
	for p > s.pos && (s.text[p-1] == '.' || s.text[p-1] == '-') {
		p--
	}
	if !s.boundary(p) {
		return "", false
	}
	id := s.text[s.pos:p]
	s.pos = p
	return id, true
}

// quoted reads a quoted string and undoes Python's escapes; false when none is next.
func (s *scanner) quoted() (string, bool, error) {
	if s.end() || (s.text[s.pos] != '\'' && s.text[s.pos] != '"') {
		return "", false, nil
	}
	n := strings.IndexByte(s.text[s.pos+1:], s.text[s.pos])
	if n < 0 {
		return "", false, nil
	}
	v, ok := unescape(s.text[s.pos+1 : s.pos+1+n])
	if !ok {
		return "", false, s.errorf(ErrMarker, "bad quoted string")
	}
	s.pos += n + 2
	return v, true, nil
}

// unescape reads the inside of a Python string literal. packaging ends the token
// at the first matching quote, so an escaped quote never gets here.
func unescape(lit string) (string, bool) {
	if strings.ContainsAny(lit, "\n\r\x00") {
		return "", false
	}
	if !strings.Contains(lit, `\`) {
		return lit, true
	}
	var b strings.Builder
	for i := 0; i < len(lit); i++ {
		if lit[i] != '\\' {
			b.WriteByte(lit[i])
			continue
		}
		if i++; i == len(lit) { // it escapes the closing quote
			return "", false
		}
		c := lit[i]
		if k := strings.IndexByte(`\'"abfnrtv`, c); k >= 0 {
			b.WriteByte("\\'\"\a\b\f\n\r\t\v"[k])
			continue
		}
		base, width := 16, 0
		switch {
		case c == 'x':
			width = 2
		case c == 'u':
			width = 4
		case c == 'U':
			width = 8
		case c == 'N':
			return "", false
		case c >= '0' && c <= '7':
			base, width = 8, 3
			i--
		default: // not an escape: Python keeps both characters
			b.WriteByte('\\')
			b.WriteByte(c)
			continue
		}
		n, value := 0, rune(0)
		for n < width && i+1 < len(lit) {
			d := strings.IndexByte("0123456789abcdefABCDEF", lit[i+1])
			if d > 15 {
				d -= 6
			}
			if d < 0 || d >= base {
				break
			}
			value, n, i = value*rune(base)+rune(d), n+1, i+1
		}
		if base == 16 && n < width || value > unicode.MaxRune || value < 0 {
			return "", false
		}
		b.WriteRune(value)
	}
	return b.String(), true
}
