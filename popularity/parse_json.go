package popularity

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// jsonRow holds the fields raw, so that one of a wrong type costs its row and
// not the file. The names of the count are those of the sources: the monthly
// file's, and what our own queries and the operator's exports call it.
type jsonRow struct {
	Project  json.RawMessage `json:"project"`
	Version  json.RawMessage `json:"version"`
	Python   json.RawMessage `json:"python"`
	Download json.RawMessage `json:"download_count"`
	Count    json.RawMessage `json:"count"`
}

func (j jsonRow) row() (row, bool) {
	var r row
	if json.Unmarshal(j.Project, &r.project) != nil || j.Project == nil {
		return r, false
	}
	if j.Version != nil && json.Unmarshal(j.Version, &r.version) != nil || j.Python != nil && json.Unmarshal(j.Python, &r.python) != nil {
		return r, false
	}
	count := j.Download
	if count == nil {
		count = j.Count
	}
	n, err := strconv.ParseInt(string(bytes.Trim(count, `"`)), 10, 64)
	r.count = n
	return r, err == nil
}

// parseJSON reads the monthly file: an object whose "rows" is an array of
// objects. It holds one row in memory at a time.
func parseJSON(in *bufio.Reader, c *collector) error {
	d := json.NewDecoder(in)
	if _, err := d.Token(); err != nil {
		return jsonError(err, d)
	}
	rows := false
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return jsonError(err, d)
		}
		switch key {
		case "rows":
			if rows {
				return errors.New(`two "rows" in one ranking`)
			}
			rows = true
			if err := parseRows(d, c); err != nil {
				return err
			}
		case "last_update":
			var v any
			if err := d.Decode(&v); err != nil {
				return jsonError(err, d)
			}
			c.updated = fmt.Sprint(v)
		default:
			var ignored json.RawMessage
			if err := d.Decode(&ignored); err != nil {
				return jsonError(err, d)
			}
		}
	}
	if _, err := d.Token(); err != nil {
		return jsonError(err, d)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("something follows the JSON object at byte %d", d.InputOffset())
	}
	if !rows {
		return errors.New(`JSON without "rows"`)
	}
	return nil
}

func parseRows(d *json.Decoder, c *collector) error {
	open, err := d.Token()
	if err != nil {
		return jsonError(err, d)
	}
	if open != json.Delim('[') {
		return errors.New(`"rows" is not an array`)
	}
	for d.More() {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return jsonError(err, d)
		}
		if err := addJSON(raw, c); err != nil {
			return err
		}
	}
	if _, err = d.Token(); err != nil {
		return jsonError(err, d)
	}
	return nil
}

func addJSON(raw []byte, c *collector) error {
	var j jsonRow
	if json.Unmarshal(raw, &j) == nil {
		if r, ok := j.row(); ok {
			return c.add(r)
		}
	}
	return c.skip(string(raw[:min(len(raw), 200)]))
}

// firstLineIsRow tells JSON lines from one JSON object: the first line is whole
// and is a row.
func firstLineIsRow(text []byte) bool {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	var j jsonRow
	return json.Unmarshal(line, &j) == nil && j.Project != nil
}

// parseJSONLines reads one row a line. A last line that is no JSON means that
// the answer broke off: a database that fails half-way ends its rows with an
// error in prose, under a status that promised success.
func parseJSONLines(in *bufio.Reader, c *collector) error {
	whole := true
	err := eachLine(in, func(line []byte, tooLong bool) error {
		if len(line) == 0 {
			return nil
		}
		if whole = !tooLong && json.Valid(line); !whole {
			return c.skip(string(line[:min(len(line), 200)]))
		}
		return addJSON(line, c)
	})
	if err == nil && !whole {
		err = errors.New("cut short: its last line is not JSON")
	}
	return err
}

// jsonError says where JSON broke; the end of the input there means that the
// file was cut short.
func jsonError(err error, d *json.Decoder) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("cut short after %d bytes", d.InputOffset())
	}
	return fmt.Errorf("not JSON near byte %d", d.InputOffset())
}
