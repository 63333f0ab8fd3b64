package wheel

import (
	"errors"
	"strings"

	"larder/builder/pypi/wheel/archive"
)

// ErrRefused is what every *Refusal is.
var ErrRefused = errors.New("wheel refused")

// Refusal says why a wheel is refused.
type Refusal struct {
	File  string // the wheel's file name
	Entry string // the name in the archive, "" when it is about the whole
	Rule  string // what is wrong, to be read after the entry's name, or alone

	named bool
}

// Error is one line, whatever the names contain.
func (r *Refusal) Error() string {
	var b strings.Builder
	b.WriteString("refused ")
	b.WriteString(display(r.File))
	b.WriteString(": ")
	if r.Entry != "" || r.named {
		b.WriteString("entry " + archive.Quote(r.Entry) + " ")
	}
	b.WriteString(r.Rule)
	return b.String()
}

// Unwrap makes errors.Is(err, ErrRefused) hold.
func (r *Refusal) Unwrap() error { return ErrRefused }

// display leaves an ordinary file name as it is and quotes any other.
func display(name string) string {
	if name != "" && strings.Trim(name, nameBytes+"-") == "" && len(name) <= 255 {
		return name
	}
	return archive.Quote(name)
}
