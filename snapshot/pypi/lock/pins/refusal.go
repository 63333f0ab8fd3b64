package pins

import (
	"errors"
	"fmt"
	"strconv"
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
func (r *Refusal) Error() string { return Where(r.File, r.Line) + ": " + r.Reason }

// Hint is one line: what to do about it.
func (r *Refusal) Hint() string { return r.Fix }

// Is makes errors.Is(err, ErrRefused) true.
func (r *Refusal) Is(target error) bool { return target == ErrRefused }

// Refuse makes a Refusal; file names and all text from a lock go through Show.
func Refuse(file string, line int, fix, format string, args ...any) error {
	return &Refusal{File: file, Line: line, Reason: fmt.Sprintf(format, args...), Fix: fix}
}

// Where is FILE:LINE, or FILE when the line is not known.
func Where(file string, line int) string {
	if line == 0 {
		return Show(file)
	}
	return Show(file) + ":" + strconv.Itoa(line)
}

// Show makes text from a lock fit for a message: cut to a sensible length, and
// quoted unless it is plain.
func Show(s string) string {
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
