package bytecode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
)

// canonical rewrites marshalled code into the one form of its value.
//
// What marshal.dumps writes depends on more than the code: whether an object is
// marked as referred to (FLAG_REF) on how many references to it there are in the
// whole process; whether a one-character string is an interned one on whether
// something else interned it (they are all the same object); whether two equal
// constant sets are one object on whether their strings were interned before (3.12);
// and before 3.11 the order of a set on the address of None. A worker that has
// compiled something else before is in another state, so its bytes differ in about
// one file of a thousand (tried on 3.8 to 3.13).
//
// In the canonical form equal values other than code are one object, marked where
// it comes first if it comes again; sets are in the order of their elements' bytes;
// strings of at most one character are interned if they are names. marshal.loads
// makes of it equal code: only which equal constants are identical may differ.
//
// The format is marshal's version 4 as CPython 3.8 to 3.14 write it (Python/marshal.c);
// minor says how code objects are laid out.
func canonical(b []byte, minor int) ([]byte, error) {
	m := &marshalled{in: b, minor: minor, known: make(map[string]int32, len(b)/16)}
	root, err := m.read(0)
	if err != nil {
		return nil, err
	}
	if len(m.in) > 0 {
		return nil, errMarshal
	}
	m.uses = make([]uint8, len(m.values))
	m.count(root)
	m.index = make([]int32, len(m.values))
	m.out = make([]byte, 0, len(b))
	m.write(root)
	return m.out, nil
}

var errMarshal = errors.New("marshalled code of an unknown form")

// flagRef marks an object that a later 'r' refers to, by its number among the marked.
const flagRef = 0x80

// value is one object. Equal values are one, code objects apart.
type value struct {
	kind byte
	raw  []byte  // what follows the type, for values without parts
	kids []int32 // the parts
	nums []byte  // of code: the numbers before its parts, and the line after the eighth
}

type marshalled struct {
	in     []byte
	minor  int
	values []value
	known  map[string]int32 // type and content, or type and parts -> value
	refs   []int32
	key    []byte

	uses  []uint8 // 0, 1 or more
	index []int32 // number of the reference + 1, once written
	next  int32
	out   []byte
}

// maxNesting is marshal's own limit.
const maxNesting = 2000

func (m *marshalled) take(n int) ([]byte, error) {
	if n < 0 || n > len(m.in) {
		return nil, errMarshal
	}
	b := m.in[:n]
	m.in = m.in[n:]
	return b, nil
}

func (m *marshalled) long() (int, error) {
	b, err := m.take(4)
	if err != nil {
		return 0, err
	}
	return int(int32(binary.LittleEndian.Uint32(b))), nil
}

// read reads one object and returns its value.
func (m *marshalled) read(depth int) (int32, error) {
	b, err := m.take(1)
	if err != nil || depth > maxNesting {
		return 0, errMarshal
	}
	kind, marked := b[0]&^flagRef, b[0]&flagRef != 0
	if kind == 'r' {
		n, err := m.long()
		if err != nil || n < 0 || n >= len(m.refs) || m.refs[n] < 0 {
			return 0, errMarshal
		}
		return m.refs[n], nil
	}
	slot := len(m.refs)
	if marked {
		m.refs = append(m.refs, -1) // numbers are given before the parts are read
	}
	v, err := m.readKind(kind, depth)
	if err != nil {
		return 0, err
	}
	if marked {
		m.refs[slot] = v
	}
	return v, nil
}

func (m *marshalled) readKind(kind byte, depth int) (int32, error) {
	switch kind {
	case 'N', 'T', 'F', 'S', '.':
		return m.leaf(kind, m.in[:0], 0)
	case 'i':
		return m.leaf(kind, m.in, 4)
	case 'g':
		return m.leaf(kind, m.in, 8)
	case 'y':
		return m.leaf(kind, m.in, 16)
	case 'l':
		in := m.in
		n, err := m.long()
		if err != nil || n < -1<<30 || n > 1<<30 {
			return 0, errMarshal
		}
		m.in = in
		return m.leaf(kind, in, 4+2*max(n, -n))
	case 's', 't', 'u', 'a', 'A':
		in := m.in
		n, err := m.long()
		if err != nil || n < 0 {
			return 0, errMarshal
		}
		m.in = in
		return m.text(kind, in, 4, n)
	case 'z', 'Z':
		if len(m.in) == 0 {
			return 0, errMarshal
		}
		return m.text(kind, m.in, 1, int(m.in[0]))
	case ')':
		n, err := m.take(1)
		if err != nil {
			return 0, err
		}
		return m.parts(kind, int(n[0]), depth)
	case '(', '>':
		n, err := m.long()
		if err != nil {
			return 0, err
		}
		return m.parts(kind, n, depth)
	case ':': // a constant slice, 3.14
		return m.parts(kind, 3, depth)
	case 'c':
		return m.code(depth)
	}
	return 0, errMarshal
}

