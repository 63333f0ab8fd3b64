package wheel

import (
	"errors"
	"io"
)

// Memory is what opening a wheel of size bytes and making a layer of it takes at most,
// in bytes, compiling left out: its directory and lists of names several times over,
// the texts of .dist-info, and the sources on their way to the compiler and back.
func Memory(size int64) int64 {
	const texts, directory = 256 << 20, 64 << 20
	return texts + 4*min(size, directory)
}

// What RECORD may have, whatever it says: some rows for each file, and some more for
// what is not in the archive.
const (
	rowsForFile  = 2
	bytesForFile = 256 // and twice the name: a quote is written as two
	moreRows     = 10_000
	moreBytes    = 1 << 20
)

// boundRecord refuses a RECORD that is large out of all proportion to the files. Its
// lines are counted while it is unpacked, so that nothing of it is kept.
func (w *Wheel) boundRecord() error {
	rows, bytes := int64(moreRows), int64(moreBytes)
	var record *File
	name := w.DistInfo + "/RECORD"
	for _, f := range w.files {
		rows += rowsForFile
		bytes += bytesForFile + 2*int64(len(f.Name))
		if f.Name == name {
			record = f
		}
	}
	if record == nil {
		return nil // said by readRecord
	}
	if record.Size > bytes {
		return refuseEntry(name, "is larger than the %d bytes that %d files can need", bytes, len(w.files))
	}
	r, err := w.Open(record)
	if err != nil {
		return err
	}
	defer r.Close()
	lines := lineCounter{most: rows}
	if _, err := io.Copy(&lines, r); err == errLines {
		return refuseEntry(name, "has more than the %d rows that %d files can need", rows, len(w.files))
	} else if err != nil {
		return err
	}
	return nil
}

// lineCounter is a writer that fails after so many line ends.
type lineCounter struct{ n, most int64 }

var errLines = errors.New("too many lines")

func (c *lineCounter) Write(p []byte) (int, error) {
	for _, b := range p {
		switch {
		// Bytes of U+0085, U+2028 and U+2029 too: other characters have them as
		// well, and so count.
		case b >= '\n' && b <= '\r', b >= 0x1c && b <= 0x1e, b == 0x85, b == 0xa8, b == 0xa9:
			if c.n++; c.n > c.most {
				return 0, errLines
			}
		}
	}
	return len(p), nil
}
