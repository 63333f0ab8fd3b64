package wheel

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Row is one row of RECORD, its fields as they stand there.
type Row struct {
	Path, Hash, Size string
}

// readRecord parses RECORD and compares its rows with the list of files. What
// disagrees is the wheel's RecordError; only a wheel without one is refused.
func (w *Wheel) readRecord() error {
	b, ok, err := w.text("RECORD", maxRecord)
	if err != nil {
		return err
	}
	if !ok {
		return w.refuse("", "has no RECORD")
	}
	if w.record, err = ParseRecord(b); err == nil {
		err = w.compareRecord()
	}
	w.RecordError = err
	return nil
}

func (w *Wheel) compareRecord() error {
	sizes := make(map[string]int64, len(w.files))
	for _, f := range w.files {
		sizes[f.Name] = f.Size
	}
	w.rows = make(map[string]int, len(w.record))
	own := w.DistInfo + "/RECORD"
	for i, row := range w.record {
		if _, ok := w.rows[row.Path]; ok {
			return &recordError{row.Path, "has two rows for"}
		}
		w.rows[row.Path] = i
		size, ok := sizes[row.Path]
		if !ok {
			return &recordError{row.Path, "names a missing file,"}
		}
		switch row.Path {
		case own:
			if row.Hash != "" || row.Size != "" {
				return &recordError{row.Path, "has a hash or size of itself,"}
			}
			continue
		case own + ".jws", own + ".p7s":
			return &recordError{row.Path, "lists its own signature,"}
		}
		if row.Size != "" {
			if n, err := strconv.ParseInt(row.Size, 10, 64); err != nil || n != size {
				return &recordError{row.Path, fmt.Sprintf("has the size %.32q, not %d, for", row.Size, size)}
			}
		}
		if row.Hash != "" {
			if _, err := row.digest(); err != nil {
				return err
			}
		}
	}
	for _, f := range w.files {
		if _, ok := w.rows[f.Name]; !ok && f.Name != own && f.Name != own+".jws" && f.Name != own+".p7s" {
			return &recordError{f.Name, "does not name"}
		}
	}
	return nil
}

// digest reads the row's hash: sha256 in the URL-safe alphabet without padding.
// The format allows stronger ones too; none was met.
func (r Row) digest() ([32]byte, error) {
	text, ok := strings.CutPrefix(r.Hash, "sha256=")
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if !ok || err != nil || len(b) != sha256.Size {
		return [32]byte{}, &recordError{r.Path, fmt.Sprintf("has %.80q, which is no sha256, for", r.Hash)}
	}
	return [32]byte(b), nil
}

// Check compares the digest of a file's content with its row in RECORD, when the
// row has one. The error is an ErrRecord.
func (w *Wheel) Check(f *File, digest [32]byte) error {
	i, ok := w.rows[f.Name]
	if !ok || w.record[i].Hash == "" {
		return nil
	}
	if want, err := w.record[i].digest(); err != nil {
		return err
	} else if want != digest {
		return &recordError{f.Name, "has another hash for"}
	}
	return nil
}

// ParseRecord reads the rows of a RECORD: comma-separated, one to three fields, a
// field with quotes in it or around it as the csv module writes them. Stricter
// than that module, which takes any text for some table: a quote must close on
// its line, and nothing but a comma may follow it.
func ParseRecord(b []byte) ([]Row, error) {
	if !utf8.Valid(b) {
		return nil, &recordError{"", "is not UTF-8"}
	}
	var rows []Row
	for n := 1; len(b) > 0; n++ {
		line := b
		b = nil
		for i, c := range line {
			if c == '\n' {
				line, b = line[:i], line[i+1:]
				break
			}
		}
		text := strings.TrimSuffix(string(line), "\r")
		fields, ok := splitRow(text)
		if !ok || len(fields) > 3 || fields[0] == "" {
			return nil, &recordError{"", fmt.Sprintf("line %d is not a row of path, hash and size", n)}
		}
		var r Row
		for i, p := range []*string{&r.Path, &r.Hash, &r.Size} {
			if i < len(fields) {
				*p = fields[i]
			}
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func splitRow(s string) ([]string, bool) {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' }) {
		return nil, false
	}
	var fields []string
	for {
		var field string
		var quoted []byte // appended to: a field of quotes only must not be copied for each
		if strings.HasPrefix(s, `"`) {
			s = s[1:]
			for {
				i := strings.IndexByte(s, '"')
				if i < 0 {
					return nil, false
				}
				quoted, s = append(quoted, s[:i]...), s[i+1:]
				if !strings.HasPrefix(s, `"`) {
					break
				}
				quoted, s = append(quoted, '"'), s[1:]
			}
			field = string(quoted)
			if s != "" && s[0] != ',' {
				return nil, false
			}
		} else {
			i := strings.IndexByte(s, ',')
			if i < 0 {
				i = len(s)
			}
			field, s = s[:i], s[i:]
			if strings.Contains(field, `"`) {
				return nil, false
			}
		}
		fields = append(fields, field)
		if s == "" {
			return fields, true
		}
		s = s[1:]
		if len(fields) > 3 {
			return nil, false
		}
	}
}
