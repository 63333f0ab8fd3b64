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
	root := m.read(0)
	if m.bad || len(m.in) > 0 {
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
	bad    bool // it is not what is known; what was made of it means nothing
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

// fail ends the reading: what follows finds no more input.
func (m *marshalled) fail() int32 {
	m.bad, m.in = true, nil
	return 0
}

// take returns the next n bytes, zeros when there are not so many. n is no number of
// the input.
func (m *marshalled) take(n int) []byte {
	if n > len(m.in) {
		m.fail()
		return make([]byte, n)
	}
	b := m.in[:n]
	m.in = m.in[n:]
	return b
}

func (m *marshalled) long() int { return int(int32(binary.LittleEndian.Uint32(m.take(4)))) }

// peekLong is long for a length that belongs to what follows.
func (m *marshalled) peekLong() int {
	in := m.in
	n := m.long()
	if !m.bad {
		m.in = in
	}
	return n
}

// read reads one object and returns its value.
func (m *marshalled) read(depth int) int32 {
	if depth > maxNesting {
		return m.fail()
	}
	b := m.take(1)[0]
	kind, marked := b&^flagRef, b&flagRef != 0
	if kind == 'r' {
		n := m.long()
		if n < 0 || n >= len(m.refs) || m.refs[n] < 0 {
			return m.fail()
		}
		return m.refs[n]
	}
	slot := len(m.refs)
	if marked {
		m.refs = append(m.refs, -1) // numbers are given before the parts are read
	}
	v := m.readKind(kind, depth)
	if marked {
		m.refs[slot] = v
	}
	return v
}

func (m *marshalled) readKind(kind byte, depth int) int32 {
	switch kind {
	case 'N', 'T', 'F', 'S', '.':
		return m.leaf(kind, 0)
	case 'i':
		return m.leaf(kind, 4)
	case 'g':
		return m.leaf(kind, 8)
	case 'y':
		return m.leaf(kind, 16)
	case 'l':
		n := m.peekLong()
		return m.leaf(kind, 4+2*max(n, -n))
	case 's', 't', 'u', 'a', 'A':
		return m.text(kind, 4, m.peekLong())
	case 'z', 'Z':
		if len(m.in) == 0 {
			return m.fail()
		}
		return m.text(kind, 1, int(m.in[0]))
	case ')':
		return m.parts(kind, int(m.take(1)[0]), depth)
	case '(', '>':
		return m.parts(kind, m.long(), depth)
	case ':': // a constant slice, 3.14
		return m.parts(kind, 3, depth)
	case 'c':
		return m.code(depth)
	}
	return m.fail()
}

// leaf is a value without parts, the next n bytes.
func (m *marshalled) leaf(kind byte, n int) int32 {
	if n > len(m.in) {
		return m.fail()
	}
	raw := m.take(n)
	m.key = append(append(m.key[:0], kind), raw...)
	return m.add(value{kind: kind, raw: raw})
}

// text is a string of n bytes after a length of the given width.
func (m *marshalled) text(kind byte, width, n int) int32 {
	if n < 0 || n > len(m.in)-width {
		return m.fail()
	}
	if b := m.in[width : width+n]; kind != 's' && (n <= 1 || n == 2 && b[0] >= 0x80) {
		name := n == 0 || n == 1 && (b[0] == '_' || '0' <= b[0] && b[0] <= '9' || 'a' <= b[0]|0x20 && b[0]|0x20 <= 'z')
		kind = plainKind[kind]
		if name {
			kind = internedKind[kind]
		}
	}
	return m.leaf(kind, width+n)
}

// The two kinds of each form of string.
var (
	plainKind    = map[byte]byte{'t': 'u', 'u': 'u', 'A': 'a', 'a': 'a', 'Z': 'z', 'z': 'z'}
	internedKind = map[byte]byte{'u': 't', 'a': 'A', 'z': 'Z'}
)

func (m *marshalled) parts(kind byte, n, depth int) int32 {
	if n < 0 || n > len(m.in) { // each takes at least a byte
		return m.fail()
	}
	kids := make([]int32, n)
	for i := range kids {
		kids[i] = m.read(depth + 1)
	}
	if m.bad || kind == '>' && !m.sort(kids) {
		return m.fail()
	}
	m.key = append(m.key[:0], kind)
	for _, k := range kids {
		m.key = binary.LittleEndian.AppendUint32(m.key, uint32(k))
	}
	return m.add(value{kind: kind, kids: kids})
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
func (m *marshalled) code(depth int) int32 {
	numbers, after := 5, 2 // 3.11: no nlocals; linetable and exceptiontable
	if m.minor < 11 {
		numbers, after = 6, 1
	}
	v := value{kind: 'c', nums: slices.Clone(m.take(4 * numbers))}
	for i := range 8 + after {
		if i == 8 {
			v.nums = append(v.nums, m.take(4)...)
		}
		v.kids = append(v.kids, m.read(depth+1))
	}
	m.values = append(m.values, v)
	return int32(len(m.values) - 1)
}

// add returns the number of the value whose key is in m.key.
func (m *marshalled) add(v value) int32 {
	if id, ok := m.known[string(m.key)]; ok {
		return id
	}
	id := int32(len(m.values))
	m.values = append(m.values, v)
	m.known[string(m.key)] = id
	return id
}
