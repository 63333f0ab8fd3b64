package lock

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"larder/snapshot/pypi/lock/pins"
)

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
		return nil, pins.Refuse(name, badLine(data), "save the file as UTF-8", "not text in UTF-8")
	}
	return data, nil
}

// badLine is the line of the first byte that is not text.
func badLine(data []byte) int {
	line := 1
	for text := range strings.Lines(string(data)) {
		if !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
			return line
		}
		line++
	}
	return line
}
