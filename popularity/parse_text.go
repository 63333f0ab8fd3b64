package popularity

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
)

// isCSV tells CSV from a list of names by the first line that is no comment:
// no name has a comma or a quote.
func isCSV(text []byte) bool {
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		return bytes.ContainsAny(line, `,"`)
	}
	return false
}

// columns are the places of the fields in a CSV row; -1 where there is none.
type columns struct{ project, version, python, count int }

// header reads a header line; ok is false when the line is data. A line is data
// when one of its fields is a number: no column is called one.
func header(fields []string) (columns, bool) {
	c := columns{-1, -1, -1, -1}
	for i, f := range fields {
		if _, err := strconv.ParseInt(f, 10, 64); err == nil {
			return columns{}, false
		}
		switch strings.ToLower(strings.TrimSpace(f)) {
		case "project", "package", "name":
			c.project = i
		case "version":
			c.version = i
		case "python", "python_minor":
			c.python = i
		case "count", "download_count", "downloads":
			c.count = i
		}
	}
	return c, c.project >= 0 && c.count >= 0
}

// plain are the columns of a CSV without a header: project[,version[,python]],count.
func plain(fields []string) columns {
	n := len(fields)
	c := columns{project: 0, version: -1, python: -1, count: n - 1}
	if n > 2 {
		c.version = 1
	}
	if n > 3 {
		c.python = 2
	}
	return c
}

var errNoColumns = errors.New("CSV without a project and a count column")

func parseCSV(in *bufio.Reader, c *collector) error {
	r := csv.NewReader(in)
	r.Comment = '#'
	r.FieldsPerRecord = -1 // a short row costs itself, not the file
	r.ReuseRecord = true
	var at columns
	for first := true; ; first = false {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if first {
			if err != nil || len(fields) < 2 {
				return errNoColumns
			}
			named, ok := header(fields)
			if ok {
				at = named
				continue
			}
			if at = plain(fields); len(fields) > 4 {
				return errNoColumns
			}
		}
		if err != nil { // a bare quote, say; the reader goes on behind the row
			if err := c.skip(strings.Join(fields, ",")); err != nil {
				return err
			}
			continue
		}
		if err := addCSV(fields, at, c); err != nil {
			return err
		}
	}
}

func addCSV(fields []string, at columns, c *collector) error {
	get := func(i int) string {
		if i < 0 || i >= len(fields) {
			return ""
		}
		return fields[i]
	}
	n, err := strconv.ParseInt(strings.TrimSpace(get(at.count)), 10, 64)
	if err != nil || slices.Max([]int{at.project, at.count, at.version, at.python}) >= len(fields) {
		return c.skip(get(at.project))
	}
	return c.add(row{strings.TrimSpace(get(at.project)), get(at.version), get(at.python), n})
}

func parseList(in *bufio.Reader, c *collector) error {
	return eachLine(in, func(line []byte, tooLong bool) error {
		if len(line) == 0 || line[0] == '#' {
			return nil
		}
		if tooLong {
			return c.skip(string(line[:200]))
		}
		name, _, _ := bytes.Cut(line, []byte(" #"))
		return c.add(row{project: string(bytes.TrimSpace(name))})
	})
}

// eachLine calls do with each line, spaces trimmed. A line longer than the
// reader's buffer comes once, cut, with tooLong set; the rest of it is passed over.
func eachLine(in *bufio.Reader, do func(line []byte, tooLong bool) error) error {
	for {
		line, err := in.ReadSlice('\n')
		tooLong := errors.Is(err, bufio.ErrBufferFull)
		if !tooLong {
			line = bytes.TrimSpace(line)
		}
		if doErr := do(line, tooLong); doErr != nil {
			return doErr
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n')
		}
		if err != nil { // only io.EOF: limitedReader keeps the others
			return nil
		}
	}
}
