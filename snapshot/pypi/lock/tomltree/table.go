package tomltree

import "iter"

// Table is a TOML table.
type Table struct {
	Line   int
	pairs  []pair         // in the order of the file
	index  map[string]int // into pairs, once there are many
	header bool           // defined by its own [header]
	closed bool           // an inline table: nothing may be added
}

type pair struct {
	key   string
	value Value
}

// indexFrom is how many keys a table has before it gets a map: a lock has tens of
// thousands of tables with three keys, and a map for each takes longer than all
// the rest.
const indexFrom = 16

// Value is a value in a table or array.
type Value struct {
	Line int
	V    any // string, bool, Scalar, []Value, *Table; *[]Value for an array of [[tables]]
}

// Scalar is a number, date or time, as written.
type Scalar string

// Get returns the value of a key; false when the table, which may be nil, lacks it.
func (t *Table) Get(key string) (Value, bool) {
	if t == nil {
		return Value{}, false
	}
	if t.index != nil {
		if i, ok := t.index[key]; ok {
			return t.pairs[i].value, true
		}
		return Value{}, false
	}
	for i := range t.pairs {
		if t.pairs[i].key == key {
			return t.pairs[i].value, true
		}
	}
	return Value{}, false
}

// Has tells whether the table, which may be nil, has the key.
func (t *Table) Has(key string) bool {
	_, ok := t.Get(key)
	return ok
}

// Keys yields the keys and values in the order of the file.
func (t *Table) Keys() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		for i := range t.pairs {
			if !yield(t.pairs[i].key, t.pairs[i].value) {
				return
			}
		}
	}
}

// add appends a key that the table does not have.
func (t *Table) add(key string, v Value) {
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
