package wheel

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Row is one row of RECORD, its first three fields as they stand there.
type Row struct {
	Path, Hash, Size string
}

// What RECORD may have, whatever it says: some rows for each file, and some more for
// what is not in the archive.
const (
	rowsForFile  = 2
	bytesForFile = 256 // and twice the name: a quote is written as two
	moreRows     = 10_000
	moreBytes    = 1 << 20
)

// readRecord reads RECORD, unless it is large out of all proportion to the files. What
// it says is not compared with them: pip does not, and writes the rows into the RECORD
// of the environment, right or wrong.
func (w *Wheel) readRecord() error {
	name := w.DistInfo + "/RECORD"
	rows, size := moreRows, int64(moreBytes)
	for _, f := range w.files {
		rows += rowsForFile
		size += bytesForFile + 2*int64(len(f.Name))
	}
	if f := w.find(name); f != nil && f.Size > size {
		return refuseEntry(name, "is larger than the %d bytes that %d files can need", size, len(w.files))
	}
	b, ok, err := w.text("RECORD", maxRecord)
	if err != nil {
		return err
	}
	if !ok {
		return refuse("has no RECORD")
	}
	for _, r := range string(b) {
		if isLineEnd(r) {
			rows--
		}
	}
	if rows < 0 {
		return refuseEntry(name, "has more rows than %d files can need", len(w.files))
	}
	if w.record, err = parseRecord(b); err != nil {
		return refuseEntry(name, "%v", err)
	}
	return nil
}

// maxField is how many characters the csv module takes for one field.
const maxField = 1 << 17

// parseRecord reads the rows of a RECORD as pip does, which hands the lines of
// str.splitlines to the csv module: nearly any text is some table. Its errors are what
// pip fails of: a blank line, a field that is too long, a NUL (before Python 3.11), and
// what is not UTF-8. encoding/csv reads other rows: it knows one line end, skips blank
// lines, keeps line ends within quotes, and has another rule for text behind a quote.
func parseRecord(b []byte) ([]Row, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("is not UTF-8")
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
		if r.read(line); r.long {
			return nil, fmt.Errorf("has a field longer than %d characters on line %d, of which pip fails", maxField, n)
		}
		if text == "" && r.open { // a quote that nothing closes
			r.end()
		}
		if !r.open {
			rows = append(rows, Row{r.fields[0], r.fields[1], r.fields[2]})
			r = row{field: r.field}
		}
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
	long  bool   // a field is too long
}

func (r *row) add(s string) {
	r.field = append(r.field, s...)
	r.chars += utf8.RuneCountInString(s)
	r.long = r.long || r.chars > maxField
}

// end ends a field.
func (r *row) end() {
	if r.n < len(r.fields) {
		r.fields[r.n] = string(r.field)
	}
	r.n++
	r.field, r.chars, r.open = r.field[:0], 0, false
}

// read reads one line. Within quotes, two quotes are one of the field's; a quote that
// does not begin a field is a character like any other.
func (r *row) read(s string) {
	for more := true; more; {
		if !r.open && strings.HasPrefix(s, `"`) {
			r.open, s = true, s[1:]
		}
		for r.open {
			text, rest, closed := strings.Cut(s, `"`)
			r.add(text)
			if !closed {
				return
			}
			if s, r.open = strings.CutPrefix(rest, `"`); r.open {
				r.add(`"`)
			}
		}
		var plain string
		plain, s, more = strings.Cut(s, ",")
		r.add(plain)
		r.end()
	}
}
