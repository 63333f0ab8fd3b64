package pypitest

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
)

// Archive is a zip file, header by header.
type Archive struct {
	Prefix  string // before the first entry
	Entries []Entry
	Gap     string // between the last entry and the central directory
	Comment string
	Suffix  string // after the end record

	Zip64     bool // with ZIP64 end record and locator
	SeeZip64  bool // the plain end record holds only "see there"
	EditEnd   func(e *End)
	EditBytes func(b []byte) []byte // last of all
}

// End are the fields of the end records that tests make wrong.
type End struct {
	Disk          uint16
	Entries       uint64
	Length        uint64 // of the central directory
	Directory     uint64 // its offset
	CommentLength uint16
	Zip64Size     uint64 // 44
	Zip64At       uint64 // what the locator says
	Extensible    string // extensible data of the ZIP64 record
	LocatorDisks  uint32
}

// Entry is one file. The zero values are the right ones for its Name and Data.
type Entry struct {
	Name   string
	Data   string
	Mode   uint32 // Unix, in the upper half of the external attributes
	FAT    bool   // created on FAT, not Unix
	Stored bool

	Descriptor   bool // sizes follow the data
	NoDescriptor bool // but are left out
	Desc64       bool // with sizes of 8 bytes
	DescNoSig    bool
	DescCRC      uint32 // added to the right one
	LocalAnyway  bool   // and in the local header too

	Flags  uint16 // further ones
	NoUTF8 bool   // no UTF-8 flag for a name outside ASCII
	Method uint16 // another number for what Stored says; 0 means none
	Raw    string // what is stored, when not Data as Stored says
	Extra  string // in both headers
	Zip64  bool   // sizes in a ZIP64 extra field, in both headers
	Disk   uint16
	// Version is what is needed to extract, times ten; 0 means 2.0.
	Version uint16
	Time    uint32 // DOS date and time; 0 means 1980-01-01

	// Central directory only.
	CRC          uint32 // added to the right one
	Size, Packed int64  // added to the right ones
	Offset       int64  // added
	CentralExtra string
	Comment      string

	// Local header only.
	LocalName   string
	LocalCRC    uint32
	LocalSize   int64
	LocalPacked int64
	LocalFlags  uint16 // exclusive or
	LocalMethod uint16 // exclusive or
	LocalExtra  string

	Tail     string // bytes after the compressed data, inside the packed size
	Hidden   bool   // no central directory entry
	NoLocal  bool   // no local header: the entry points at offset 0
	SameBody bool   // shares the local header of the entry before
}

func le16(v uint16) string { return string(binary.LittleEndian.AppendUint16(nil, v)) }
func le32(v uint32) string { return string(binary.LittleEndian.AppendUint32(nil, v)) }
func le64(v uint64) string { return string(binary.LittleEndian.AppendUint64(nil, v)) }

// Extra is one extra field.
func Extra(id uint16, data string) string { return le16(id) + le16(uint16(len(data))) + data }

// UnicodePath is Info-ZIP's extra field that renames an entry.
func UnicodePath(of, to string) string {
	return Extra(0x7075, "\x01"+le32(crc32.ChecksumIEEE([]byte(of)))+to)
}

// Zip64Extra is the extra field with the given numbers.
func Zip64Extra(values ...uint64) string {
	var b string
	for _, v := range values {
		b += le64(v)
	}
	return Extra(1, b)
}

// Deflate compresses as the entries are.
func Deflate(data string) string {
	var b bytes.Buffer
	z, err := flate.NewWriter(&b, 6)
	if err != nil {
		panic(err) // 6 is a level
	}
	z.Write([]byte(data)) // a bytes.Buffer takes everything
	z.Close()
	return b.String()
}

// Bytes writes the archive.
func (a *Archive) Bytes() []byte {
	var b bytes.Buffer
	b.WriteString(a.Prefix)
	var central bytes.Buffer
	n, last := uint64(0), int64(0)
	for _, e := range a.Entries {
		at := int64(b.Len())
		if e.SameBody {
			at = last
		}
		last = at
		packed, method := e.Data, uint16(0)
		if !e.Stored {
			packed, method = Deflate(e.Data), 8
		}
		if e.Method != 0 {
			method = e.Method
		}
		if e.Raw != "" {
			packed = e.Raw
		}
		packed += e.Tail
		h := header{Entry: e, method: method, packed: int64(len(packed)), crc: crc32.ChecksumIEEE([]byte(e.Data))}
		if !e.NoLocal && !e.SameBody {
			b.WriteString(h.local())
			b.WriteString(packed)
			b.WriteString(h.descriptor())
		}
		if e.NoLocal {
			at = 0
		}
		if !e.Hidden {
			central.WriteString(h.central(at))
			n++
		}
	}
	b.WriteString(a.Gap)
	end := End{Entries: n, Length: uint64(central.Len()), Directory: uint64(b.Len()), CommentLength: uint16(len(a.Comment)), Zip64Size: 44, LocatorDisks: 1}
	b.Write(central.Bytes())
	end.Zip64At = uint64(b.Len())
	if a.EditEnd != nil {
		a.EditEnd(&end)
	}
	b.WriteString(a.end(end))
	b.WriteString(a.Suffix)
	if a.EditBytes != nil {
		return a.EditBytes(b.Bytes())
	}
	return b.Bytes()
}

