package archive

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Limits bound what a hostile file can cost. A zero field takes the default.
type Limits struct {
	Files     int   // entries, and the directories that their names imply; default 200,000 (the largest wheels met have about 25,000)
	TotalSize int64 // bytes unpacked; default 32 GiB (torch with CUDA is about 5)
	Ratio     int64 // unpacked over packed, once more than Free is unpacked; default 100 (deflate's own limit is 1032)
	Free      int64 // bytes that may be unpacked at any ratio; default 1 GiB
}

const (
	defaultFiles     = 200_000
	defaultTotalSize = 32 << 30
	defaultRatio     = 100
	defaultFree      = 1 << 30

	// The directory of 200,000 entries with names of 200 bytes is about 50 MiB.
	maxDirectory = 64 << 20
)

func (l Limits) orDefault() Limits {
	if l.Files == 0 {
		l.Files = defaultFiles
	}
	if l.TotalSize == 0 {
		l.TotalSize = defaultTotalSize
	}
	if l.Ratio == 0 {
		l.Ratio = defaultRatio
	}
	if l.Free == 0 {
		l.Free = defaultFree
	}
	return l
}

// Archive is a zip file that passed every structural rule.
type Archive struct {
	Files []*File // in the order of the central directory, directories left out

	// CaseCollisions are names that differ from an earlier one only by case.
	CaseCollisions []string
}

// File is one regular file of an Archive. It is safe for concurrent use.
type File struct {
	Name string // as the archive and RECORD spell it
	Path string // where it goes: Name without a "./" at its front
	Size int64
	Exec bool // a regular file by its mode bits, any of them x: pip's rule, whatever system wrote the zip

	r      io.ReaderAt
	entry  entry
	offset int64 // of the data
}

// entry is one record of the central directory.
type entry struct {
	name           string
	flags, method  uint16
	crc            uint32
	packed, size   int64
	header         int64 // offset of the local header
	mode           uint32
	rawName, extra []byte
}

func (e *entry) isDir() bool { return strings.HasSuffix(e.name, "/") }

// Flag bits (APPNOTE 4.4.4).
const (
	flagEncrypted  = 1 << 0
	flagDescriptor = 1 << 3
	flagPatch      = 1 << 5
	flagStrong     = 1 << 6
	flagUTF8       = 1 << 11
	flagMasked     = 1 << 13

	// Python's zipfile reads no entry that needs more than version 6.3.
	maxVersion = 63

	methodStored  = 0
	methodDeflate = 8
	methodBzip2   = 12
)

// Open checks the whole structure of the size bytes in r. It does not unpack
// anything.
func Open(r io.ReaderAt, size int64, limits Limits) (*Archive, error) {
	limits = limits.orDefault()
	end, err := readEnd(r, size)
	if err != nil {
		return nil, err
	}
	if end.entries > uint64(limits.Files) {
		return nil, refuse("has %d entries, over the limit of %d", end.entries, limits.Files)
	}
	entries, err := readDirectory(r, end)
	if err != nil {
		return nil, err
	}
	a := &Archive{}
	if err := checkNames(a, entries, limits); err != nil {
		return nil, err
	}
	if err := checkSizes(entries, size, limits); err != nil {
		return nil, err
	}
	offsets, err := readLocal(r, entries, end.directory)
	if err != nil {
		return nil, err
	}
	for i := range entries {
		e := entries[i]
		if e.isDir() {
			// Deflate spends two bytes on nothing, so a directory may have
			// packed bytes; what counts is that nothing comes out.
			f := &File{Name: e.name, r: r, entry: e, offset: offsets[i]}
			if err := f.drain(); err != nil {
				return nil, err
			}
			continue
		}
		a.Files = append(a.Files, &File{
			Name:   e.name,
			Path:   cleanName(e.name),
			Size:   e.size,
			Exec:   e.mode&modeType == modeRegular && e.mode&0o111 != 0,
			r:      r,
			entry:  e,
			offset: offsets[i],
		})
	}
	return a, nil
}

