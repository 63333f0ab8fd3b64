package popularity

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"larder/snapshot/ecosystem"
)

const (
	// MaxBytes and maxRows bound one source. The published monthly file has
	// 0.8 MB and 15,000 rows; the whole index had 788,142 projects in 2026-04.
	MaxBytes = 64 << 20
	maxRows  = 1_000_000
	// maxCount bounds one count, so that maxRows of them cannot overflow. The
	// whole index was downloaded 1.4e11 times in the month of 2026-04.
	maxCount = 1_000_000_000_000
)

// FormatHint says in a line what can be read.
const FormatHint = "a ranking is the JSON or CSV of top-pypi-packages, JSON with names and their counts, JSON lines or CSV with project,count, or a list of names"

// TooLarge is the text of the refusal of a source over MaxBytes.
var TooLarge = fmt.Sprintf("larger than %d MiB", MaxBytes>>20)

// Parse reads one ranking of an ecosystem in any of the forms of the package comment; which
// one is seen from its first bytes. Source is only used to name it in messages.
//
// Every error is [ErrRefused]. Rows that cannot be used are left out and
// counted in a warning.
func Parse(of ecosystem.Ecosystem, source string, r io.Reader) (Ranking, []Warning, error) {
	return parseUpTo(MaxBytes, of, source, r)
}

func parseUpTo(most int64, of ecosystem.Ecosystem, source string, r io.Reader) (Ranking, []Warning, error) {
	limited := &limitedReader{r: r, left: most}
	in := bufio.NewReaderSize(limited, 64<<10)
	c := newCollector(of)
	err := parse(in, c)
	switch {
	case limited.exceeded:
		// Whatever the parser thought of the cut is beside the point.
		return Ranking{}, nil, Refuse(source, TooLarge, FormatHint)
	case limited.err != nil:
		return Ranking{}, nil, Refuse(source, limited.err.Error(), FormatHint)
	case err != nil:
		return Ranking{}, nil, Refuse(source, err.Error(), FormatHint)
	}
	return c.ranking(source)
}

func parse(in *bufio.Reader, c *collector) error {
	if bom, _ := in.Peek(3); bytes.Equal(bom, []byte("\xef\xbb\xbf")) {
		_, _ = in.Discard(3)
	}
	head, _ := in.Peek(in.Size())
	text := bytes.TrimLeft(head, " \t\r\n")
	switch {
	case len(head) == 0:
		return errors.New("empty")
	case bytes.HasPrefix(head, []byte("\x1f\x8b")), bytes.HasPrefix(head, []byte("PK")), bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		return errors.New("compressed: unpack it first")
	case bytes.IndexByte(head, 0) >= 0:
		return errors.New("not text")
	case len(text) > 0 && text[0] == '<':
		return errors.New("an HTML or XML page, not a ranking")
	case len(text) > 0 && text[0] == '[':
		return parseArray(in, c)
	case len(text) > 0 && text[0] == '{':
		if firstLineIsRow(text) {
			return parseJSONLines(in, c)
		}
		return parseJSON(in, c)
	case isCSV(text):
		return parseCSV(in, c)
	}
	return parseList(in, c)
}

// row is one line of any source.
type row struct {
	project, version, python string
	count                    int64
}

// collector gathers rows into entries and remembers what it left out.
type collector struct {
	of        ecosystem.Ecosystem
	entries   []Entry
	index     map[string]int
	updated   string
	rows      int
	bad       int
	firstBad  string
	duplicate int
}

func newCollector(of ecosystem.Ecosystem) *collector {
	return &collector{of: of, index: map[string]int{}}
}

var errTooManyRows = fmt.Errorf("more than %d rows", maxRows)

