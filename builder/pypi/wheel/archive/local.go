package archive

import (
	"fmt"
	"io"
	"sort"
)

// readLocal checks the local headers: they follow each other without a gap from
// offset 0 to the central directory and say what the directory says. It returns
// where each entry's data begins.
func readLocal(r io.ReaderAt, entries []entry, directory int64) ([]int64, error) {
	order := make([]int, len(entries))
	for i := range order {
		order[i] = i
	}
	sort.Slice(order, func(a, b int) bool { return entries[order[a]].header < entries[order[b]].header })
	offsets := make([]int64, len(entries))
	var at int64
	buf := make([]byte, 1024)
	for k, i := range order {
		e := &entries[i]
		if e.header != at {
			switch {
			case k == 0:
				return nil, refuse("has %d bytes before its first entry", e.header)
			case e.header < at:
				return nil, refuseEntry(e.name, "overlaps another entry")
			}
			return nil, refuseEntry(e.name, "comes after %d bytes that belong to no entry", e.header-at)
		}
		next := directory
		if k+1 < len(order) {
			next = entries[order[k+1]].header
		}
		length, err := checkLocal(r, e, at, next, &buf)
		if err != nil {
			return nil, err
		}
		offsets[i] = at + length
		at = offsets[i] + e.packed
		if e.flags&flagDescriptor != 0 {
			if err := checkDescriptor(r, e, at, next); err != nil {
				return nil, err
			}
			at = next
		}
	}
	if at != directory {
		return nil, refuse("has %d bytes between its entries and the central directory that belong to no entry", directory-at)
	}
	return offsets, nil
}

// checkLocal compares the local header at offset at with its entry and returns
// the header's length.
func checkLocal(r io.ReaderAt, e *entry, at, next int64, buf *[]byte) (int64, error) {
	room := next - at
	if room < 30 {
		return 0, refuseEntry(e.name, "overlaps another entry")
	}
	read := func(n int64) ([]byte, error) {
		if n > room {
			return nil, refuseEntry(e.name, "overlaps another entry")
		}
		if int64(len(*buf)) < n {
			*buf = make([]byte, n)
		}
		b := (*buf)[:n]
		if _, err := r.ReadAt(b, at); err != nil {
			return nil, fmt.Errorf("read local header of %s: %w", Quote(e.name), err)
		}
		return b, nil
	}
	// One read does for nearly every entry: header, name, and most extras.
	b, err := read(min(room, int64(30+len(e.rawName)+64)))
	if err != nil {
		return 0, err
	}
	if len(b) < 30 || le32(b) != 0x04034b50 {
		return 0, refuseEntry(e.name, "has no local header")
	}
	length := 30 + int64(le16(b[26:])) + int64(le16(b[28:]))
	if b, err = read(length); err != nil {
		return 0, err
	}
	if length+e.packed > room {
		return 0, refuseEntry(e.name, "overlaps another entry")
	}
	nameEnd := 30 + int(le16(b[26:]))
	if name := string(b[30:nameEnd]); name != e.name {
		return 0, refuseEntry(e.name, "is named %s in its local header", Quote(name))
	}
	x, err := parseExtra(e.name, b[nameEnd:])
	if err != nil {
		return 0, err
	}
	packed, size, none := int64(le32(b[18:])), int64(le32(b[22:])), int64(0)
	if err := x.zip64(e.name, &size, &packed, &none); err != nil {
		return 0, err
	}
	if err := x.unicodePath(e.name); err != nil {
		return 0, err
	}
	// The UTF-8 flag of the two headers may differ where it changes nothing.
	const meaning = flagEncrypted | flagDescriptor | flagPatch | flagStrong | flagMasked
	flags := le16(b[6:])
	if flags&meaning != e.flags&meaning {
		return 0, refuseEntry(e.name, "has other flags in its local header")
	}
	if le16(b[8:]) != e.method {
		return 0, refuseEntry(e.name, "has another compression method in its local header")
	}
	crc := le32(b[14:])
	if flags&flagDescriptor != 0 && crc == 0 && packed == 0 && size == 0 {
		return length, nil // all three follow the data
	}
	if crc != e.crc && !(flags&flagDescriptor != 0 && crc == 0) {
		return 0, refuseEntry(e.name, "has another checksum in its local header")
	}
	if (packed != e.packed || size != e.size) && !(flags&flagDescriptor != 0 && packed == 0 && size == 0) {
		return 0, refuseEntry(e.name, "has other sizes in its local header")
	}
	return length, nil
}

// checkDescriptor checks the data descriptor that fills at to next: with or
// without its signature, with sizes of 4 or 8 bytes (APPNOTE 4.3.9); the length
// of the gap tells which.
func checkDescriptor(r io.ReaderAt, e *entry, at, next int64) error {
	n := next - at
	if n != 12 && n != 16 && n != 20 && n != 24 {
		return refuseEntry(e.name, "lacks its data descriptor")
	}
	var buf [24]byte
	b := buf[:n]
	if _, err := r.ReadAt(b, at); err != nil {
		return fmt.Errorf("read data descriptor of %s: %w", Quote(e.name), err)
	}
	if n == 16 || n == 24 {
		if le32(b) != 0x08074b50 {
			return refuseEntry(e.name, "has a damaged data descriptor")
		}
		b = b[4:]
	}
	crc, packed, size := le32(b), uint64(le32(b[4:])), uint64(0)
	if len(b) == 12 {
		size = uint64(le32(b[8:]))
	} else {
		packed, size = le64(b[4:]), le64(b[12:])
	}
	if crc != e.crc || packed != uint64(e.packed) || size != uint64(e.size) {
		return refuseEntry(e.name, "has a data descriptor that disagrees with the central directory")
	}
	return nil
}
