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
type Refusal struct{ file, reason, fix string }

// Error is one line: file and reason.
func (r *Refusal) Error() string { return show(r.file) + ": " + r.reason }

// Hint is one line: what to do about it.
func (r *Refusal) Hint() string { return r.fix }

// Is makes errors.Is(err, ErrRefused) true.
func (r *Refusal) Is(target error) bool { return target == ErrRefused }

// remake is what to do about a lock that no npm wrote.
const remake = "make it again with npm install --package-lock-only"

// file is a lock's name, which every refusal says.
type file string

// refuse makes a Refusal. All text from a lock goes through show first.
func (f file) refuse(fix, format string, args ...any) error {
	return &Refusal{string(f), fmt.Sprintf(format, args...), fix}
}

// show makes text from a lock fit for a message: cut to a sensible length, and quoted unless it is
// plain.
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
