package lock

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrRefused is what errors.Is finds in every *Refusal.
var ErrRefused = errors.New("lock refused")

// Refusal says why a lock cannot be used as it stands.
type Refusal struct {
	File   string
	Line   int // 0 when it concerns the file
	Reason string
	Fix    string
}

// Error is one line: file, line and reason.
func (r *Refusal) Error() string { return where(r.File, r.Line) + ": " + r.Reason }

// Hint is one line: what to do about it.
func (r *Refusal) Hint() string { return r.Fix }

// Is makes errors.Is(err, ErrRefused) true.
func (r *Refusal) Is(target error) bool { return target == ErrRefused }

func refuse(file string, line int, fix, format string, args ...any) error {
	return &Refusal{File: file, Line: line, Reason: fmt.Sprintf(format, args...), Fix: fix}
}

func where(file string, line int) string {
	if line == 0 {
		return show(file)
	}
	return show(file) + ":" + strconv.Itoa(line)
}

// show makes text from a lock fit for a message: cut to a sensible length, and
// quoted unless it is plain.
func show(s string) string {
	const most = 200
	cut := ""
	if len(s) > most {
		s, cut = s[:most], "…"
	}
	for _, r := range s {
		if r == utf8.RuneError || r == '"' || r == '\\' || !strconv.IsPrint(r) {
			return strconv.Quote(s) + cut
		}
	}
	if s == "" {
		return `""`
	}
	return s + cut
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
		return nil, refuse(name, badLine(data), "save the file as UTF-8", "not text in UTF-8")
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
