package wheel

import (
	"bytes"
	"iter"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"larder/snapshot/pypi/pep508"
)

// Metadata is what METADATA says (the core metadata specification).
type Metadata struct {
	Name           string // as written
	Version        string // as written
	RequiresPython string
	RequiresDist   []string
}

// ParseMetadata reads a METADATA file, in a wheel or as an index serves it beside
// one. It checks nothing but the form; fields that occur once count with their
// first value, as in Python.
func ParseMetadata(b []byte) Metadata {
	m := Metadata{}
	once := map[string]*string{"name": &m.Name, "version": &m.Version, "requires-python": &m.RequiresPython}
	for name, value := range headers(b) {
		switch name {
		case "requires-dist":
			m.RequiresDist = append(m.RequiresDist, value)
		default:
			if p := once[name]; p != nil {
				*p = value
				delete(once, name)
			}
		}
	}
	return m
}

// MetadataText is the file METADATA.
func (w *Wheel) MetadataText() ([]byte, error) {
	b, _, err := w.text("METADATA", maxMetadata)
	return b, err
}

func (w *Wheel) readMetadata() error {
	b, ok, err := w.text("METADATA", maxMetadata)
	if err != nil {
		return err
	}
	name := w.DistInfo + "/METADATA"
	if !ok {
		return refuse("has no METADATA")
	}
	if !utf8.Valid(b) {
		return refuseEntry(name, "is not UTF-8")
	}
	w.Metadata = ParseMetadata(b)
	if !pep508.ValidName(w.Metadata.Name) || pep508.Normalize(w.Metadata.Name) != w.Name.Project {
		return refuseEntry(name, "is for the project %s", Quote(w.Metadata.Name))
	}
	if !sameVersion(w.Metadata.Version, w.Name.Version) {
		return refuseEntry(name, "is for the version %s", Quote(w.Metadata.Version))
	}
	return nil
}

func (w *Wheel) readWheelText() error {
	b, ok, err := w.text("WHEEL", maxWheelText)
	if err != nil {
		return err
	}
	name := w.DistInfo + "/WHEEL"
	if !ok {
		return refuse("has no WHEEL")
	}
	if !utf8.Valid(b) {
		return refuseEntry(name, "is not UTF-8")
	}
	version := ""
	for name, value := range headers(b) {
		if name == "wheel-version" {
			version = value
			break
		}
	}
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.ParseUint(major, 10, 16); err != nil || n > 1 || strings.Trim(version, "0123456789.") != "" {
		return refuseEntry(name, "is of format version %s (1.x is known)", Quote(version))
	}
	return nil
}

// headers yields the fields of the header part of a message as Python's
// email.feedparser reads it: lines end with LF, CRLF or CR; a line that begins with
// white space continues the one before; the first line that is neither a field nor a
// continuation ends the headers. Names are lowered, values trimmed.
func headers(b []byte) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		var name string
		var value strings.Builder // of the field that may yet be continued
		field := func() bool { return name == "" || yield(name, strings.TrimSpace(value.String())) }
		for len(b) > 0 {
			var line []byte
			line, b = headerLine(b)
			if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
				if name == "" {
					return
				}
				if line = bytes.TrimRightFunc(line, unicode.IsSpace); len(line) > 0 {
					value.WriteByte('\n')
					value.Write(line)
				}
				continue
			}
			colon := bytes.IndexByte(line, ':')
			if colon < 1 || bytes.ContainsFunc(line[:colon], func(r rune) bool { return r <= ' ' || r > '~' }) {
				break
			}
			if !field() {
				return
			}
			name = strings.ToLower(string(line[:colon]))
			value.Reset()
			value.Write(bytes.TrimSpace(line[colon+1:]))
		}
		field()
	}
}

// headerLine cuts after the first line end and drops it.
func headerLine(b []byte) (line, rest []byte) {
	n := bytes.IndexAny(b, "\r\n")
	if n < 0 {
		return b, nil
	}
	line, rest = b[:n], b[n+1:]
	if b[n] == '\r' && len(rest) > 0 && rest[0] == '\n' {
		rest = rest[1:]
	}
	return line, rest
}
