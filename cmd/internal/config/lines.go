package config

import (
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Lines says on which line of a file each key is set, dotted, and each value of a list, as KEY.0 and
// so on. Of what the parser refuses it knows what came before.
func Lines(data []byte) map[string]int {
	l := lister{lines: map[string]int{}, tables: map[string]int{}}
	l.parser.Reset(data)
	prefix := ""
	for l.parser.NextExpression() {
		e := l.parser.Expression()
		switch e.Kind {
		case unstable.Table:
			prefix = l.key("", e)
		case unstable.ArrayTable:
			prefix = l.key("", e)
			l.tables[prefix]++
			prefix = fmt.Sprintf("%s.%d", prefix, l.tables[prefix]-1)
		case unstable.KeyValue:
			l.value(prefix, e)
		}
	}
	return l.lines
}

type lister struct {
	parser unstable.Parser
	lines  map[string]int
	tables map[string]int // how often an array of tables was seen
}

// key is the dotted key of an expression below prefix, whose line is noted.
func (l *lister) key(prefix string, e *unstable.Node) string {
	parts := []string{}
	if prefix != "" {
		parts = append(parts, prefix)
	}
	line := 0
	for it := e.Key(); it.Next(); {
		parts = append(parts, string(it.Node().Data))
		line = l.line(it.Node().Raw)
	}
	key := strings.Join(parts, ".")
	l.lines[key] = line
	return key
}

func (l *lister) value(prefix string, e *unstable.Node) {
	key := l.key(prefix, e)
	switch v := e.Value(); v.Kind {
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			if it.Node().Kind == unstable.KeyValue {
				l.value(key, it.Node())
			}
		}
	case unstable.Array:
		i := 0
		for it := v.Children(); it.Next(); {
			switch it.Node().Kind {
			case unstable.Comment:
				continue
			case unstable.String:
				l.lines[fmt.Sprintf("%s.%d", key, i)] = l.line(it.Node().Raw)
			}
			i++
		}
	}
}

func (l *lister) line(raw unstable.Range) int { return l.parser.Shape(raw).Start.Line }
