package lock

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxBytes bounds all files of one lock together; the largest seen has 3 MB.
const maxBytes = 16 << 20

// budget is how many bytes of a lock may still be read.
type budget int64

// read returns what r holds, as UTF-8. Name is for messages.
func (b *budget) read(name string, r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, int64(*b)+1))
	var pe *fs.PathError
	switch {
	case errors.As(err, &pe): // names the file: "read /path: is a directory"
		return nil, fmt.Errorf("read lock: %w", err)
	case err != nil:
		return nil, fmt.Errorf("read lock %s: %w", show(name), err)
	}
	if *b -= budget(len(data)); *b < 0 {
		return nil, position{file: name}.refuse("use a smaller lock", "larger than %d MiB, includes counted", maxBytes>>20)
	}
	return toUTF8(name, data)
}

// toUTF8 removes a byte order mark and converts UTF-16, which is what a
// redirection in some Windows shells writes, as pip does.
func toUTF8(name string, data []byte) ([]byte, error) {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		data = data[3:]
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		order = binary.BigEndian
	}
	if order != nil {
		units := make([]uint16, 0, len(data)/2)
		for b := data[2:]; len(b) >= 2; b = b[2:] {
			units = append(units, order.Uint16(b))
		}
		data = []byte(string(utf16.Decode(units)))
	}
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		return nil, position{name, badLine(data)}.refuse("save the file as UTF-8", "not text in UTF-8")
	}
	return data, nil
}

// badLine is the line of the first byte that is not text.
func badLine(data []byte) int {
	line := 1
	for text := range strings.Lines(string(data)) {
		if !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
			break
		}
		line++
	}
	return line
}
