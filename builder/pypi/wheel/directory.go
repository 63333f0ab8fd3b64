package wheel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// end is what the end records say, ZIP64 resolved.
type end struct {
	entries   uint64
	directory int64 // offset
	length    int64
}

// readEnd finds the end record (APPNOTE 4.3.16) and, before it, the ZIP64 pair
// (4.3.14, 4.3.15). There must be nothing after it but its own comment, and the
// central directory must end where the end records begin.
func readEnd(r io.ReaderAt, size int64) (end, error) {
	var e end
	n := min(size, 22+maxField16)
	tail := make([]byte, n)
	if _, err := r.ReadAt(tail, size-n); err != nil && err != io.EOF {
		return e, fmt.Errorf("read end record: %w", err)
	}
	at := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if at < 0 || n-int64(at) < 22 {
		return e, refuse("is not a zip archive")
	}
	b := tail[at:]
	comment := b[22:]
	switch {
	case int(le16(b[20:])) != len(comment):
		return e, refuse("has %d bytes after its end", len(comment)-int(le16(b[20:])))
	// As uv does: such bytes do not belong in a text, and every record's signature
	// has some, so a comment cannot hold a second archive.
	case bytes.ContainsFunc(comment, func(r rune) bool { return r >= 1 && r <= 8 }):
		return e, refuse("has a comment with control characters")
	case le16(b[4:]) != 0 || le16(b[6:]) != 0 || le16(b[8:]) != le16(b[10:]):
		return e, refuse("is one of several disks")
	}
	e = end{entries: uint64(le16(b[10:])), length: int64(le32(b[12:])), directory: int64(le32(b[16:]))}
	stop := size - n + int64(at) // where the central directory must end

	b = make([]byte, 56+20)
	first := max(0, stop-int64(len(b)))
	if _, err := r.ReadAt(b[int64(len(b))-(stop-first):], first); err != nil {
		return e, fmt.Errorf("read end record: %w", err)
	}
	if string(b[56:60]) == "PK\x06\x07" {
		stop -= int64(len(b))
		if err := e.zip64(b[:56], b[56:], stop); err != nil {
			return e, err
		}
	} else if e.entries == 0xffff || e.length == 0xffffffff || e.directory == 0xffffffff {
		return e, refuse("needs a ZIP64 end record and has none")
	}
	if e.length < 0 || e.length > stop || e.directory != stop-e.length {
		return e, refuse("has a central directory that does not end at the end record")
	}
	return e, nil
}

// zip64 reads the ZIP64 end record, which must lie at offset at, directly before its
// locator, and have no extensible data. What the plain record says must be the same or
// "see there".
func (e *end) zip64(b, locator []byte, at int64) error {
	switch {
	case le32(locator[4:]) != 0 || le32(locator[16:]) > 1:
		return refuse("is one of several disks")
	case at < 0 || le64(locator[8:]) != uint64(at) || string(b[:4]) != "PK\x06\x06":
		return refuse("has a ZIP64 locator that points elsewhere")
	case le64(b[4:]) != 44:
		return refuse("has a ZIP64 end record with extensible data")
	case le32(b[16:]) != 0 || le32(b[20:]) != 0 || le64(b[24:]) != le64(b[32:]):
		return refuse("is one of several disks")
	}
	entries, length, directory := le64(b[32:]), le64(b[40:]), le64(b[48:])
	if e.entries != 0xffff && e.entries != entries ||
		e.length != 0xffffffff && uint64(e.length) != length ||
		e.directory != 0xffffffff && uint64(e.directory) != directory {
		return refuse("has two end records that disagree")
	}
	*e = end{entries, int64(directory), int64(length)}
	return nil
}

// The directory of 200,000 entries with names of 200 bytes is about 50 MiB.
const maxDirectory = 64 << 20

