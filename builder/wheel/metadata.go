package wheel

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"larder/builder/wheel/archive"
	"larder/snapshot/pep508"
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
	h := parseHeaders(b)
	return Metadata{
		Raw:            b,
		Name:           h.first("name"),
		Version:        h.first("version"),
		RequiresPython: h.first("requires-python"),
		RequiresDist:   h.all("requires-dist"),
		ProvidesExtra:  h.all("provides-extra"),
	}
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
	h := parseHeaders(b)
	version := h.first("wheel-version")
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.ParseUint(major, 10, 16); err != nil || n > 1 || strings.Trim(version, "0123456789.") != "" {
		return w.refuse(name, "is of format version %s (1.x is known)", archive.Quote(version))
	}
	w.Purelib = strings.EqualFold(h.first("root-is-purelib"), "true")
	if tags := h.all("tag"); len(tags) > 0 && !w.sameTags(tags) {
		w.note("WHEEL has other tags than the file name: %s", archive.Quote(strings.Join(tags, " ")))
	}
	return nil
}

// sameTags says whether the tags are the ones of the file name. Each line may be a
// compressed set.
func (w *Wheel) sameTags(tags []string) bool {
	expand := func(python, abi, platform []string) []string {
		var all []string
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
		parts := strings.Split(t, "-")
		if len(parts) != 3 || len(got) > 10_000 {
			return false
		}
		got = append(got, expand(strings.Split(parts[0], "."), strings.Split(parts[1], "."), strings.Split(parts[2], "."))...)
	}
	want := expand(w.Name.Python, w.Name.ABI, w.Name.Platform)
	slices.Sort(got)
	slices.Sort(want)
	return slices.Equal(slices.Compact(got), slices.Compact(want))
}

// headers are the fields of an email-style file, in order.
type headers []struct{ name, value string }

func (h headers) first(name string) string {
	for _, f := range h {
		if f.name == name {
			return f.value
		}
	}
	return ""
}

func (h headers) all(name string) []string {
	var values []string
	for _, f := range h {
		if f.name == name {
			values = append(values, f.value)
		}
	}
	return values
}

// parseHeaders reads the header part of a message as Python's email.feedparser
// does: lines end with LF, CRLF or CR; a line that begins with white space
// continues the one before; the first line that is neither a field nor a
// continuation ends the headers. Names are lowered, values trimmed.
func parseHeaders(b []byte) headers {
	var h headers
	for len(b) > 0 {
		n := bytes.IndexAny(b, "\r\n")
		line := b
		if n < 0 {
			b = nil
		} else {
			line = b[:n]
			if b[n] == '\r' && n+1 < len(b) && b[n+1] == '\n' {
				n++
			}
			b = b[n+1:]
		}
		if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
			if len(h) == 0 {
				break
			}
			last := &h[len(h)-1]
			last.value = strings.TrimSpace(last.value + "\n" + string(line))
			continue
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 1 || bytes.ContainsFunc(line[:colon], func(r rune) bool { return r <= ' ' || r > '~' }) {
			break
		}
		h = append(h, struct{ name, value string }{
			strings.ToLower(string(line[:colon])), strings.TrimSpace(string(line[colon+1:])),
		})
	}
	return h
}
