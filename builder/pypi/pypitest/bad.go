package pypitest

import (
	"fmt"
	"hash/crc32"
	"strings"
)

// BadWheel is a wheel that must be refused.
type BadWheel struct {
	Row      string // of the bad-input table (B01 …), and what it is
	Filename string
	Bytes    []byte
	Rule     string // a part of what a reader should say
}

// Bad lists broken wheels for every row of the bad-input table about archives, and
// for those about metadata that lead to a refusal. Limits (bombs) are apart, in
// Bombs, since they need other limits or much memory.
func Bad() []BadWheel {
	var list []BadWheel
	add := func(row, rule string, w Wheel) {
		list = append(list, BadWheel{row, w.Filename(), w.Bytes(), rule})
	}
	// zip edits the archive of an otherwise good wheel.
	zip := func(row, rule string, edit func(a *Archive)) { add(row, rule, Wheel{Edit: edit}) }
	// entry appends one entry to the archive.
	entry := func(row, rule string, e Entry) {
		zip(row, rule, func(a *Archive) { a.Entries = append(a.Entries, e) })
	}
	name := func(row, rule, name string) { entry(row+": name "+name, rule, Entry{Name: name, Data: "x"}) }
	// first changes the first entry.
	first := func(row, rule string, change func(e *Entry)) {
		zip(row, rule, func(a *Archive) { change(&a.Entries[0]) })
	}

	name("B01", `has a ".." in its name`, "../evil")
	name("B02", "has an absolute name", "/etc/evil")
	name("B03", `has a ".." in its name`, "a/../../b")
	name("B03", `has a ".." in its name`, "a/..")
	name("B04", "has a backslash in its name", `..\evil`)
	name("B04", "has a backslash in its name", `a\b`)
	name("B05", "has a drive letter in its name", "C:evil")
	name("B05", "has a drive letter in its name", "C:/evil")
	name("B06", "has a control character", "a\x00b")
	for _, c := range []string{"\n", "\t", "\x1b", "\x7f", "\u0085", "\u200b", "\u202e", "\u2066", "\ufeff", "\ue000", "\u2028"} {
		name("B07", "has a control character", "..a"+c+"evil")
	}
	entry("B08: not UTF-8", "not UTF-8", Entry{Name: "a\xff", Data: "x"})
	entry("B08: no flag", "without the UTF-8 flag", Entry{Name: "ä", Data: "x", NoUTF8: true})
	name("B09", "has an empty name", "")
	name("B10", "not canonical", ".")
	name("B10", "not canonical", "././a")
	name("B10", "an absolute name", ".//a")
	name("B10", "drive letter", "./C:a")
	name("B10", `has a ".."`, "./../a")
	name("B10", "not canonical", "a//b")
	name("B10", "not canonical", "a/.")
	name("B10", "not canonical", "a/./b")
	name("B10", "not canonical", "a//")
	name("B11", "longer than 255 bytes", strings.Repeat("a", 256))
	name("B11", "longer than 1024 bytes", strings.Repeat("abcdefghi/", 110)+"x")
	name("B11", "more than 128 directories deep", strings.Repeat("a/", 130)+"x")
	zip("B12: NFC", "after Unicode normalisation", func(a *Archive) {
		a.Entries = append(a.Entries, Entry{Name: "\u00e9.py"}, Entry{Name: "e\u0301.py"})
	})
	zip("B12: NFKC", "after Unicode normalisation", func(a *Archive) {
		a.Entries = append(a.Entries, Entry{Name: "fi.py"}, Entry{Name: "\ufb01.py"})
	})
	for _, to := range []string{"/etc/passwd", "demo.py", "../x"} {
		entry("B14: link to "+to, "is a symbolic link", Entry{Name: "link", Data: to, Mode: 0o120777})
	}
	zip("B15", "is a symbolic link", func(a *Archive) {
		a.Entries = append(a.Entries, Entry{Name: "link", Data: "/etc", Mode: 0o120777}, Entry{Name: "link/passwd", Data: "x"})
	})
	for _, mode := range []uint32{0o020644, 0o060644, 0o010644, 0o140644} {
		entry(fmt.Sprintf("B16: %o", mode), "is a device, socket or FIFO", Entry{Name: "dev", Mode: mode})
	}
	entry("B16: directory without slash", "is a directory by its mode", Entry{Name: "dir", Mode: 0o040755})
	zip("B18", "occurs twice", func(a *Archive) {
		a.Entries = append(a.Entries, Entry{Name: "a", Data: "1"}, Entry{Name: "a", Data: "2"})
	})
	zip("B19", "occurs twice", func(a *Archive) {
		a.Entries = append(a.Entries, Entry{Name: "a", Data: "1"}, Entry{Name: "a", Data: "1"})
	})
	zip("B19: ./", "occurs twice", func(a *Archive) {
		a.Entries = append(a.Entries, Entry{Name: "a", Data: "1"}, Entry{Name: "./a", Data: "2"})
	})
	zip("B20: ./", "is a file and a directory", func(a *Archive) {
		a.Entries = append(a.Entries, Entry{Name: "./a", Data: "1"}, Entry{Name: "a/b", Data: "1"})
	})
	zip("B20", "is a file and a directory", func(a *Archive) {
		a.Entries = append(a.Entries, Entry{Name: "a", Data: "1"}, Entry{Name: "a/b", Data: "1"})
	})
	zip("B20: other order", "is a file and a directory", func(a *Archive) {
		a.Entries = append(a.Entries, Entry{Name: "a/b/c", Data: "1"}, Entry{Name: "a", Data: "1"})
	})
	zip("B20: entry", "is a file and a directory", func(a *Archive) {
		a.Entries = append(a.Entries, Entry{Name: "a/", Stored: true}, Entry{Name: "a", Data: "1"})
	})
	entry("B21", "is a directory with data", Entry{Name: "dir/", Data: "x", Stored: true})
	entry("B21: hidden in deflate", "is longer than the 0 bytes", Entry{Name: "dir/", Data: "x", Size: -1, LocalSize: -1})
	first("B22", "in its local header", func(e *Entry) { e.LocalName = "evil.py" })
	first("B22: same length", "in its local header", func(e *Entry) { e.LocalName = "evil" + e.Name[4:] })
	first("B23: checksum", "another checksum in its local header", func(e *Entry) { e.LocalCRC = 1 })
	first("B23: size", "other sizes in its local header", func(e *Entry) { e.LocalSize = 1 })
	first("B23: packed", "other sizes in its local header", func(e *Entry) { e.LocalPacked = -1 })
	first("B23: method", "another compression method", func(e *Entry) { e.LocalMethod = 8 })
	first("B23: flags", "other flags", func(e *Entry) { e.LocalFlags = 8 })
	first("B24", "wrong checksum", func(e *Entry) { e.CRC, e.LocalCRC = 1, 1 })
	first("B24: stored", "wrong checksum", func(e *Entry) { e.CRC, e.LocalCRC, e.Stored = 1, 1, true })
	// A reader that takes 0 for "none given" would compare nothing.
	first("B24: zero", "wrong checksum", func(e *Entry) {
		e.CRC, e.LocalCRC = -crc32.ChecksumIEEE([]byte(e.Data)), -crc32.ChecksumIEEE([]byte(e.Data))
	})
	first("B24: deflate", "damaged compressed data", func(e *Entry) { e.Stored, e.Method = true, 8 })
	first("B25: small", "is longer than", func(e *Entry) { e.Size, e.LocalSize = -3, -3 })
	first("B25: large", "is shorter than", func(e *Entry) { e.Size, e.LocalSize = 3, 3 })
	first("B25: stored", "two sizes differ", func(e *Entry) { e.Stored, e.Size, e.LocalSize = true, 3, 3 })
	first("B25: packed small", "", func(e *Entry) { e.Packed, e.LocalPacked = -3, -3 })
	first("B25: packed large", "", func(e *Entry) { e.Packed, e.LocalPacked = 3, 3 })
	first("B25: after the data", "bytes after its compressed data", func(e *Entry) { e.Tail = "hidden" })
	entry("B26", "belong to no entry", Entry{Name: "hidden.py", Data: "x", Hidden: true})
	zip("B26: in the middle", "belong to no entry", func(a *Archive) {
		a.Entries = append(a.Entries[:1:1], append([]Entry{{Name: "hidden.py", Data: "x", Hidden: true}}, a.Entries[1:]...)...)
	})
	zip("B26: gap", "belong to no entry", func(a *Archive) { a.Gap = "gap" })
	entry("B27", "overlaps another entry", Entry{Name: "nothing.py", Data: "x", NoLocal: true})
	first("B27: offset", "", func(e *Entry) { e.Offset = 1 })
	first("B27: beyond", "", func(e *Entry) { e.Offset = 1 << 30 })
	zip("B28: lower", "more entries than the end record", func(a *Archive) { a.EditEnd = func(e *End) { e.Entries-- } })
	zip("B28: higher", "entries", func(a *Archive) { a.EditEnd = func(e *End) { e.Entries++ } })
	zip("B28: much higher", "more than fit", func(a *Archive) { a.EditEnd = func(e *End) { e.Entries = 60000 } })
	zip("B28: none", "more entries than the end record", func(a *Archive) { a.EditEnd = func(e *End) { e.Entries = 0 } })
	zip("B28: length", "does not end at the end record", func(a *Archive) { a.EditEnd = func(e *End) { e.Length++ } })
	zip("B28: offset", "does not end at the end record", func(a *Archive) { a.EditEnd = func(e *End) { e.Directory-- } })
	zip("B29", "bytes after its end", func(a *Archive) { a.Suffix = "x" })
	zip("B29: NUL", "bytes after its end", func(a *Archive) { a.Suffix = "\x00\x00" })
	zip("B30", "", func(a *Archive) { a.Prefix = "#!/bin/sh\nexit\n" })
	zip("B30: offsets as if without", "does not end at the end record", func(a *Archive) {
		a.EditBytes = func(b []byte) []byte { return append([]byte("#!/bin/sh\nexit\n"), b...) }
	})
	good := Wheel{}.Bytes()
	zip("B31", "does not end at the end record", func(a *Archive) {
		a.EditBytes = func(b []byte) []byte { return append(append([]byte{}, good...), b...) }
	})
	zip("B32: archive in the comment", "", func(a *Archive) { a.Comment = string(good) })
	zip("B32: control characters", "comment with control characters", func(a *Archive) { a.Comment = "a\x01b" })
	zip("B32: length", "bytes after its end", func(a *Archive) {
		a.Comment = "comment"
		a.EditEnd = func(e *End) { e.CommentLength-- }
	})
	zip("B32: length beyond", "", func(a *Archive) { a.EditEnd = func(e *End) { e.CommentLength = 5 } })
	zip("B33: two ends", "", func(a *Archive) {
		a.EditBytes = func(b []byte) []byte { return append(b, b[len(b)-22:]...) }
	})
	zip("B33: locator", "points elsewhere", func(a *Archive) {
		a.Zip64 = true
		a.EditEnd = func(e *End) { e.Zip64At -= 4 }
	})
	zip("B33: extensible data", "", func(a *Archive) {
		a.Zip64 = true
		a.EditEnd = func(e *End) { e.Extensible, e.Zip64Size = "1234", 48 }
	})
	zip("B33: size", "extensible data", func(a *Archive) {
		a.Zip64 = true
		a.EditEnd = func(e *End) { e.Zip64Size = 48 }
	})
	zip("B33: no ZIP64 record", "needs a ZIP64 end record", func(a *Archive) { a.SeeZip64 = true })
	zip("B33: ZIP64 offset", "does not end at the end record", func(a *Archive) {
		a.Zip64, a.SeeZip64 = true, true
		a.EditEnd = func(e *End) { e.Directory-- }
	})
	zip("B33: ZIP64 length", "does not end at the end record", func(a *Archive) {
		a.Zip64, a.SeeZip64 = true, true
		a.EditEnd = func(e *End) { e.Length = 1 << 63 }
	})
	first("B34: short", "wrong length", func(e *Entry) {
		e.Size, e.LocalSize = 0xffffffff-int64(len(e.Data)), 0xffffffff-int64(len(e.Data))
		e.Extra = Extra(1, "1234")
	})
	first("B34: long", "wrong length", func(e *Entry) {
		e.Size, e.LocalSize = 0xffffffff-int64(len(e.Data)), 0xffffffff-int64(len(e.Data))
		e.Extra = Zip64Extra(uint64(len(e.Data)), 1, 2, 3)
	})
	first("B34: none", "lacks its ZIP64 extra field", func(e *Entry) {
		e.Size, e.LocalSize = 0xffffffff-int64(len(e.Data)), 0xffffffff-int64(len(e.Data))
	})
	for _, huge := range []uint64{1 << 63, 1<<64 - 1, 1 << 62} {
		first(fmt.Sprintf("B34: size %d", huge), "", func(e *Entry) {
			e.Size, e.LocalSize = 0xffffffff-int64(len(e.Data)), 0xffffffff-int64(len(e.Data))
			e.Extra = Zip64Extra(huge)
		})
	}
	first("B34: offset", "", func(e *Entry) {
		e.Offset = 0xffffffff
		e.CentralExtra = Zip64Extra(1<<63 - 1)
	})
	first("B35: missing", "data descriptor", func(e *Entry) { e.Descriptor, e.NoDescriptor = true, true })
	first("B35: checksum", "disagrees", func(e *Entry) { e.Descriptor, e.DescCRC = true, 1 })
	first("B35: signature", "data descriptor", func(e *Entry) {
		e.Descriptor, e.DescNoSig = true, true
		e.Tail, e.Packed = "PK\x07\x09", -4
	})
	first("B35: not announced", "belong to no entry", func(e *Entry) { e.Packed, e.LocalPacked, e.Tail = -16, -16, strings.Repeat("x", 16) })
	first("B36", "Unicode path", func(e *Entry) { e.Extra = UnicodePath(e.Name, "evil.py") })
	first("B36: checksum", "Unicode path", func(e *Entry) { e.Extra = UnicodePath("other", e.Name) })
	first("B36: local", "Unicode path", func(e *Entry) { e.LocalExtra = UnicodePath(e.Name, "evil.py") })
	first("B36: second", "two extra fields", func(e *Entry) { e.Extra = UnicodePath(e.Name, e.Name) + UnicodePath(e.Name, "evil.py") })
	first("B37", "two extra fields", func(e *Entry) { e.Extra = Extra(0x5455, "12345") + Extra(0x5455, "12346") })
	first("B37: cut", "damaged extra field", func(e *Entry) { e.Extra = "\x55\x54\xff\x00a" })
	first("B37: rest", "damaged extra field", func(e *Entry) { e.Extra = Extra(0x5455, "12345") + "ab" })
	first("B38", "is encrypted", func(e *Entry) { e.Flags = 1 })
	first("B38: strong", "is encrypted", func(e *Entry) { e.Flags = 1 << 6 })
	first("B38: masked", "is encrypted", func(e *Entry) { e.Flags = 1 << 13 })
	first("B38: patch", "is patch data", func(e *Entry) { e.Flags = 1 << 5 })
	for _, method := range []uint16{1, 9, 93, 99} {
		first(fmt.Sprintf("B39: %d", method), "compression method", func(e *Entry) { e.Method = method })
	}
	first("B39: bzip2", "damaged compressed data", func(e *Entry) { e.Method = 12 })
	for name, raw := range map[string]string{
		"no header": "\t\x04", "long properties": "\t\x04\xff\xff" + strings.Repeat("x", 300), "no stream": "\t\x04\x05\x00]\x00\x00\x80\x00",
		"4 GiB of dictionary": "\t\x04\x05\x00]\xff\xff\xff\xff" + strings.Repeat("x", 300), "cut": "\t\x04\x05\x00]\x00\x00\x80\x00\x00<\b\x03",
	} {
		first("B39: LZMA, "+name, "damaged compressed data", func(e *Entry) { e.Method, e.Raw = 14, raw })
	}
	first("B39: version", "of the zip format", func(e *Entry) { e.Version = 64 })
	entry("B41", "overlaps another entry", Entry{Name: "again.py", Data: "x", SameBody: true})
	zip("B41: quoted", "", func(a *Archive) { // one entry's body holds the next one whole
		inner := Archive{Entries: []Entry{{Name: "inner.py", Data: "x", Stored: true}}}
		body := inner.Bytes()
		a.Entries = append(a.Entries, Entry{Name: "outer", Data: string(body[:39]), Stored: true},
			Entry{Name: "inner.py", Data: "x", Stored: true, SameBody: true, Offset: 35})
	})
	for _, bytes := range []string{"", "x", "<html><title>Sign in</title></html>" + strings.Repeat(" ", 4096), string(good[:len(good)/2]), string(good[:len(good)-1]), string(good[:4])} {
		list = append(list, BadWheel{fmt.Sprintf("B44: %d bytes", len(bytes)), Wheel{}.Filename(), []byte(bytes), ""})
	}
	first("B45: entry", "on another disk", func(e *Entry) { e.Disk = 1 })
	zip("B45: end", "several disks", func(a *Archive) { a.EditEnd = func(e *End) { e.Disk = 1 } })
	zip("B45: locator", "several disks", func(a *Archive) {
		a.Zip64 = true
		a.EditEnd = func(e *End) { e.LocatorDisks = 2 }
	})
	name("B47", "whiteout", ".wh.x")
	name("B47", "whiteout", "a/.wh..wh..opq")
	name("B47", "whiteout", ".wh.a/b")

	return append(list, badMetadata()...)
}
