package lock

import (
	"bytes"
	"errors"
	"slices"

	"github.com/pelletier/go-toml/v2/unstable"
)

const (
	maxLine   = 1 << 20 // bytes of one line; go-toml keeps one expression in memory as nodes
	maxValues = 1 << 19 // separators in the file, a bound for its values; a lock of 14 MB has as many
	maxNest   = 32      // of values and of dotted keys
)

// tomlReader makes tables from go-toml's stream of expressions. go-toml's decoder is
// not used: it does not tell the line of what it has decoded, and its check for
// duplicate keys takes time quadratic in their number (650 kB of keys: 7 s).
//
// Keys defined twice are refused. A dotted key that adds to a table with a [header]
// is taken, though TOML forbids it.
type tomlReader struct {
	unstable.Parser
	doc     *document
	text    string // the whole file; what is kept of it shares its memory
	offset  int    // up to where lines have been counted
	line    int    // at offset
	root    *table
	current *table
	keys    []string // of the last path
}

// parseTOML reads a file. Errors are refusals that name file and line.
func parseTOML(file string, data []byte) (*table, error) {
	if err := checkSize(file, data); err != nil {
		return nil, err
	}
	r := &tomlReader{doc: &document{file: file}, text: string(data), line: 1}
	r.root = r.newTable(0)
	r.current = r.root
	r.Reset(slices.Clip(data)) // else the parser may panic when it locates an error
	for r.NextExpression() {
		if err := r.expression(r.Expression()); err != nil {
			return nil, err
		}
	}
	if err := r.Error(); err != nil {
		at := position{file: file}
		var pe *unstable.ParserError
		if errors.As(err, &pe) {
			at.line = 1 + bytes.Count(data[:r.Range(pe.Highlight).Offset], []byte("\n"))
		}
		return nil, at.refuse(remake, "not TOML: %s", show(err.Error()))
	}
	return r.root, nil
}

func checkSize(file string, data []byte) error {
	line := 1
	for text := range bytes.Lines(data) {
		if len(text) > maxLine {
			return position{file, line}.refuse(remake, "a line of more than %d bytes", maxLine)
		}
		line++
	}
	values := 0
	for _, separator := range []string{",", "=", "[", "{"} {
		values += bytes.Count(data, []byte(separator))
	}
	if values > maxValues {
		return position{file: file}.refuse("use a smaller lock", "more than %d values", maxValues)
	}
	return nil
}

func (r *tomlReader) newTable(line int) *table {
	return &table{doc: r.doc, line: line}
}

// string is what the parser read, without a copy unless it had escapes.
func (r *tomlReader) string(data []byte) string {
	if at := cap(r.Data()) - cap(data); len(data) > 0 && at >= 0 && at < len(r.text) && &r.Data()[at] == &data[0] {
		return r.text[at : at+len(data)]
	}
	return string(data)
}

func (r *tomlReader) bad(line int, format string, args ...any) error {
	return position{r.doc.file, line}.refuse(remake, "not TOML: "+format, args...)
}

func (r *tomlReader) twice(line int, key string) error {
	return r.bad(line, "%s is defined twice", show(key))
}

// lineAt is the line on which raw begins; ranges come in the order of the file.
func (r *tomlReader) lineAt(raw unstable.Range) int {
	if at := int(raw.Offset); at > r.offset {
		r.line += bytes.Count(r.Data()[r.offset:at], []byte("\n"))
		r.offset = at
	}
	return r.line
}

// path reads a dotted key, and the line it begins on. It is good until the next one.
func (r *tomlReader) path(keys unstable.Iterator) (path []string, line int, err error) {
	path = r.keys[:0]
	for keys.Next() {
		if len(path) == 0 {
			line = r.lineAt(keys.Node().Raw)
		}
		if len(path) == maxNest {
			return nil, 0, r.bad(line, "more than %d parts in a key", maxNest)
		}
		path = append(path, r.string(keys.Node().Data))
	}
	r.keys = path
	return path, line, nil
}

func (r *tomlReader) expression(n *unstable.Node) error {
	if n.Kind == unstable.KeyValue {
		return r.keyValue(r.current, n, 0)
	}
	path, line, err := r.path(n.Key())
	if err != nil {
		return err
	}
	last := path[len(path)-1]
	t, err := r.descend(r.root, path[:len(path)-1], line, false)
	if err != nil {
		return err
	}
	old, known := t.value(last)
	next := r.newTable(line)
	if n.Kind == unstable.ArrayTable {
		list, isArray := old.v.(*tableArray)
		if known && !isArray {
			return r.twice(line, last)
		}
		if !known {
			list = new(tableArray)
			t.add(last, value{line, list})
		}
		list.tables = append(list.tables, value{line, next})
	} else if known {
		var isTable bool
		if next, isTable = old.v.(*table); !isTable || next.header || next.closed {
			return r.twice(line, last)
		}
	} else {
		t.add(last, value{line, next})
	}
	next.header = true
	r.current = next
	return nil
}

// keyValue adds a key, which may be dotted, to a table.
func (r *tomlReader) keyValue(t *table, n *unstable.Node, depth int) error {
	path, line, err := r.path(n.Key())
	if err != nil {
		return err
	}
	last := path[len(path)-1]
	if t, err = r.descend(t, path[:len(path)-1], line, true); err != nil {
		return err
	}
	if t.has(last) {
		return r.twice(line, last)
	}
	v, err := r.value(n.Value(), line, depth)
	if err == nil {
		t.add(last, value{line, v})
	}
	return err
}

// descend follows a dotted key, making the tables it passes. Through an array of
// tables a header goes to the last one.
func (r *tomlReader) descend(t *table, path []string, line int, dotted bool) (*table, error) {
	for _, key := range path {
		old, ok := t.value(key)
		if !ok {
			old = value{line, r.newTable(line)}
			t.add(key, old)
		}
		if a, isArray := old.v.(*tableArray); isArray && !dotted {
			old = a.tables[len(a.tables)-1]
		}
		next, isTable := old.v.(*table)
		if !isTable {
			return nil, r.twice(line, key)
		}
		if next.closed {
			return nil, r.bad(line, "%s is an inline table and closed", show(key))
		}
		t = next
	}
	return t, nil
}

func (r *tomlReader) value(n *unstable.Node, line, depth int) (any, error) {
	if depth > maxNest {
		return nil, r.bad(line, "nested deeper than %d", maxNest)
	}
	switch n.Kind {
	case unstable.String:
		return r.string(n.Data), nil
	case unstable.Bool:
		return n.Data[0] == 't', nil
	case unstable.Array:
		list := []value{}
		for it := n.Children(); it.Next(); {
			if raw := it.Node().Raw; raw.Length > 0 { // an array in an array has none
				line = r.lineAt(raw)
			}
			v, err := r.value(it.Node(), line, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, value{line, v})
		}
		return list, nil
	case unstable.InlineTable:
		t := r.newTable(line)
		for it := n.Children(); it.Next(); {
			if err := r.keyValue(t, it.Node(), depth+1); err != nil {
				return nil, err
			}
		}
		t.closed = true
		return t, nil
	}
	return scalar(r.string(n.Data)), nil
}
