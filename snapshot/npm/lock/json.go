package lock

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// The bounds of what is read. The largest lock seen has 3 MB and is 6 deep.
const (
	maxDepth  = 64
	maxValues = 1_000_000
)

// value is JSON as it was written: members keep their order, and numbers their digits.
type value struct {
	kind    byte   // '{', '[', '"', '0' of a number, or the first letter of null, true and false
	text    string // of a string what it says, of all else but objects and arrays how it is written
	members []member
	items   []value
}

type member struct {
	name string
	value
}

// get is the member of a name; of several of one name, the last counts, as in JavaScript.
func (v value) get(name string) value {
	for i := len(v.members) - 1; i >= 0; i-- {
		if v.members[i].name == name {
			return v.members[i].value
		}
	}
	return value{}
}

// str is the text of a string, "" of anything else.
func (v value) str() string {
	if v.kind != '"' {
		return ""
	}
	return v.text
}

// is says whether a value is true.
func (v value) is() bool { return v.kind == 't' }

// empty says that a value says nothing: JavaScript's falsy ones, and objects and arrays without anything.
func (v value) empty() bool {
	switch v.kind {
	case '{':
		return len(v.members) == 0
	case '[':
		return len(v.items) == 0
	case '"':
		return v.text == ""
	case '0':
		return strings.Trim(v.text, "-0.") == ""
	}
	return v.kind != 't'
}

var errSyntax = errors.New("not JSON")

// parser reads JSON. Text without escapes is not copied.
type parser struct {
	text   string
	at     int
	depth  int
	values int
}

func parse(text string) (value, error) {
	p := parser{text: text}
	v, err := p.value()
	if p.skip(); err == nil && p.at < len(text) {
		err = p.wrong()
	}
	return v, err
}

// skip passes over white space and returns what is next, 0 at the end.
func (p *parser) skip() byte {
	for ; p.at < len(p.text); p.at++ {
		if c := p.text[p.at]; c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
	}
	return 0
}

// wrong says where the text stops to be JSON.
func (p *parser) wrong() error {
	return fmt.Errorf("%w in line %d", errSyntax, 1+strings.Count(p.text[:p.at], "\n"))
}

func (p *parser) value() (value, error) {
	if p.values++; p.values > maxValues {
		return value{}, fmt.Errorf("more than %d values", maxValues)
	}
	switch c := p.skip(); c {
	case '{', '[':
		if p.depth++; p.depth > maxDepth {
			return value{}, fmt.Errorf("more than %d levels deep", maxDepth)
		}
		v := value{kind: c}
		err := p.list(&v)
		p.depth--
		return v, err
	case '"':
		s, err := p.string()
		return value{kind: '"', text: s}, err
	}
	start := p.at
	for p.at < len(p.text) && strings.IndexByte(" \n\t\r,]}:\"[{", p.text[p.at]) < 0 {
		p.at++
	}
	word := p.text[start:p.at]
	switch {
	case word == "null" || word == "true" || word == "false":
		return value{kind: word[0], text: word}, nil
	case json.Valid([]byte(word)):
		return value{kind: '0', text: word}, nil
	}
	p.at = start
	return value{}, p.wrong()
}

// list reads an object or an array, whose first byte is next.
func (p *parser) list(v *value) error {
	end := v.kind + 2
	p.at++
	for first := true; ; first = false {
		c := p.skip()
		switch {
		case c == end && first:
			p.at++
			return nil
		case !first && c == end:
			p.at++
			return nil
		case !first && c != ',':
			return p.wrong()
		case !first:
			p.at++
		}
		if err := p.item(v); err != nil {
			return err
		}
	}
}

func (p *parser) item(v *value) error {
	if v.kind == '[' {
		item, err := p.value()
		v.items = append(v.items, item)
		return err
	}
	if p.skip() != '"' {
		return p.wrong()
	}
	name, err := p.string()
	if err != nil {
		return err
	}
	if p.skip() != ':' {
		return p.wrong()
	}
	p.at++
	item, err := p.value()
	v.members = append(v.members, member{name, item})
	return err
}

// string reads a string, whose quote is next.
func (p *parser) string() (string, error) {
	start, plain := p.at, true
	for p.at++; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '"':
			p.at++
			raw := p.text[start:p.at]
			if plain {
				return raw[1 : len(raw)-1], nil
			}
			var s string
			if err := json.Unmarshal([]byte(raw), &s); err != nil {
				p.at = start
				return "", p.wrong()
			}
			return s, nil
		case c == '\\':
			p.at++
			plain = false
		case c < ' ':
			return "", p.wrong()
		}
	}
	p.at = start
	return "", p.wrong()
}

// appendJSON writes a value as JSON.stringify does, below a line that has so much indentation.
func (v value) appendJSON(b []byte, newline, indent, below string) []byte {
	if v.kind == '"' {
		return appendString(b, v.text)
	}
	if v.kind != '{' && v.kind != '[' {
		return append(b, v.text...)
	}
	b = append(b, v.kind)
	n := len(v.members) + len(v.items)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, newline...), below...), indent...)
		item := value{}
		if v.kind == '{' {
			b = append(appendString(b, v.members[i].name), ": "...)
			item = v.members[i].value
		} else {
			item = v.items[i]
		}
		b = item.appendJSON(b, newline, indent, below+indent)
	}
	if n > 0 {
		b = append(append(b, newline...), below...)
	}
	return append(b, v.kind+2)
}

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch at := strings.IndexRune("\b\t\n\f\r\"\\", r); {
		case at >= 0:
			b = append(b, '\\', `btnfr"\`[at])
		case r < ' ':
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
