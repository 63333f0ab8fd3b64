package popularity

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// jsonRow holds the fields raw, so that one of a wrong type costs its row and
// not the file. The names of fields are those of the sources: the monthly
// file's, npm's, and what our own queries and the operator's exports call them.
type jsonRow struct {
	Project   json.RawMessage `json:"project"`
	Package   json.RawMessage `json:"package"`
	Name      json.RawMessage `json:"name"`
	Version   json.RawMessage `json:"version"`
	Python    json.RawMessage `json:"python"`
	Download  json.RawMessage `json:"download_count"`
	Downloads json.RawMessage `json:"downloads"`
	Count     json.RawMessage `json:"count"`
}

var rowFields = []string{"project", "package", "name", "version", "python", "download_count", "downloads", "count"}

// first is the first that is there, nil for none.
func first(fields ...json.RawMessage) json.RawMessage {
	for _, f := range fields {
		if f != nil {
			return f
		}
	}
	return nil
}

func (j jsonRow) project() (name string, ok bool) {
	raw := first(j.Project, j.Package, j.Name)
	return name, raw != nil && json.Unmarshal(raw, &name) == nil
}

// rows are what a row says: its downloads may be those of each version.
func (j jsonRow) rows() ([]row, bool) {
	r := row{}
	var ok bool
	if r.project, ok = j.project(); !ok {
		return nil, false
	}
	if j.Version != nil && json.Unmarshal(j.Version, &r.version) != nil || j.Python != nil && json.Unmarshal(j.Python, &r.python) != nil {
		return nil, false
	}
	count := first(j.Download, j.Count, j.Downloads)
	if bytes.HasPrefix(count, []byte("{")) {
		return versionRows(r.project, count)
	}
	r.count, ok = jsonCount(count)
	return []row{r}, ok
}

// versionRows reads what was counted of each version.
func versionRows(project string, counts json.RawMessage) ([]row, bool) {
	var by map[string]json.RawMessage
	if json.Unmarshal(counts, &by) != nil {
		return nil, false
	}
	var rows []row
	for version, count := range by { // they are sorted when they are added up
		n, ok := jsonCount(count)
		if !ok || version == "" {
			return nil, false
		}
		rows = append(rows, row{project: project, version: version, count: n})
	}
	return rows, len(rows) > 0
}

func jsonCount(raw json.RawMessage) (int64, bool) {
	n, err := strconv.ParseInt(string(bytes.Trim(raw, `"`)), 10, 64)
	return n, err == nil
}

// parseJSON reads the monthly file: an object whose "rows" is an array of
// objects. It holds one row in memory at a time. Without rows it is an object of names, with a count or
// a row each.
func parseJSON(in *bufio.Reader, c *collector) error {
	d := json.NewDecoder(in)
	d.UseNumber()
	if _, err := d.Token(); err != nil {
		return jsonError(err, d)
	}
	rows, named, fields := false, newCollector(c.of), map[string]json.RawMessage{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return jsonError(err, d)
		}
		if key == "rows" {
			value, err := d.Token()
			if err != nil {
				return jsonError(err, d)
			}
			if count, is := value.(json.Number); is { // a project of that name
				if err := named.member("rows", []byte(count)); err != nil {
					return err
				}
				continue
			}
			if value != json.Delim('[') {
				return errors.New(`"rows" is not an array`)
			}
			if rows {
				return errors.New(`two "rows" in one ranking`)
			}
			rows = true
			if err := parseRows(d, c); err != nil {
				return err
			}
			continue
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return jsonError(err, d)
		}
		name, _ := key.(string)
		switch {
		case name == "last_update" && !bytes.HasPrefix(value, []byte("{")):
			if json.Unmarshal(value, &c.updated) != nil {
				c.updated = string(value)
			}
		case !rows:
			if slices.Contains(rowFields, name) {
				fields[name] = value
			}
			if err := named.member(name, value); err != nil {
				return err
			}
		}
	}
	if _, err := d.Token(); err != nil {
		return jsonError(err, d)
	}
	if err := ended(d); err != nil || rows {
		return err
	}
	if one, err := json.Marshal(fields); err == nil && firstLineIsRow(one) { // on several lines
		return addJSON(one, c)
	}
	if len(named.entries) == 0 {
		return errors.New(`JSON without "rows", and without names and counts`)
	}
	named.updated = c.updated
	*c = *named
	return nil
}

// member takes a member of an object of names: its count, or a row that does not say its name again.
func (c *collector) member(name string, value json.RawMessage) error {
	if n, ok := jsonCount(value); ok {
		return c.add(row{project: name, count: n})
	}
	var j jsonRow
	if json.Unmarshal(value, &j) == nil {
		j.Project, _ = json.Marshal(name)
		if rows, ok := j.rows(); ok {
			return c.addAll(rows)
		}
	}
	return c.skip(name)
}

func (c *collector) addAll(rows []row) error {
	for _, r := range rows {
		if err := c.add(r); err != nil {
			return err
		}
	}
	return nil
}

// parseArray reads names, the first one first, or rows.
func parseArray(in *bufio.Reader, c *collector) error {
	d := json.NewDecoder(in)
	if _, err := d.Token(); err != nil {
		return jsonError(err, d)
	}
	if err := parseRows(d, c); err != nil {
		return err
	}
	return ended(d)
}

// ended refuses what follows the one value.
func ended(d *json.Decoder) error {
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("something follows the JSON at byte %d", d.InputOffset())
	}
	return nil
}

// parseRows reads the rest of an array.
func parseRows(d *json.Decoder, c *collector) error {
	for d.More() {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return jsonError(err, d)
		}
		if err := addJSON(raw, c); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return jsonError(err, d)
	}
	return nil
}

func addJSON(raw []byte, c *collector) error {
	var name string
	if json.Unmarshal(raw, &name) == nil {
		return c.add(row{project: name})
	}
	var j jsonRow
	if json.Unmarshal(raw, &j) == nil {
		if rows, ok := j.rows(); ok {
			return c.addAll(rows)
		}
	}
	return c.skip(string(raw[:min(len(raw), 200)]))
}

// firstLineIsRow tells JSON lines from one JSON object: the first line is whole
// and is a row.
func firstLineIsRow(text []byte) bool {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	var j jsonRow
	if json.Unmarshal(line, &j) != nil {
		return false
	}
	_, ok := j.project()
	return ok
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
