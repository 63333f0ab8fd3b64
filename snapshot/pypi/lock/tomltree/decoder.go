package tomltree

import "larder/snapshot/pypi/lock/pins"

// Decoder reads values of an expected type; the first that has another type
// becomes Err, and everything after it is empty.
type Decoder struct {
	File string // for messages
	Err  error
}

// Get returns a value of type T and its line; false when it is absent or another
// type, which kind names in the message.
func Get[T any](d *Decoder, t *Table, key, kind string) (zero T, line int, ok bool) {
	v, ok := t.Get(key)
	if !ok || d.Err != nil {
		return zero, 0, false
	}
	got, ok := v.V.(T)
	if !ok {
		d.Err = pins.Refuse(d.File, v.Line, "make the lock anew", "%s is no %s", pins.Show(key), kind)
	}
	return got, v.Line, ok
}

// Text returns a string, "" when absent.
func (d *Decoder) Text(t *Table, key string) string {
	s, _, _ := Get[string](d, t, key, "text")
	return s
}

// Flag returns a boolean, false when absent.
func (d *Decoder) Flag(t *Table, key string) bool {
	v, _, _ := Get[bool](d, t, key, "true or false")
	return v
}

// Table returns a table, nil when absent.
func (d *Decoder) Table(t *Table, key string) *Table {
	v, _, _ := Get[*Table](d, t, key, "table")
	return v
}

// List returns an array, or an array of [[tables]].
func (d *Decoder) List(t *Table, key string) []Value {
	if v, ok := t.Get(key); ok {
		if headers, ok := v.V.(*[]Value); ok {
			return *headers
		}
	}
	v, _, _ := Get[[]Value](d, t, key, "array")
	return v
}

// Tables returns an array that must hold tables only.
func (d *Decoder) Tables(t *Table, key string) []*Table {
	return each[*Table](d, t, key, "table")
}

// Texts returns an array that must hold strings only.
func (d *Decoder) Texts(t *Table, key string) []string {
	return each[string](d, t, key, "text")
}

func each[T any](d *Decoder, t *Table, key, kind string) []T {
	var out []T
	for _, v := range d.List(t, key) {
		e, ok := v.V.(T)
		if !ok {
			d.Err = pins.Refuse(d.File, v.Line, "make the lock anew", "%s has an element that is no %s", pins.Show(key), kind)
			return nil
		}
		out = append(out, e)
	}
	return out
}
