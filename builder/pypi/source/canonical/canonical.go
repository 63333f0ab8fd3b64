// Package canonical writes a wheel in the one form that its tree of files has.
//
// Two zips of one tree differ: in the order of entries, in times, compression, creating system, and
// in the order and the hashes of RECORD. What is made of a source is compared and named by its bytes,
// so they must say nothing but the tree.
//
// The form: entries sorted by their bytes, those of .dist-info behind all others, as the wheel
// specification recommends, and RECORD last; no entries for directories; stored without compression,
// so that no version of a compressor decides; the time 1980-01-01 00:00, the earliest a zip can say;
// made on Unix, modes 0644 and 0755; neither extra fields nor descriptors nor comments. RECORD is made
// anew: a row with SHA-256 and size for each entry in this order, lines end with LF. Signatures of an
// older RECORD (RECORD.jws, RECORD.p7s) are left out.
package canonical

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"strings"

	"larder/builder/pypi/wheel"
	"larder/snapshot"
)

// Format is the version of the form. It changes whenever the same tree gives other bytes.
const Format = 1

// File is one file of the tree.
type File struct {
	Path   string
	Digest snapshot.Digest
	Size   int64
	Exec   bool
}

// entry is a file and what its header says.
type entry struct {
	File
	crc  uint32
	info bool // in .dist-info
	open func() (io.ReadCloser, error)
}

// Write writes the canonical form of a wheel, where the files in changed, by their paths, have another
// content. It returns the files, RECORD left out, in the order of their entries. All of the wheel is
// read twice and checked. Errors are *wheel.Refusal, or those of the wheel's reader and of to.
func Write(w *wheel.Wheel, changed map[string][]byte, to io.Writer) ([]File, error) {
	entries, err := read(w, changed)
	if err != nil {
		return nil, err
	}
	files := make([]File, len(entries))
	for i, e := range entries {
		files[i] = e.File
	}
	text := record(files, w.DistInfo+"/RECORD")
	entries = append(entries, entry{
		File: File{Path: w.DistInfo + "/RECORD", Size: int64(len(text))}, crc: crc32.ChecksumIEEE(text),
		open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil },
	})
	z := zip.NewWriter(to)
	for _, e := range entries {
		if err := e.write(z); err != nil {
			return nil, err
		}
	}
	return files, z.Close()
}

// read lists the entries in their order. A header comes before the content, so all is read first.
func read(w *wheel.Wheel, changed map[string][]byte) ([]entry, error) {
	var entries []entry
	info := w.DistInfo + "/"
	for _, f := range w.Files() {
		if slices.Contains([]string{info + "RECORD", info + "RECORD.jws", info + "RECORD.p7s"}, f.Path) {
			continue
		}
		if f.Size >= math.MaxUint32 {
			return nil, &wheel.Refusal{File: w.Filename, Entry: f.Name, Rule: "is too large for an entry without ZIP64 fields"}
		}
		e := entry{File: File{Path: f.Path, Size: f.Size, Exec: f.Exec}, info: strings.HasPrefix(f.Path, info),
			open: func() (io.ReadCloser, error) { return w.Open(f) }}
		if text, ok := changed[f.Path]; ok {
			e.Size, e.open = int64(len(text)), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }
		}
		sum, crc := sha256.New(), crc32.NewIEEE()
		if err := e.copy(io.MultiWriter(sum, crc)); err != nil {
			return nil, err
		}
		sum.Sum(e.Digest[:0])
		e.crc = crc.Sum32()
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b entry) int {
		switch {
		case a.info == b.info:
			return strings.Compare(a.Path, b.Path)
		case b.info:
			return -1
		}
		return 1
	})
	return entries, nil
}

func (e entry) copy(to io.Writer) error {
	r, err := e.open()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(to, r)
	return err
}

// The fields of a header (APPNOTE 4.4).
const (
	unix     = 3 << 8 // creating system
	version  = 20     // 2.0, the least that knows directories
	flagUTF8 = 1 << 11
	day      = 1<<5 | 1 // 1980-01-01
	regular  = 0o100000
)

func (e entry) write(z *zip.Writer) error {
	h := &zip.FileHeader{
		Name: e.Path, CreatorVersion: unix | version, ReaderVersion: version, Method: zip.Store,
		//lint:ignore SA1019 CreateRaw writes this field, and not Modified.
		ModifiedDate: day,
		CRC32:        e.crc, CompressedSize64: uint64(e.Size), UncompressedSize64: uint64(e.Size), ExternalAttrs: (regular | 0o644) << 16,
	}
	if e.Exec {
		h.ExternalAttrs = (regular | 0o755) << 16
	}
	if strings.ContainsFunc(e.Path, func(r rune) bool { return r > '~' }) {
		h.Flags = flagUTF8
	}
	to, err := z.CreateRaw(h)
	if err != nil {
		return err
	}
	return e.copy(to)
}

// record is the text of RECORD, whose own row has neither hash nor size.
func record(files []File, name string) []byte {
	var b bytes.Buffer
	for _, f := range files {
		fmt.Fprintf(&b, "%s,sha256=%s,%d\n", field(f.Path), base64.RawURLEncoding.EncodeToString(f.Digest[:]), f.Size)
	}
	fmt.Fprintf(&b, "%s,,\n", field(name))
	return b.Bytes()
}

// field is a field of CSV. No line end is in a name that package wheel lets pass.
func field(s string) string {
	if strings.ContainsAny(s, `",`) {
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return s
}
