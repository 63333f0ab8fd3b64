package tomltree

import (
	"bytes"
	"errors"
	"slices"

	"github.com/pelletier/go-toml/v2/unstable"

	"larder/snapshot/pypi/lock/pins"
)

const (
	maxLine   = 1 << 20 // bytes of one line; go-toml keeps one expression in memory as nodes
	maxValues = 1 << 19 // separators in the file, a bound for its values; a lock of 14 MB has as many
	maxNest   = 32      // of values and of dotted keys
)

type treeBuilder struct {
	file   string
	text   string // the whole file; what is kept of it shares its memory
	parser unstable.Parser
	offset int // up to which lines have been counted
	line   int
	root   *Table
	now    *Table
}

// Parse reads a file. Errors are refusals that name file and line.
func Parse(file string, data []byte) (*Table, error) {
	line := 1
	for text := range bytes.Lines(data) {
		if len(text) > maxLine {
			return nil, pins.Refuse(file, line, "make the lock anew", "a line of more than %d bytes", maxLine)
		}
		line++
	}
	values := 0
	for _, separator := range []string{",", "=", "[", "{"} {
		values += bytes.Count(data, []byte(separator))
	}
	if values > maxValues {
		return nil, pins.Refuse(file, 0, "use a smaller lock", "more than %d values", maxValues)
	}
	b := &treeBuilder{file: file, line: 1, text: string(data), root: &Table{Line: 1}}
	b.now = b.root
	data = slices.Clip(data) // else the parser may panic when it locates an error
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
		return nil, pins.Refuse(file, at, "make the lock anew", "not TOML: %s", pins.Show(err.Error()))
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

// string is what the parser read, without a copy unless it had escapes.
func (b *treeBuilder) string(data []byte) string {
	if at := cap(b.parser.Data()) - cap(data); len(data) > 0 && at >= 0 && at < len(b.text) && &b.parser.Data()[at] == &data[0] {
		return b.text[at : at+len(data)]
	}
	return string(data)
}

func (b *treeBuilder) bad(line int, format string, args ...any) error {
	return pins.Refuse(b.file, line, "make the lock anew", "not TOML: "+format, args...)
}

func (b *treeBuilder) expression(n *unstable.Node) error {
	keys := n.Key()
	var path []string
	line := b.line
	for keys.Next() {
		if len(path) == 0 {
			line = b.lineAt(keys.Node().Raw)
		}
		if path = append(path, b.string(keys.Node().Data)); len(path) > maxNest {
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
		next := &Table{Line: line, header: true}
		old, ok := t.Get(last)
		list, isList := old.V.(*[]Value)
		if ok && !isList {
			return b.bad(line, "%s is defined twice", pins.Show(last))
		}
		if !ok {
			list = new([]Value)
			t.add(last, Value{line, list})
		}
		*list = append(*list, Value{line, next})
		b.now = next
	case unstable.Table:
		old, ok := t.Get(last)
		if !ok {
			old = Value{line, &Table{Line: line}}
			t.add(last, old)
		}
		next, isTable := old.V.(*Table)
		if !isTable || next.header || next.closed {
			return b.bad(line, "%s is defined twice", pins.Show(last))
		}
		next.header = true
		b.now = next
	}
	return nil
}

// walk follows a dotted key, making the tables it passes. Through an array of
// tables it goes to the last one.
func (b *treeBuilder) walk(t *Table, path []string, line int, dotted bool) (*Table, error) {
	for _, key := range path {
		old, ok := t.Get(key)
		if !ok {
			old = Value{line, &Table{Line: line}}
			t.add(key, old)
		}
		switch v := old.V.(type) {
		case *Table:
			t = v
		case *[]Value:
			if dotted {
				return nil, b.bad(line, "%s is defined twice", pins.Show(key))
			}
			t = (*v)[len(*v)-1].V.(*Table)
		default:
			return nil, b.bad(line, "%s is defined twice", pins.Show(key))
		}
		if t.closed {
			return nil, b.bad(line, "%s is an inline table and closed", pins.Show(key))
		}
	}
	return t, nil
}

func (b *treeBuilder) set(t *Table, key string, n *unstable.Node, line, depth int) error {
	if t.Has(key) {
		return b.bad(line, "%s is defined twice", pins.Show(key))
	}
	v, err := b.value(n, line, depth)
	if err == nil {
		t.add(key, Value{line, v})
	}
	return err
}

func (b *treeBuilder) value(n *unstable.Node, line, depth int) (any, error) {
	if depth > maxNest {
		return nil, b.bad(line, "nested deeper than %d", maxNest)
	}
	switch n.Kind {
	case unstable.String:
		return b.string(n.Data), nil
	case unstable.Bool:
		return n.Data[0] == 't', nil
	case unstable.Array:
		list := []Value{}
		for it := n.Children(); it.Next(); {
			if child := it.Node(); child.Kind != unstable.Comment {
				if child.Raw.Length > 0 {
					line = b.lineAt(child.Raw)
				} else if first := child.Child(); child.Kind == unstable.InlineTable && first.Valid() && first.Kind == unstable.KeyValue {
					if keys := first.Key(); keys.Next() {
						line = b.lineAt(keys.Node().Raw)
					}
				}
				v, err := b.value(child, line, depth+1)
				if err != nil {
					return nil, err
				}
				list = append(list, Value{line, v})
			}
		}
		return list, nil
	case unstable.InlineTable:
		t := &Table{Line: line}
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
	return Scalar(b.string(n.Data)), nil
}

func (b *treeBuilder) inlineKey(t *Table, n *unstable.Node, line, depth int) error {
	var path []string
	for keys := n.Key(); keys.Next(); {
		if path = append(path, b.string(keys.Node().Data)); len(path) > maxNest {
			return b.bad(line, "more than %d parts in a key", maxNest)
		}
	}
	t, err := b.walk(t, path[:len(path)-1], line, true)
	if err != nil {
		return err
	}
	return b.set(t, path[len(path)-1], n.Value(), line, depth+1)
}
