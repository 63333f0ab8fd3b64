package archive

import (
	"bytes"
	"fmt"
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
	if size < 22 {
		return e, refuse("is not a zip archive")
	}
	const maxComment = 1<<16 - 1
	n := min(size, 22+maxComment)
	tail := make([]byte, n)
	if _, err := r.ReadAt(tail, size-n); err != nil && err != io.EOF {
		return e, fmt.Errorf("read end record: %w", err)
	}
	at := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if at < 0 || len(tail)-at < 22 {
		if at >= 0 {
			return e, refuse("has a cut end record")
		}
		return e, refuse("is not a zip archive")
	}
	b := tail[at:]
	comment := b[22:]
	if c := int(le16(b[20:])); c != len(comment) {
		return e, refuse("has %d bytes after its end", len(comment)-c)
	}
	// As uv: such bytes have no place in a text, and every record's signature
	// has some, so a comment cannot hold a second archive.
	if i := bytes.IndexFunc(comment, func(r rune) bool { return r >= 1 && r <= 8 }); i >= 0 {
		return e, refuse("has a comment with control characters")
	}
	if le16(b[4:]) != 0 || le16(b[6:]) != 0 || le16(b[8:]) != le16(b[10:]) {
		return e, refuse("is one of several disks")
	}
	e.entries, e.length, e.directory = uint64(le16(b[10:])), int64(le32(b[12:])), int64(le32(b[16:]))
	stop := size - n + int64(at) // where the central directory must end

	locator := make([]byte, 20)
	if stop >= 20 {
		if _, err := r.ReadAt(locator, stop-20); err != nil {
			return e, fmt.Errorf("read end record: %w", err)
		}
	}
	if string(locator[:4]) == "PK\x06\x07" {
		if err := e.zip64(r, locator, stop-20); err != nil {
			return e, err
		}
		stop -= 20 + 56
	} else if e.entries == 0xffff || e.length == 0xffffffff || e.directory == 0xffffffff {
		return e, refuse("needs a ZIP64 end record and has none")
	}
	if e.length > stop || e.directory != stop-e.length {
		return e, refuse("has a central directory that does not end at the end record")
	}
	return e, nil
}

// zip64 reads the ZIP64 end record, which must lie directly before its locator
// at offset at and have no extensible data. What the plain record says must be
// the same or "see there".
func (e *end) zip64(r io.ReaderAt, locator []byte, at int64) error {
	if le32(locator[4:]) != 0 || le32(locator[16:]) > 1 {
		return refuse("is one of several disks")
	}
	if at < 56 || le64(locator[8:]) != uint64(at-56) {
		return refuse("has a ZIP64 locator that points elsewhere")
	}
	b := make([]byte, 56)
	if _, err := r.ReadAt(b, at-56); err != nil {
		return fmt.Errorf("read ZIP64 end record: %w", err)
	}
	if string(b[:4]) != "PK\x06\x06" {
		return refuse("has a ZIP64 locator that points elsewhere")
	}
	if le64(b[4:]) != 44 {
		return refuse("has a ZIP64 end record with extensible data")
	}
	if le32(b[16:]) != 0 || le32(b[20:]) != 0 || le64(b[24:]) != le64(b[32:]) {
		return refuse("is one of several disks")
	}
	entries, length, directory := le64(b[32:]), le64(b[40:]), le64(b[48:])
	if length > 1<<62 || directory > 1<<62 {
		return refuse("has a central directory that does not end at the end record")
	}
	if e.entries != 0xffff && e.entries != entries ||
		e.length != 0xffffffff && uint64(e.length) != length ||
		e.directory != 0xffffffff && uint64(e.directory) != directory {
		return refuse("has two end records that disagree")
	}
	e.entries, e.length, e.directory = entries, int64(length), int64(directory)
	return nil
}