// readDirectory checks that the central directory is exactly end.entries records in
// exactly end.length bytes, so that archive/zip makes no more of it, and what archive/zip
// leaves out of a record. It returns the offsets of the local headers.
func readDirectory(r io.ReaderAt, end end) ([]int64, error) {
	if end.length > maxDirectory {
		return nil, refuse("central directory of %d bytes is over the limit of %d", end.length, int64(maxDirectory))
	}
	if end.entries > uint64(end.length)/46 {
		return nil, refuse("end record counts %d entries, more than fit the central directory", end.entries)
	}
	buf := make([]byte, end.length)
	if _, err := r.ReadAt(buf, end.directory); err != nil {
		return nil, fmt.Errorf("read central directory: %w", err)
	}
	headers := make([]int64, 0, end.entries)
	for len(buf) > 0 {
		if uint64(len(headers)) == end.entries {
			return nil, refuse("central directory has more entries than the end record counts (%d)", end.entries)
		}
		if len(buf) < 46 || le32(buf) != 0x02014b50 {
			return nil, refuse("central directory record %d is damaged", len(headers)+1)
		}
		nameEnd := 46 + int(le16(buf[28:]))
		extraEnd := nameEnd + int(le16(buf[30:]))
		next := extraEnd + int(le16(buf[32:]))
		if len(buf) < next {
			return nil, refuse("central directory record %d is cut short", len(headers)+1)
		}
		name := string(buf[46:nameEnd])
		if le16(buf[34:]) != 0 {
			return nil, refuseEntry(name, "is on another disk")
		}
		packed, size, header := int64(le32(buf[20:])), int64(le32(buf[24:])), int64(le32(buf[42:]))
		if err := checkExtra(name, buf[nameEnd:extraEnd], &size, &packed, &header); err != nil {
			return nil, err
		}
		headers = append(headers, header)
		buf = buf[next:]
	}
	if uint64(len(headers)) != end.entries {
		return nil, refuse("end record counts %d entries, the central directory has %d", end.entries, len(headers))
	}
	return headers, nil
}

// Extra field ids (APPNOTE 4.5.2) that change what an entry means.
const (
	extraZip64       = 0x0001
	extraUnicodePath = 0x7075
)

// checkExtra reads the extra fields of a header and resolves its sizes and offset. An id
// may occur once: readers disagree on which of two counts. Info-ZIP's Unicode path,
// which some readers take instead of the name, must say the same.
func checkExtra(name string, b []byte, values ...*int64) error {
	var seen map[uint16]bool
	var zip64 []byte
	for len(b) >= 4 {
		id, n := le16(b), int(le16(b[2:]))
		if n > len(b)-4 {
			return refuseEntry(name, "has a damaged extra field")
		}
		if seen[id] {
			return refuseEntry(name, "has two extra fields 0x%04x", id)
		}
		if seen == nil {
			seen = map[uint16]bool{}
		}
		seen[id] = true
		field := b[4 : 4+n]
		switch id {
		case extraZip64:
			zip64 = field
		case extraUnicodePath:
			if n < 5 || field[0] != 1 || le32(field[1:]) != crc32.ChecksumIEEE([]byte(name)) || string(field[5:]) != name {
				return refuseEntry(name, "has another name in its Unicode path field")
			}
		}
		b = b[4+n:]
	}
	// Padding shorter than a field, as some tools leave for alignment.
	if len(bytes.Trim(b, "\x00")) > 0 {
		return refuseEntry(name, "has a damaged extra field")
	}
	return resolveZip64(name, zip64, seen[extraZip64], values)
}

// resolveZip64 replaces those of the values that are "see the extra field" (all ones),
// which come in this order and no others. An entry without need for the field
// may not have one, except the form that some writers leave in a local header
// before they know the sizes: then there is nothing to replace and it is ignored
// by every reader.
func resolveZip64(name string, field []byte, present bool, values []*int64) error {
	need := 0
	for _, v := range values {
		if *v != 0xffffffff {
			continue
		}
		if need++; !present {
			return refuseEntry(name, "lacks its ZIP64 extra field")
		}
		if len(field) < 8*need {
			return refuseEntry(name, "has a ZIP64 extra field of the wrong length")
		}
		n := le64(field[8*need-8:])
		if n > 1<<62 {
			return refuseEntry(name, "has a ZIP64 size beyond any file")
		}
		*v = int64(n)
	}
	if need > 0 && len(field) != 8*need || len(field)%8 != 0 || len(field) > 24 {
		return refuseEntry(name, "has a ZIP64 extra field of the wrong length")
	}
	return nil
}

func le16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }
func le32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
func le64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
