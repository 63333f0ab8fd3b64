package wheel

import (
	"bytes"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"larder/builder/pypi/wheel/archive"
	"larder/snapshot/pypi/pep508"
)

// Metadata is what METADATA says (the core metadata specification).
type Metadata struct {
	Raw            []byte
	Name           string // as written
	Version        string // as written
	RequiresPython string
	RequiresDist   []string
	ProvidesExtra  []string
}

// ParseMetadata reads a METADATA file, in a wheel or as an index serves it beside
// one. It checks nothing but the form; fields that occur once count with their
// first value, as in Python.
func ParseMetadata(b []byte) Metadata {
	m := Metadata{Raw: b}
	once := map[string]*string{"name": &m.Name, "version": &m.Version, "requires-python": &m.RequiresPython}
	for name, value := range headers(b) {
		switch name {
		case "requires-dist":
			m.RequiresDist = append(m.RequiresDist, value)
		case "provides-extra":
			m.ProvidesExtra = append(m.ProvidesExtra, value)
		default:
			if p := once[name]; p != nil {
				*p = value
				delete(once, name)
			}
		}
	}
	return m
}

func (w *Wheel) readMetadata() error {
	b, ok, err := w.text("METADATA", maxMetadata)
	if err != nil {
		return err
	}
	name := w.DistInfo + "/METADATA"
	if !ok {
		return w.refuse("", "has no METADATA")
	}
	if !validText(b) {
		return w.refuse(name, "is not UTF-8")
	}
	w.Metadata = ParseMetadata(b)
	if !pep508.ValidName(w.Metadata.Name) || pep508.Normalize(w.Metadata.Name) != w.Name.Project {
		return w.refuse(name, "is for the project %s", archive.Quote(w.Metadata.Name))
	}
	if !sameVersion(w.Metadata.Version, w.Name.Version) {
		return w.refuse(name, "is for the version %s", archive.Quote(w.Metadata.Version))
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
		return w.refuse("", "has no WHEEL")
	}
	if !validText(b) {
		return w.refuse(name, "is not UTF-8")
	}
	var version, purelib string
	var tags []string
	seen := map[string]bool{}
	for name, value := range headers(b) {
		switch {
		case name == "tag" && len(tags) <= maxTags:
			tags = append(tags, value)
		case name == "wheel-version" && !seen[name]:
			version, seen[name] = value, true
		case name == "root-is-purelib" && !seen[name]:
			purelib, seen[name] = value, true
		}
	}
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.ParseUint(major, 10, 16); err != nil || n > 1 || strings.Trim(version, "0123456789.") != "" {
		return w.refuse(name, "is of format version %s (1.x is known)", archive.Quote(version))
	}
	w.Purelib = strings.EqualFold(purelib, "true")
	if len(tags) > 0 && !w.sameTags(tags) {
		w.note("WHEEL has other tags than the file name: %s", archive.Quote(strings.Join(tags, " ")))
	}
	return nil
}

// maxTags is how many tags are compared with the file name's, which can say 125,000
// in its 255 bytes. The most met is 40.
const maxTags = 10_000

// sameTags says whether the tags are the ones of the file name. Each line may be a
// compressed set. More than maxTags are others.
func (w *Wheel) sameTags(tags []string) bool {
	expand := func(all []string, python, abi, platform []string) []string {
		if len(all)+len(python)*len(abi)*len(platform) > maxTags {
			return nil
		}
		for _, p := range python {
			for _, a := range abi {
				for _, f := range platform {
					all = append(all, p+"-"+a+"-"+f)
				}
			}
		}
		return all
	}
	var got []string
	for _, t := range tags {
		// In no compressed set is there more than in the file's name.
		parts := strings.Split(t, "-")
		if len(t) > 255 || len(parts) != 3 {
			return false
		}
		if got = expand(got, strings.Split(parts[0], "."), strings.Split(parts[1], "."), strings.Split(parts[2], ".")); got == nil {
			return false
		}
	}
	want := expand(nil, w.Name.Python, w.Name.ABI, w.Name.Platform)
	slices.Sort(got)
	slices.Sort(want)
	return slices.Equal(slices.Compact(got), slices.Compact(want))
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
