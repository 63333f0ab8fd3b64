package lock

import (
	"bytes"
	"errors"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// A lock in TOML is read into a tree that knows its lines, from go-toml's stream
// of expressions. Its Unmarshal is not used: it tells no line for what was
// decoded well, and its check for duplicate keys looks through every key seen
// before, which a hostile file turns into hours.

const (
	maxLine   = 1 << 20 // bytes of one line; go-toml keeps one expression in memory as nodes
	maxValues = 2 << 20 // separators in the file, a bound for values and keys together
	maxNest   = 32      // of values and of dotted keys
)

// table is a TOML table. Values are string, bool, scalar, []value or *table.
type table struct {
	line   int
	keys   map[string]value
	header bool // defined by its own [header]
	closed bool // an inline table: nothing may be added
}

type value struct {
	line int
	v    any
}

type scalar string // a number or date, as written

func (t *table) has(key string) bool {
	if t == nil {
		return false
	}
	_, ok := t.keys[key]
	return ok
}

func newTable(line int) *table { return &table{line: line, keys: make(map[string]value)} }

type treeBuilder struct {
	file   string
	parser unstable.Parser
	offset int // up to which lines have been counted
	line   int
	root   *table
	now    *table
}

func parseTOML(file string, data []byte) (*table, error) {
	values := 0
	line := 1
	for text := range bytes.Lines(data) {
		if len(text) > maxLine {
			return nil, refuse(file, line, "make the lock anew", "a line of more than %d bytes", maxLine)
		}
		for _, c := range text {
			if c == ',' || c == '=' || c == '[' || c == '{' {
				values++
			}
		}
		line++
	}
	if values > maxValues {
		return nil, refuse(file, 0, "use a smaller lock", "more than %d values", maxValues)
	}
	b := &treeBuilder{file: file, line: 1, root: newTable(1)}
	b.now = b.root
	b.parser.Reset(data)
	for b.parser.NextExpression() {
		if err := b.expression(b.parser.Expression()); err != nil {
			return nil, err
		}
	}
	if err := b.parser.Error(); err != nil {
		var pe *unstable.ParserError
		at := 0
		if errors.As(err, &pe) {
			at = 1 + bytes.Count(data[:b.parser.Range(pe.Highlight).Offset], []byte("\n"))
		}
		return nil, refuse(file, at, "make the lock anew", "not TOML: %s", show(err.Error()))
	}
	return b.root, nil
}

// lineAt is the line of a place in the file; places come in order.
func (b *treeBuilder) lineAt(r unstable.Range) int {
	if at := int(r.Offset); at > b.offset {
		b.line += bytes.Count(b.parser.Data()[b.offset:at], []byte("\n"))
		b.offset = at
	}
	return b.line
}

func (b *treeBuilder) bad(line int, format string, args ...any) error {
	return refuse(b.file, line, "make the lock anew", "not TOML: "+format, args...)
}

func (b *treeBuilder) expression(n *unstable.Node) error {
	keys := n.Key()
	var path []string
	line := b.line
	for keys.Next() {
		if len(path) == 0 {
			line = b.lineAt(keys.Node().Raw)
		}
		if path = append(path, string(keys.Node().Data)); len(path) > maxNest {
			return b.bad(line, "more than %d parts in a key", maxNest)
		}
	}
	last := path[len(path)-1]
	from := b.root
	if n.Kind == unstable.KeyValue {
		from = b.now
	}
	t, err := b.walk(from, path[:len(path)-1], line, n.Kind == unstable.KeyValue)
	if err != nil {
		return err
	}
	switch n.Kind {
	case unstable.KeyValue:
		return b.set(t, last, n.Value(), line, 0)
	case unstable.ArrayTable:
		next := newTable(line)
		next.header = true
		old, ok := t.keys[last]
		list, isList := old.v.(*[]value)
		if ok && !isList {
			return b.bad(line, "%s is defined twice", show(last))
		}
		if !ok {
			list = new([]value)
			t.keys[last] = value{line, list}
		}
		*list = append(*list, value{line, next})
		b.now = next
	case unstable.Table:
		old, ok := t.keys[last]
		if !ok {
			old = value{line, newTable(line)}
			t.keys[last] = old
		}
		next, isTable := old.v.(*table)
		if !isTable || next.header || next.closed {
			return b.bad(line, "%s is defined twice", show(last))
		}
		next.header = true
		b.now = next
	}
	return nil
}

// walk follows a dotted key, making the tables it passes. Through an array of
// tables it goes to the last one.
func (b *treeBuilder) walk(t *table, path []string, line int, dotted bool) (*table, error) {
	for _, key := range path {
		old, ok := t.keys[key]
		if !ok {
			old = value{line, newTable(line)}
			t.keys[key] = old
		}
		switch v := old.v.(type) {
		case *table:
			t = v
		case *[]value:
			if dotted {
				return nil, b.bad(line, "%s is defined twice", show(key))
			}
			t = (*v)[len(*v)-1].v.(*table)
		default:
			return nil, b.bad(line, "%s is defined twice", show(key))
		}
		if t.closed {
			return nil, b.bad(line, "%s is an inline table and closed", show(key))
		}
	}
	return t, nil
}

func (b *treeBuilder) set(t *table, key string, n *unstable.Node, line, depth int) error {
	if t.has(key) {
		return b.bad(line, "%s is defined twice", show(key))
	}
	v, err := b.value(n, line, depth)
	if err == nil {
		t.keys[key] = value{line, v}
	}
	return err
}

func (b *treeBuilder) value(n *unstable.Node, line, depth int) (any, error) {
	if depth > maxNest {
		return nil, b.bad(line, "nested deeper than %d", maxNest)
	}
	switch n.Kind {
	case unstable.String:
		return string(n.Data), nil
	case unstable.Bool:
		return n.Data[0] == 't', nil
	case unstable.Array:
		list := []value{}
		for it := n.Children(); it.Next(); {
			if child := it.Node(); child.Kind != unstable.Comment {
				if child.Raw.Length > 0 {
					line = b.lineAt(child.Raw)
				} else if child.Kind == unstable.InlineTable && child.Child() != nil {
					line = b.firstKeyLine(child, line)
				}
				v, err := b.value(child, line, depth+1)
				if err != nil {
					return nil, err
				}
				list = append(list, value{line, v})
			}
		}
		return list, nil
	case unstable.InlineTable:
		t := newTable(line)
		for it := n.Children(); it.Next(); {
			if it.Node().Kind != unstable.KeyValue {
				continue
			}
			if err := b.inlineKey(t, it.Node(), line, depth); err != nil {
				return nil, err
			}
		}
		t.closed = true
		return t, nil
	}
	return scalar(n.Data), nil
}

func (b *treeBuilder) firstKeyLine(n *unstable.Node, line int) int {
	keys := n.Child().Key()
	if keys.Next() {
		return b.lineAt(keys.Node().Raw)
	}
	return line
}

func (b *treeBuilder) inlineKey(t *table, n *unstable.Node, line, depth int) error {
	var path []string
	for keys := n.Key(); keys.Next(); {
		if path = append(path, string(keys.Node().Data)); len(path) > maxNest {
			return b.bad(line, "more than %d parts in a key", maxNest)
		}
	}
	t, err := b.walk(t, path[:len(path)-1], line, true)
	if err != nil {
		return err
	}
	return b.set(t, path[len(path)-1], n.Value(), line, depth+1)
}

// decoder reads values of an expected type; the first that has another type
// becomes err, and everything after it is empty.
type decoder struct {
	file string
	err  error
}

func get[T any](d *decoder, t *table, key, kind string) (zero T, line int, ok bool) {
	if t == nil || d.err != nil {
		return zero, 0, false
	}
	v, ok := t.keys[key]
	if !ok {
		return zero, 0, false
	}
	got, ok := v.v.(T)
	if !ok {
		d.err = refuse(d.file, v.line, "make the lock anew", "%s is no %s", show(key), kind)
	}
	return got, v.line, ok
}

func (d *decoder) text(t *table, key string) string {
	s, _, _ := get[string](d, t, key, "text")
	return s
}

func (d *decoder) flag(t *table, key string) bool {
	v, _, _ := get[bool](d, t, key, "true or false")
	return v
}

func (d *decoder) table(t *table, key string) *table {
	v, _, _ := get[*table](d, t, key, "table")
	return v
}

func (d *decoder) list(t *table, key string) []value {
	if t.has(key) {
		if headers, ok := t.keys[key].v.(*[]value); ok {
			return *headers
		}
	}
	v, _, _ := get[[]value](d, t, key, "array")
	return v
}

func (d *decoder) tables(t *table, key string) []*table {
	return each[*table](d, t, key, "table")
}

func (d *decoder) texts(t *table, key string) []string {
	return each[string](d, t, key, "text")
}

func each[T any](d *decoder, t *table, key, kind string) []T {
	var out []T
	for _, v := range d.list(t, key) {
		e, ok := v.v.(T)
		if !ok {
			d.err = refuse(d.file, v.line, "make the lock anew", "%s has an element that is no %s", show(key), kind)
			return nil
		}
		out = append(out, e)
	}
	return out
}

// hash reads "sha256:<hex>"; false means another algorithm.
func hash(s string) (string, bool) {
	digest, ok := strings.CutPrefix(s, "sha256:")
	if !ok {
		return "", false
	}
	return sha256Hex(digest)
}
