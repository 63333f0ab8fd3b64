package wheel

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Row is one row of RECORD, its first three fields as they stand there.
type Row struct {
	Path, Hash, Size string
}

// readRecord reads RECORD. What it says is not compared with the files: pip does not,
// and writes the rows into the RECORD of the environment, right or wrong.
func (w *Wheel) readRecord() error {
	b, ok, err := w.text("RECORD", maxRecord)
	if err != nil {
		return err
	}
	if !ok {
		return refuse("has no RECORD")
	}
	if w.record, err = ParseRecord(b); err != nil {
		return refuseEntry(w.DistInfo+"/RECORD", "%v", err)
	}
	return nil
}

// maxField is how many characters the csv module takes for one field.
const maxField = 1 << 17

// ParseRecord reads the rows of a RECORD as pip does, which hands the lines of
// str.splitlines to the csv module: nearly any text is some table. Its errors are what
// pip fails of: a blank line, a field that is too long, a NUL (before Python 3.11), and
// what is not UTF-8.
func ParseRecord(b []byte) ([]Row, error) {
	if !utf8.Valid(b) {
		return nil, fmt.Errorf("is not UTF-8")
	}
	var rows []Row
	var r row
	text := string(b)
	for n := 1; text != ""; n++ {
		var line string
		line, text = cutLine(text)
		if line == "" && !r.open {
			return nil, fmt.Errorf("has a blank line (%d), of which pip fails", n)
		}
		if strings.Contains(line, "\x00") {
			return nil, fmt.Errorf("has a NUL on line %d", n)
		}
		if !r.read(line) {
			return nil, fmt.Errorf("has a field longer than %d characters on line %d, of which pip fails", maxField, n)
		}
		if !r.open {
			rows = append(rows, r.take())
		}
	}
	if r.open { // a quote that nothing closes
		r.end()
		rows = append(rows, r.take())
	}
	return rows, nil
}

// cutLine cuts after the first line end of str.splitlines and drops it.
func cutLine(text string) (line, rest string) {
	i := strings.IndexFunc(text, isLineEnd)
	if i < 0 {
		return text, ""
	}
	_, n := utf8.DecodeRuneInString(text[i:])
	if strings.HasPrefix(text[i:], "\r\n") {
		n = 2
	}
	return text[:i], text[i+n:]
}

// row is a row while it is being read.
type row struct {
	fields [3]string
	n      int // fields read; those after the third are dropped

	field []byte // what is read of the next one
	chars int    // its length in characters
	open  bool   // it is quoted, and goes on on the next line
}

func (r *row) add(s string) {
	r.field = append(r.field, s...)
	r.chars += utf8.RuneCountInString(s)
}

// end ends a field.
func (r *row) end() {
	if r.n < len(r.fields) {
		r.fields[r.n] = string(r.field)
	}
	r.n++
	r.field, r.chars, r.open = r.field[:0], 0, false
}

// take returns the row and begins the next.
func (r *row) take() Row {
	done := Row{r.fields[0], r.fields[1], r.fields[2]}
	r.fields, r.n = [3]string{}, 0
	return done
}

// read reads one line. It returns false when a field is too long.
func (r *row) read(s string) bool {
	for {
		if !r.open && strings.HasPrefix(s, `"`) {
			r.open, s = true, s[1:]
		}
		if r.open {
			if s = r.quoted(s); r.open {
				return r.chars <= maxField
			}
		}
		// A quote that does not begin a field is a character like any other.
		plain, rest, more := strings.Cut(s, ",")
		if r.add(plain); r.chars > maxField {
			return false
		}
		if r.end(); !more {
			return true
		}
		s = rest
	}
}

// quoted reads up to the closing quote and returns what follows it. Of two quotes one
// belongs to the field.
func (r *row) quoted(s string) string {
	for {
		text, rest, closed := strings.Cut(s, `"`)
		r.add(text)
		if !closed {
			return ""
		}
		if !strings.HasPrefix(rest, `"`) {
			r.open = false
			return rest
		}
		r.add(`"`)
		s = rest[1:]
	}
}
