package tarball

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrRefused is what every *Refusal is.
var ErrRefused = errors.New("tarball refused")

// Refusal says why a tarball is refused.
type Refusal struct {
	File  string // the tarball's file name
	Entry string // its name in the archive, "" when it is about the whole
	Rule  string // what is wrong, to be read after the entry's name, or alone

	named bool // Entry is meant, even when it is empty
}

func refuse(format string, args ...any) error {
	return &Refusal{Rule: fmt.Sprintf(format, args...)}
}

func refuseEntry(name, format string, args ...any) error {
	return &Refusal{Entry: name, named: true, Rule: fmt.Sprintf(format, args...)}
}

// Error is one line, whatever the names contain.
func (r *Refusal) Error() string {
	var b strings.Builder
	b.WriteString("refused " + r.File + ": ")
	if r.named {
		b.WriteString("entry " + quote(r.Entry) + " ")
	}
	b.WriteString(r.Rule)
	return b.String()
}

// Unwrap makes errors.Is(err, ErrRefused) hold.
func (r *Refusal) Unwrap() error { return ErrRefused }

// quote puts a hostile name on one line of printable text, without the end of a very long one.
func quote(name string) string {
	const most = 200
	if len(name) <= 2*most {
		return strconv.QuoteToGraphic(name)
	}
	return strconv.QuoteToGraphic(name[:most]) + fmt.Sprintf(" … (%d bytes)", len(name))
}