// readDirectory reads the central directory: exactly end.entries records in
// exactly end.length bytes.
func readDirectory(r io.ReaderAt, end end) ([]entry, error) {
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
	entries := make([]entry, 0, end.entries)
	for len(buf) > 0 {
		if uint64(len(entries)) == end.entries {
			return nil, refuse("central directory has more entries than the end record counts (%d)", end.entries)
		}
		if len(buf) < 46 || le32(buf) != 0x02014b50 {
			return nil, refuse("central directory record %d is damaged", len(entries)+1)
		}
		n, x, c := int(le16(buf[28:])), int(le16(buf[30:])), int(le16(buf[32:]))
		if len(buf) < 46+n+x+c {
			return nil, refuse("central directory record %d is cut short", len(entries)+1)
		}
		e, err := parseEntry(buf[:46+n+x])
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
		buf = buf[46+n+x+c:]
	}
	if uint64(len(entries)) != end.entries {
		return nil, refuse("end record counts %d entries, the central directory has %d", end.entries, len(entries))
	}
	return entries, nil
}

func parseEntry(b []byte) (entry, error) {
	n := int(le16(b[28:]))
	e := entry{
		flags: le16(b[8:]), method: le16(b[10:]), crc: le32(b[16:]),
		packed: int64(le32(b[20:])), size: int64(le32(b[24:])), header: int64(le32(b[42:])),
		mode:    le32(b[38:]) >> 16,
		rawName: b[46 : 46+n], extra: b[46+n:],
	}
	e.name = string(e.rawName)
	if disk := le16(b[34:]); disk != 0 {
		return e, refuseEntry(e.name, "is on another disk")
	}
	if needed := b[6]; needed > maxVersion {
		return e, refuseEntry(e.name, "needs version %d.%d of the zip format", needed/10, needed%10)
	}
	x, err := parseExtra(e.name, e.extra)
	if err != nil {
		return e, err
	}
	if err := x.zip64(e.name, &e.size, &e.packed, &e.header); err != nil {
		return e, err
	}
	if err := x.unicodePath(e.name); err != nil {
		return e, err
	}
	switch {
	case e.flags&(flagEncrypted|flagStrong|flagMasked) != 0:
		return e, refuseEntry(e.name, "is encrypted")
	case e.flags&flagPatch != 0:
		return e, refuseEntry(e.name, "is patch data")
	case e.method != methodStored && e.method != methodDeflate && e.method != methodBzip2:
		return e, refuseEntry(e.name, "uses compression method %d (only stored, deflate and bzip2 are read)", e.method)
	case e.method == methodStored && e.packed != e.size:
		return e, refuseEntry(e.name, "is stored, but its two sizes differ")
	case e.flags&flagUTF8 == 0 && !isASCII(e.name):
		return e, refuseEntry(e.name, "has a name outside ASCII without the UTF-8 flag")
	case !utf8.ValidString(e.name):
		return e, refuseEntry(e.name, "has a name that is not UTF-8")
	}
	return e, nil
}

// checkSizes applies the limits to what the entries declare. Reading enforces
// that they contain no more than that.
func checkSizes(entries []entry, size int64, limits Limits) error {
	var total int64
	for i := range entries {
		e := &entries[i]
		if e.isDir() && e.size != 0 {
			return refuseEntry(e.name, "is a directory with data")
		}
		if e.packed > size {
			return refuseEntry(e.name, "is larger than the file it is in")
		}
		if e.size > limits.TotalSize-total {
			return refuseEntry(e.name, "takes the unpacked size over the limit of %d bytes, which keeps the disk from being filled", limits.TotalSize)
		}
		total += e.size
	}
	if total > limits.Free && total/limits.Ratio > size {
		return refuse("unpacks to %d bytes, more than %d times its size, which would fill the disk", total, limits.Ratio)
	}
	return nil
}

func le16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }
func le32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
func le64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
