package pep508

import (
	"errors"
	"fmt"
	"strings"

	"larder/snapshot/pypi/pep440"
)

// ErrRequirement is wrapped by every error of ParseRequirement that is not an
// ErrMarker or pep440.ErrSpecifier.
var ErrRequirement = errors.New("not a requirement")

// Requirement is one dependency as written: neither names nor extras are
// normalised.
type Requirement struct {
	Name       string
	Extras     []string
	Specifiers pep440.Specifiers
	URL        string // "" unless the requirement is a direct reference (name @ URL)
	Marker     Marker // the zero Marker, which always holds, when there is none
}

// ParseRequirement reads one requirement.
func ParseRequirement(text string) (Requirement, error) {
	var r Requirement
	if len(text) > maxText {
		return r, fmt.Errorf("%w: longer than %d bytes", ErrRequirement, maxText)
	}
	s := scanner{text: text}
	s.space()
	name, ok := s.identifier()
	if !ok {
		return r, s.errorf(ErrRequirement, "expected a project name")
	}
	r.Name = name
	s.space()
	var err error
	if r.Extras, err = s.extras(); err != nil {
		return r, err
	}
	s.space()
	if s.take("@") {
		s.space()
		n := strings.IndexAny(s.rest(), " \t")
		if n < 0 {
			n = len(s.rest())
		}
		if n == 0 {
			return r, s.errorf(ErrRequirement, "expected a URL after @")
		}
		r.URL = s.rest()[:n]
		s.pos += n
	} else if r.Specifiers, err = s.specifiers(); err != nil {
		return r, err
	}
	s.space()
	if s.end() {
		return r, nil
	}
	if !s.take(";") {
		return r, s.errorf(ErrRequirement, "expected a comma, a semicolon or the end")
	}
	if r.Marker, err = s.marker(0); err != nil {
		return r, err
	}
	if !s.end() {
		return r, s.errorf(ErrMarker, `expected "and", "or" or the end`)
	}
	return r, nil
}

func (s *scanner) extras() ([]string, error) {
	if !s.take("[") {
		return nil, nil
	}
	var list []string
	for {
		s.space()
		id, ok := s.identifier()
		if !ok && len(list) > 0 {
			return nil, s.errorf(ErrRequirement, "expected an extra after the comma")
		}
		if ok {
			list = append(list, id)
		}
		s.space()
		if ok && s.take(",") {
			continue
		}
		if !s.take("]") {
			return nil, s.errorf(ErrRequirement, "expected a comma or ] after an extra")
		}
		return list, nil
	}
}

// specifiers reads the clauses up to ";" or the end, with or without parentheses.
func (s *scanner) specifiers() (pep440.Specifiers, error) {
	open := s.take("(")
	from := s.pos
	for {
		s.space()
		if s.end() || strings.IndexByte("<>=!~", s.text[s.pos]) < 0 {
			break
		}
		s.clause()
		s.space()
		if !s.take(",") {
			break
		}
	}
	list, err := pep440.ParseSpecifiers(s.text[from:s.pos])
	if err != nil {
		return nil, err
	}
	s.space()
	if open && !s.take(")") {
		return nil, s.errorf(ErrRequirement, "expected )")
	}
	return list, nil
}

// clause skips one specifier: its operator, white space (line breaks too here)
// and everything up to a delimiter. What it skips is checked by pep440.
func (s *scanner) clause() {
	arbitrary := strings.HasPrefix(s.rest(), "===")
	for !s.end() && strings.IndexByte("<>=!~", s.text[s.pos]) >= 0 {
		s.pos++
		if arbitrary && s.pos >= 3 && s.text[s.pos-3:s.pos] == "===" {
			break
		}
	}
	s.pos += len(s.rest()) - len(strings.TrimLeft(s.rest(), " \t\n\r\f\v"))
	stop := ",;) \t\n\r\f\v"
	if arbitrary { // "===" runs over commas
		stop = stop[1:]
	}
	n := strings.IndexAny(s.rest(), stop)
	if n < 0 {
		n = len(s.rest())
	}
	s.pos += n
}
