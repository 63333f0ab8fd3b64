package lock

// remake is the advice for what only the lock's own tool can repair.
const remake = "make the lock anew"

// document is a TOML file. Its tables are read with methods that expect a type; the
// first value of another type becomes err, and everything read after it is empty.
type document struct {
	file string
	err  error
}

func (d *document) wrong(line int, fix, format string, args ...any) {
	if d.err == nil {
		d.err = position{d.file, line}.refuse(fix, format, args...)
	}
}

// table is a TOML table. A nil table has no keys.
type table struct {
	doc    *document
	line   int            // 0 for the whole file
	pairs  []pair         // in the order of the file
	index  map[string]int // into pairs, once there are more than indexFrom
	header bool           // defined by its own [header]
	closed bool           // an inline table: nothing may be added
}

type pair struct {
	key string
	value
}

// indexFrom is how many keys a table has before it gets a map: a lock has tens of
// thousands of tables with three keys, and a map for each doubles the time of reading.
const indexFrom = 16

type value struct {
	line int
	v    any // string, bool, scalar, []value, *table or *tableArray
}

// scalar is a number, date or time, as written.
type scalar string

// tableArray is an array made by [[headers]].
type tableArray struct{ tables []value }

func (t *table) at() position { return position{t.doc.file, t.line} }

func (t *table) value(key string) (value, bool) {
	if t == nil {
		return value{}, false
	}
	if t.index != nil {
		if i, ok := t.index[key]; ok {
			return t.pairs[i].value, true
		}
		return value{}, false
	}
	for i := range t.pairs {
		if t.pairs[i].key == key {
			return t.pairs[i].value, true
		}
	}
	return value{}, false
}

// add appends a key that the table does not have.
func (t *table) add(key string, v value) {
	if t.pairs == nil {
		t.pairs = make([]pair, 0, 4)
	}
	t.pairs = append(t.pairs, pair{key, v})
	if t.index != nil {
		t.index[key] = len(t.pairs) - 1
	} else if len(t.pairs) > indexFrom {
		t.index = make(map[string]int)
		for i, p := range t.pairs {
			t.index[p.key] = i
		}
	}
}

func (t *table) has(key string) bool {
	_, ok := t.value(key)
	return ok
}

// keys are the keys of the table, in the order of the file.
func (t *table) keys() []string {
	var keys []string
	if t != nil {
		for i := range t.pairs {
			keys = append(keys, t.pairs[i].key)
		}
	}
	return keys
}

// get returns a value of type T; false when it is absent or another type, which
// kind names in the message.
func get[T any](t *table, key, kind string) (got T, ok bool) {
	v, ok := t.value(key)
	if !ok || t.doc.err != nil {
		return got, false
	}
	if got, ok = v.v.(T); !ok {
		t.doc.wrong(v.line, remake, "%s is no %s", show(key), kind)
	}
	return got, ok
}

// text returns a string, "" when absent.
func (t *table) text(key string) string {
	s, _ := get[string](t, key, "text")
	return s
}

// flag returns a boolean, false when absent.
func (t *table) flag(key string) bool {
	v, _ := get[bool](t, key, "true or false")
	return v
}

// table returns a table, nil when absent.
func (t *table) table(key string) *table {
	v, _ := get[*table](t, key, "table")
	return v
}

// list returns an array of either kind.
func (t *table) list(key string) []value {
	if v, ok := t.value(key); ok {
		if list, ok := v.elements(); ok {
			return list
		}
	}
	v, _ := get[[]value](t, key, "array")
	return v
}

// elements are those of an array of either kind; false when v is none.
func (v value) elements() ([]value, bool) {
	switch a := v.v.(type) {
	case []value:
		return a, true
	case *tableArray:
		return a.tables, true
	}
	return nil, false
}

// tables returns an array that must hold tables only.
func (t *table) tables(key string) []*table { return each[*table](t, key, "table") }

// texts returns an array that must hold strings only.
func (t *table) texts(key string) []string { return each[string](t, key, "text") }

func each[T any](t *table, key, kind string) []T {
	var out []T
	for _, v := range t.list(key) {
		e, ok := v.v.(T)
		if !ok {
			t.doc.wrong(v.line, remake, "%s has an element that is no %s", show(key), kind)
			return nil
		}
		out = append(out, e)
	}
	return out
}
