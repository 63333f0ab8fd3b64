package bytecode

import "encoding/binary"

// shared says whether values of a kind are referred to rather than repeated. The
// ones that are not are no longer than a reference.
func shared(kind byte) bool {
	switch kind {
	case 'N', 'T', 'F', 'S', '.', 'i':
		return false
	}
	return true
}

// count sets how often each value is written.
func (m *marshalled) count(id int32) {
	if m.uses[id] > 0 {
		m.uses[id] = 2
		return
	}
	m.uses[id] = 1
	for _, k := range m.values[id].kids {
		m.count(k)
	}
}

func (m *marshalled) write(id int32) {
	v := &m.values[id]
	if m.index[id] > 0 {
		m.out = binary.LittleEndian.AppendUint32(append(m.out, 'r'), uint32(m.index[id]-1))
		return
	}
	kind := v.kind
	if shared(kind) && m.uses[id] > 1 {
		m.next++
		m.index[id] = m.next
		kind |= flagRef
	}
	m.out = append(m.out, kind)
	switch v.kind {
	case 'c':
		head := len(v.nums) - 4
		m.out = append(m.out, v.nums[:head]...)
		for i, k := range v.kids {
			if i == 8 {
				m.out = append(m.out, v.nums[head:]...)
			}
			m.write(k)
		}
		return
	case ')':
		m.out = append(m.out, byte(len(v.kids)))
	case '(', '>':
		m.out = binary.LittleEndian.AppendUint32(m.out, uint32(len(v.kids)))
	default:
		m.out = append(m.out, v.raw...)
	}
	for _, k := range v.kids {
		m.write(k)
	}
}