// leaf is a value without parts, the next n bytes of in.
func (m *marshalled) leaf(kind byte, in []byte, n int) (int32, error) {
	if n > len(in) {
		return 0, errMarshal
	}
	m.in = m.in[n:]
	m.key = append(append(m.key[:0], kind), in[:n]...)
	if id, ok := m.known[string(m.key)]; ok {
		return id, nil
	}
	return m.add(value{kind: kind, raw: in[:n]}), nil
}

// text is a string of n bytes after a length of the given width.
func (m *marshalled) text(kind byte, in []byte, width, n int) (int32, error) {
	if n > len(in)-width {
		return 0, errMarshal
	}
	if b := in[width : width+n]; kind != 's' && (n <= 1 || n == 2 && b[0] >= 0x80) {
		name := n == 0 || n == 1 && (b[0] == '_' || '0' <= b[0] && b[0] <= '9' || 'a' <= b[0]|0x20 && b[0]|0x20 <= 'z')
		kind = plainKind[kind]
		if name {
			kind = internedKind[kind]
		}
	}
	return m.leaf(kind, in, width+n)
}

// The two kinds of each form of string.
var (
	plainKind    = map[byte]byte{'t': 'u', 'u': 'u', 'A': 'a', 'a': 'a', 'Z': 'z', 'z': 'z'}
	internedKind = map[byte]byte{'u': 't', 'a': 'A', 'z': 'Z'}
)

func (m *marshalled) parts(kind byte, n, depth int) (int32, error) {
	if n < 0 || n > len(m.in) { // each takes at least a byte
		return 0, errMarshal
	}
	kids := make([]int32, n)
	for i := range kids {
		var err error
		if kids[i], err = m.read(depth + 1); err != nil {
			return 0, err
		}
	}
	if kind == '>' && !m.sort(kids) {
		return 0, errMarshal
	}
	m.key = append(m.key[:0], kind)
	for _, k := range kids {
		m.key = binary.LittleEndian.AppendUint32(m.key, uint32(k))
	}
	if id, ok := m.known[string(m.key)]; ok {
		return id, nil
	}
	return m.add(value{kind: kind, kids: kids}), nil
}

// maxFlat bounds the elements of one set written out. The compiler folds constants
// to at most some thousand items.
const maxFlat = 1 << 20

// sort orders the elements of a set by their own bytes, which do not depend on
// what was read before them as their numbers here do.
func (m *marshalled) sort(kids []int32) bool {
	texts := make(map[int32][]byte, len(kids))
	left := maxFlat
	for _, k := range kids {
		texts[k] = m.flat(nil, k, &left)
	}
	slices.SortFunc(kids, func(a, b int32) int { return bytes.Compare(texts[a], texts[b]) })
	return left > 0
}

// flat appends a value written without references, of at most left bytes.
func (m *marshalled) flat(b []byte, id int32, left *int) []byte {
	v := &m.values[id]
	if *left -= 1 + len(v.raw); *left <= 0 {
		return b
	}
	b = append(append(b, v.kind), v.raw...)
	for _, k := range v.kids {
		b = m.flat(b, k, left)
	}
	return b
}

// code reads a code object. Two equal ones stay two.
func (m *marshalled) code(depth int) (int32, error) {
	numbers, after := 5, 2 // 3.11: no nlocals; linetable and exceptiontable
	if m.minor < 11 {
		numbers, after = 6, 1
	}
	v := value{kind: 'c'}
	head, err := m.take(4 * numbers)
	if err != nil {
		return 0, err
	}
	v.nums = append(v.nums, head...)
	for i := range 8 + after {
		if i == 8 {
			line, err := m.take(4)
			if err != nil {
				return 0, err
			}
			v.nums = append(v.nums, line...)
		}
		k, err := m.read(depth + 1)
		if err != nil {
			return 0, err
		}
		v.kids = append(v.kids, k)
	}
	m.values = append(m.values, v)
	return int32(len(m.values) - 1), nil
}

func (m *marshalled) add(v value) int32 {
	id := int32(len(m.values))
	m.values = append(m.values, v)
	m.known[string(m.key)] = id
	return id
}