func (a *Archive) end(e End) string {
	var s string
	if a.Zip64 {
		s += "PK\x06\x06" + le64(e.Zip64Size) + le16(45) + le16(45) + le32(uint32(e.Disk)) + le32(0) +
			le64(e.Entries) + le64(e.Entries) + le64(e.Length) + le64(e.Directory) + e.Extensible
		s += "PK\x06\x07" + le32(0) + le64(e.Zip64At) + le32(e.LocatorDisks)
	}
	if a.SeeZip64 {
		e.Entries, e.Length, e.Directory = 0xffff, 0xffffffff, 0xffffffff
	}
	return s + "PK\x05\x06" + le16(e.Disk) + le16(0) + le16(uint16(e.Entries)) + le16(uint16(e.Entries)) +
		le32(uint32(e.Length)) + le32(uint32(e.Directory)) + le16(e.CommentLength) + a.Comment
}

// header are both headers of an entry.
type header struct {
	Entry
	method uint16
	packed int64
	crc    uint32
}

func (h header) flags() uint16 {
	f := h.Flags
	if h.Descriptor {
		f |= 1 << 3
	}
	if !h.NoUTF8 && !isASCII(h.Name) {
		f |= 1 << 11
	}
	return f
}

func (h header) time() uint32 {
	if h.Time == 0 {
		return 0x21 << 16 // 1980-01-01 00:00
	}
	return h.Time
}

func (h header) needed() uint16 {
	if h.Version == 0 {
		return 20
	}
	return h.Version
}

func (h header) local() string {
	name := h.Name
	if h.LocalName != "" {
		name = h.LocalName
	}
	crc, packed, size := h.crc+h.LocalCRC, h.packed+h.LocalPacked, int64(len(h.Data))+h.LocalSize
	if h.Descriptor && !h.LocalAnyway {
		crc, packed, size = 0, 0, 0
	}
	extra := h.Extra + h.LocalExtra
	if h.Zip64 {
		extra += Zip64Extra(uint64(size), uint64(packed))
		packed, size = 0xffffffff, 0xffffffff
	}
	return "PK\x03\x04" + le16(h.needed()) + le16(h.flags()^h.LocalFlags) + le16(h.method^h.LocalMethod) + le32(h.time()) +
		le32(crc) + le32(uint32(packed)) + le32(uint32(size)) +
		le16(uint16(len(name))) + le16(uint16(len(extra))) + name + extra
}

func (h header) descriptor() string {
	if !h.Descriptor || h.NoDescriptor {
		return ""
	}
	s := le32(h.crc + h.DescCRC)
	if !h.DescNoSig {
		s = "PK\x07\x08" + s
	}
	if h.Desc64 {
		return s + le64(uint64(h.packed)) + le64(uint64(len(h.Data)))
	}
	return s + le32(uint32(h.packed)) + le32(uint32(len(h.Data)))
}

func (h header) central(at int64) string {
	made := uint16(3<<8 | 20)
	if h.FAT {
		made = 20
	}
	packed, size := h.packed+h.Packed, int64(len(h.Data))+h.Size
	extra := h.Extra + h.CentralExtra
	if h.Zip64 {
		extra += Zip64Extra(uint64(size), uint64(packed))
		packed, size = 0xffffffff, 0xffffffff
	}
	return "PK\x01\x02" + le16(made) + le16(h.needed()) + le16(h.flags()) + le16(h.method) + le32(h.time()) +
		le32(h.crc+h.CRC) + le32(uint32(packed)) + le32(uint32(size)) +
		le16(uint16(len(h.Name))) + le16(uint16(len(extra))) + le16(uint16(len(h.Comment))) +
		le16(h.Disk) + le16(0) + le32(h.Mode<<16) + le32(uint32(at+h.Offset)) + h.Name + extra + h.Comment
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
