package archive

import "hash/crc32"

// Extra field ids (APPNOTE 4.5.2) that change what an entry means.
const (
	extraZip64       = 0x0001
	extraUnicodePath = 0x7075
)

type extra map[uint16][]byte

// parseExtra reads the extra fields of a header. An id may occur once: readers
// disagree on which of two counts.
func parseExtra(name string, b []byte) (extra, error) {
	var x extra
	for len(b) >= 4 {
		id, n := le16(b), int(le16(b[2:]))
		if n > len(b)-4 {
			return nil, refuseEntry(name, "has a damaged extra field")
		}
		if _, ok := x[id]; ok {
			return nil, refuseEntry(name, "has two extra fields 0x%04x", id)
		}
		if x == nil {
			x = make(extra)
		}
		x[id] = b[4 : 4+n]
		b = b[4+n:]
	}
	// Padding shorter than a field, as some tools leave for alignment.
	for _, c := range b {
		if c != 0 {
			return nil, refuseEntry(name, "has a damaged extra field")
		}
	}
	return x, nil
}

// zip64 replaces those of the values that are "see the extra field" (all ones),
// which come in this order and no others. An entry without need for the field
// may not have one, except the form that some writers leave in a local header
// before they know the sizes: then there is nothing to replace and it is ignored
// by every reader.
func (x extra) zip64(name string, values ...*int64) error {
	const seeExtra = 0xffffffff
	b, ok := x[extraZip64]
	need := 0
	for _, v := range values {
		if *v == seeExtra {
			need++
		}
	}
	if !ok {
		if need > 0 {
			return refuseEntry(name, "lacks its ZIP64 extra field")
		}
		return nil
	}
	if need == 0 {
		if len(b)%8 != 0 || len(b) > 24 {
			return refuseEntry(name, "has a ZIP64 extra field of the wrong length")
		}
		return nil
	}
	if len(b) != 8*need {
		return refuseEntry(name, "has a ZIP64 extra field of the wrong length")
	}
	for _, v := range values {
		if *v != seeExtra {
			continue
		}
		n := le64(b)
		if n > 1<<62 {
			return refuseEntry(name, "has a ZIP64 size beyond any file")
		}
		*v, b = int64(n), b[8:]
	}
	return nil
}

// unicodePath checks Info-ZIP's Unicode path field, which some readers take
// instead of the name: it must say the same.
func (x extra) unicodePath(name string) error {
	b, ok := x[extraUnicodePath]
	if !ok {
		return nil
	}
	if len(b) < 5 || b[0] != 1 || le32(b[1:]) != crc32.ChecksumIEEE([]byte(name)) || string(b[5:]) != name {
		return refuseEntry(name, "has another name in its Unicode path field")
	}
	return nil
}
