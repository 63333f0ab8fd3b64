package lock

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
	at          position
	reason, fix string
}

// Error is one line: file, line and reason.
func (r *Refusal) Error() string {
	if r.at == (position{}) {
		return r.reason
	}
	return r.at.String() + ": " + r.reason
}

// Hint is one line: what to do about it.
func (r *Refusal) Hint() string { return r.fix }

// Is makes errors.Is(err, ErrRefused) true.
func (r *Refusal) Is(target error) bool { return target == ErrRefused }

// position is a line of a file, or the whole file when line is 0.
type position struct {
	file string
	line int
}

// String is FILE:LINE, fit for a message.
func (p position) String() string {
	if p.line == 0 {
		return show(p.file)
	}
	return show(p.file) + ":" + strconv.Itoa(p.line)
}

// refuse makes a Refusal. All text from a lock goes through show first.
func (p position) refuse(fix, format string, args ...any) error {
	return &Refusal{p, fmt.Sprintf(format, args...), fix}
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
