package wheel

import (
	"archive/zip"
	"cmp"
	"fmt"
	"io"
	"slices"
)

// checkLayout checks that the local headers follow each other without a gap from
// offset 0 to the central directory and say what the directory says. headers are their
// offsets.
func checkLayout(r io.ReaderAt, entries []*zip.File, headers []int64, directory int64) error {
	order := make([]int, len(entries))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(headers[a], headers[b]) })
	var at int64
	buf := make([]byte, 30+maxField16+maxField16)
	for k, i := range order {
		e, header := entries[i], headers[i]
		switch {
		case header < at:
			return refuseEntry(e.Name, "overlaps another entry")
		case header > at && k == 0:
			return refuse("has %d bytes before its first entry", header)
		case header > at:
			return refuseEntry(e.Name, "comes after %d bytes that belong to no entry", header-at)
		}
		next := directory
		if k+1 < len(order) {
			next = headers[order[k+1]]
		}
		var err error
		if at, err = checkLocal(r, e, at, next, buf); err != nil {
			return err
		}
		if e.Flags&flagDescriptor != 0 {
			if err := checkDescriptor(r, e, at, next); err != nil {
				return err
			}
			at = next
		}
	}
	if at != directory {
		return refuse("has %d bytes between its entries and the central directory that belong to no entry", directory-at)
	}
	return nil
}

// maxField16 is the length that a field of variable length can have.
const maxField16 = 1<<16 - 1

// checkLocal compares the local header at offset at with its entry, which has the bytes
// up to next, and returns where the data ends.
func checkLocal(r io.ReaderAt, e *zip.File, at, next int64, buf []byte) (int64, error) {
	room := next - at
	if room < 30 {
		return 0, refuseEntry(e.Name, "overlaps another entry")
	}
	// One read does for nearly every entry: header, name, and most extras.
	b := buf[:min(room, int64(30+len(e.Name)+64))]
	if _, err := r.ReadAt(b, at); err != nil {
		return 0, fmt.Errorf("read local header of %s: %w", Quote(e.Name), err)
	}
	if le32(b) != 0x04034b50 {
		return 0, refuseEntry(e.Name, "has no local header")
	}
	nameEnd := 30 + int(le16(b[26:]))
	length := nameEnd + int(le16(b[28:]))
	if int64(length)+int64(e.CompressedSize64) > room {
		return 0, refuseEntry(e.Name, "overlaps another entry")
	}
	if length > len(b) {
		b = buf[:length]
		if _, err := r.ReadAt(b, at); err != nil {
			return 0, fmt.Errorf("read local header of %s: %w", Quote(e.Name), err)
		}
	}
	if name := string(b[30:nameEnd]); name != e.Name {
		return 0, refuseEntry(e.Name, "is named %s in its local header", Quote(name))
	}
	packed, size := int64(le32(b[18:])), int64(le32(b[22:]))
	if err := checkExtra(e.Name, b[nameEnd:length], &size, &packed); err != nil {
		return 0, err
	}
	return at + int64(length) + int64(e.CompressedSize64), sameHeader(e, b, packed, size)
}

// sameHeader compares the fields of a local header that have a meaning. With a
// descriptor behind the data, checksum and sizes may be 0 here.
func sameHeader(e *zip.File, b []byte, packed, size int64) error {
	// The UTF-8 flag of the two headers may differ where it changes nothing.
	const meaning = flagEncrypted | flagDescriptor | flagPatch | flagStrong | flagMasked
	crc, later := le32(b[14:]), e.Flags&flagDescriptor != 0
	switch {
	case le16(b[6:])&meaning != e.Flags&meaning:
		return refuseEntry(e.Name, "has other flags in its local header")
	case le16(b[8:]) != e.Method:
		return refuseEntry(e.Name, "has another compression method in its local header")
	case crc != e.CRC32 && !(later && crc == 0):
		return refuseEntry(e.Name, "has another checksum in its local header")
	case (uint64(packed) != e.CompressedSize64 || uint64(size) != e.UncompressedSize64) && !(later && packed == 0 && size == 0):
		return refuseEntry(e.Name, "has other sizes in its local header")
	}
	return nil
}

// checkDescriptor checks the data descriptor that fills at to next: with or
// without its signature, with sizes of 4 or 8 bytes (APPNOTE 4.3.9); the length
// of the gap tells which.
func checkDescriptor(r io.ReaderAt, e *zip.File, at, next int64) error {
	n := next - at
	if n != 12 && n != 16 && n != 20 && n != 24 {
		return refuseEntry(e.Name, "lacks its data descriptor")
	}
	b := make([]byte, n)
	if _, err := r.ReadAt(b, at); err != nil {
		return fmt.Errorf("read data descriptor of %s: %w", Quote(e.Name), err)
	}
	if n == 16 || n == 24 {
		if le32(b) != 0x08074b50 {
			return refuseEntry(e.Name, "has a damaged data descriptor")
		}
		b = b[4:]
	}
	crc, packed, size := le32(b), uint64(le32(b[4:])), uint64(0)
	if len(b) == 12 {
		size = uint64(le32(b[8:]))
	} else {
		packed, size = le64(b[4:]), le64(b[12:])
	}
	if crc != e.CRC32 || packed != e.CompressedSize64 || size != e.UncompressedSize64 {
		return refuseEntry(e.Name, "has a data descriptor that disagrees with the central directory")
	}
	return nil
}
