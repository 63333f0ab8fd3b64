package wheel

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// limits bound what a hostile file can cost. A zero field takes the default.
type limits struct {
	Files     int   // entries, and the directories that their names imply; default 200,000 (the largest wheels have about 25,000)
	TotalSize int64 // bytes unpacked; default 32 GiB (torch with CUDA is about 5)
	Ratio     int64 // unpacked over packed, once more than Free is unpacked; default 100 (deflate's own limit is 1032)
	Free      int64 // bytes that may be unpacked at any ratio; default 1 GiB
}

func (l limits) orDefault() limits {
	if l.Files == 0 {
		l.Files = 200_000
	}
	if l.TotalSize == 0 {
		l.TotalSize = 32 << 30
	}
	if l.Ratio == 0 {
		l.Ratio = 100
	}
	if l.Free == 0 {
		l.Free = 1 << 30
	}
	return l
}

// File is one regular file of a wheel.
type File struct {
	Name string // as the archive and RECORD spell it
	Path string // where it goes: Name without a "./" at its front
	Size int64
	Exec bool // a regular file by its mode bits, any of them x: pip's rule, whatever system wrote the zip

	zip *zip.File
}

// readZip sets the wheel's files, in the order of the central directory. It reads no
// content but that of directories.
func (w *Wheel) readZip(r io.ReaderAt, size int64, most limits) error {
	end, err := readEnd(r, size)
	if err != nil {
		return err
	}
	if end.entries > uint64(most.Files) {
		return refuse("has %d entries, over the limit of %d", end.entries, most.Files)
	}
	headers, err := readDirectory(r, end)
	if err != nil {
		return err
	}
	z, err := zip.NewReader(r, size)
	if errors.Is(err, zip.ErrInsecurePath) {
		err = nil // said by checkNames, in other words
	}
	if errors.Is(err, zip.ErrFormat) || err == nil && len(z.File) != len(headers) {
		return refuse("is not a zip archive that every reader takes")
	}
	if err != nil {
		return fmt.Errorf("read central directory: %w", err)
	}
	z.RegisterDecompressor(zip.Deflate, inflate)
	z.RegisterDecompressor(methodBzip2, bunzip2)
	for _, f := range z.File {
		if err := checkEntry(f); err != nil {
			return err
		}
	}
	if err := checkNames(z.File, most.Files); err != nil {
		return err
	}
	if err := checkSizes(z.File, size, most); err != nil {
		return err
	}
	if err := checkLayout(r, z.File, headers, end.directory); err != nil {
		return err
	}
	return w.addFiles(z.File)
}

// addFiles makes the list of files. A directory may have packed bytes, since deflate
// spends two on nothing; what counts is that nothing comes out.
func (w *Wheel) addFiles(entries []*zip.File) error {
	w.files = make([]*File, 0, len(entries))
	for _, e := range entries {
		mode := e.ExternalAttrs >> 16
		f := &File{Name: e.Name, Path: cleanName(e.Name), Size: int64(e.UncompressedSize64), Exec: mode&modeType == modeRegular && mode&0o111 != 0, zip: e}
		if !isDir(e) {
			w.files = append(w.files, f)
			continue
		}
		// archive/zip unpacks nothing whose name ends with a slash.
		content := *e
		content.Name = strings.TrimSuffix(e.Name, "/")
		f.zip = &content
		if err := w.drain(f); err != nil {
			return err
		}
	}
	return nil
}

func isDir(e *zip.File) bool { return strings.HasSuffix(e.Name, "/") }

// Flag bits (APPNOTE 4.4.4).
const (
	flagEncrypted  = 1 << 0
	flagLZMAMarker = 1 << 1 // of method 14
	flagDescriptor = 1 << 3
	flagPatch      = 1 << 5
	flagStrong     = 1 << 6
	flagUTF8       = 1 << 11
	flagMasked     = 1 << 13

	// Python's zipfile reads no entry that needs more than version 6.3.
	maxVersion = 63

	methodBzip2 = 12
	methodLZMA  = 14
)

// checkEntry applies the rules about one entry of the central directory alone, its name
// left out.
func checkEntry(e *zip.File) error {
	needed := byte(e.ReaderVersion)
	switch {
	case needed > maxVersion:
		return refuseEntry(e.Name, "needs version %d.%d of the zip format", needed/10, needed%10)
	case e.Flags&(flagEncrypted|flagStrong|flagMasked) != 0:
		return refuseEntry(e.Name, "is encrypted")
	case e.Flags&flagPatch != 0:
		return refuseEntry(e.Name, "is patch data")
	case e.Method != zip.Store && e.Method != zip.Deflate && e.Method != methodBzip2 && e.Method != methodLZMA:
		return refuseEntry(e.Name, "uses compression method %d (only stored, deflate, bzip2 and LZMA are read)", e.Method)
	case e.Method == zip.Store && e.CompressedSize64 != e.UncompressedSize64:
		return refuseEntry(e.Name, "is stored, but its two sizes differ")
	case e.Flags&flagUTF8 == 0 && !isASCII(e.Name):
		return refuseEntry(e.Name, "has a name outside ASCII without the UTF-8 flag")
	case !utf8.ValidString(e.Name):
		return refuseEntry(e.Name, "has a name that is not UTF-8")
	}
	return nil
}

// checkSizes applies the limits to what the entries declare. Reading enforces
// that they contain no more than that.
func checkSizes(entries []*zip.File, size int64, most limits) error {
	var total int64
	for _, e := range entries {
		if isDir(e) && e.UncompressedSize64 != 0 {
			return refuseEntry(e.Name, "is a directory with data")
		}
		if e.CompressedSize64 > uint64(size) {
			return refuseEntry(e.Name, "is larger than the file it is in")
		}
		if e.UncompressedSize64 > uint64(most.TotalSize-total) {
			return refuseEntry(e.Name, "takes the unpacked size over the limit of %d bytes, which keeps the disk from being filled", most.TotalSize)
		}
		total += int64(e.UncompressedSize64)
	}
	if total > most.Free && total/most.Ratio > size {
		return refuse("unpacks to %d bytes, more than %d times its size, which would fill the disk", total, most.Ratio)
	}
	return nil
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}