// add takes one row. A row whose version or Python is nonsense is bad too; an
// unknown Python is only unknown.
func (c *collector) add(r row) error {
	if c.rows++; c.rows > maxRows {
		return errTooManyRows
	}
	name, at, ok := c.of.ReadName(r.project)
	if !ok && !strings.Contains(r.project, "==") { // that is a requirement, not a name as its people write it
		name, at, ok = c.of.Names.Pin(r.project)
	}
	r.version = cmp.Or(r.version, at)
	if !ok || r.count < 0 || r.count > maxCount || r.version != "" && !c.of.Names.Version(r.version) {
		c.left(r.project)
		return nil
	}
	i, known := c.index[name]
	if !known {
		i = len(c.entries)
		// The clone keeps a short name from holding the whole line it came in.
		name = strings.Clone(name)
		c.index[name] = i
		c.entries = append(c.entries, Entry{Project: name})
	}
	e := &c.entries[i]
	if r.version != "" {
		e.Versions = append(e.Versions, Version{Version: strings.Clone(r.version), Python: pythonMinor(r.python), Count: r.count})
		return nil
	}
	if known {
		// The same project twice is a fault of the source, not two projects'
		// worth of downloads: the higher count stands.
		c.duplicate++
	}
	e.Count = max(e.Count, r.count)
	return nil
}

// skip counts a row that has no usable fields at all.
func (c *collector) skip(text string) error {
	if c.rows++; c.rows > maxRows {
		return errTooManyRows
	}
	c.left(text)
	return nil
}

func (c *collector) left(text string) {
	if c.bad++; c.bad == 1 {
		c.firstBad = printable(text)
	}
}

func (c *collector) ranking(source string) (Ranking, []Warning, error) {
	switch {
	case c.rows == 0:
		return Ranking{}, nil, Refuse(source, "no projects in it", FormatHint)
	case c.bad*2 > c.rows:
		return Ranking{}, nil, Refuse(source, fmt.Sprintf("%d of %d rows are not a project with a count (first: %q)", c.bad, c.rows, c.firstBad), FormatHint)
	}
	var warnings []Warning
	warn := func(format string, args ...any) {
		warnings = append(warnings, Warning{source, fmt.Sprintf(format, args...)})
	}
	if c.bad > 0 {
		warn("left out %d of %d rows: not a project name with a count (first: %q)", c.bad, c.rows, c.firstBad)
	}
	if c.duplicate > 0 {
		warn("%d rows name a project that was named before; its higher count stands", c.duplicate)
	}
	r := Ranking{Entries: c.entries, Origins: []Origin{{Source: source, Projects: len(c.entries)}}}
	if c.updated != "" {
		if t, ok := parseTime(c.updated); ok {
			r.Origins[0].Updated = t
		} else {
			warn("its date %q is not one", printable(c.updated))
		}
	}
	for i := range r.Entries {
		e := &r.Entries[i]
		if e.Versions = sumVersions(e.Versions); e.Count == 0 {
			for _, v := range e.Versions {
				e.Count += v.Count
			}
		}
	}
	// Stable: a plain list has no counts and keeps its order.
	slices.SortStableFunc(r.Entries, func(a, b Entry) int { return cmp.Compare(b.Count, a.Count) })
	for i := range r.Entries {
		r.Entries[i].Rank = i + 1
	}
	return r, warnings, nil
}

// sumVersions orders version counts, most counted first, and adds up rows of
// the same version, Python and file: unlike projects these do come in parts, because
// an unknown Python folds into "".
func sumVersions(in []Version) []Version {
	slices.SortFunc(in, func(a, b Version) int {
		return cmp.Or(strings.Compare(a.Version, b.Version), strings.Compare(a.Python, b.Python), strings.Compare(a.File, b.File))
	})
	out := in[:0]
	for _, v := range in {
		if n := len(out); n > 0 && out[n-1].Version == v.Version && out[n-1].Python == v.Python && out[n-1].File == v.File {
			out[n-1].Count += v.Count
			continue
		}
		out = append(out, v)
	}
	slices.SortStableFunc(out, func(a, b Version) int { return cmp.Compare(b.Count, a.Count) })
	return slices.Clip(out)
}

// parseTime reads the dates sources give: "2026-04-01 06:34:06" and RFC 3339,
// both taken as UTC where no zone is given.
func parseTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.DateTime, time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// limitedReader ends after its limit and remembers that it did, and any error
// of the reader below, so that both can be told from the end of the input.
type limitedReader struct {
	r        io.Reader
	left     int64
	exceeded bool
	err      error
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if l.left <= 0 {
		l.exceeded = true
		return 0, io.EOF
	}
	if int64(len(p)) > l.left {
		p = p[:l.left]
	}
	n, err := l.r.Read(p)
	l.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		l.err = err
		return n, io.EOF
	}
	return n, err
}
