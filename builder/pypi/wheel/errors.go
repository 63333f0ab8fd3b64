package wheel

import (
	"errors"
	"fmt"
	"strings"
)

// ErrRefused is what every *Refusal is.
var ErrRefused = errors.New("wheel refused")

// Refusal says why a wheel is refused.
type Refusal struct {
	File  string // the wheel's file name
	Entry string // the name in the archive, "" when it is about the whole
	Rule  string // what is wrong, to be read after the entry's name, or alone

	named bool // Entry is meant, even when it is empty
}

func refuse(format string, args ...any) error {
	return &Refusal{Rule: fmt.Sprintf(format, args...)}
}

func refuseEntry(name, format string, args ...any) error {
	return &Refusal{Entry: name, named: true, Rule: fmt.Sprintf(format, args...)}
}

// refusal gives a Refusal the wheel's name. An error of the reader stays what it is.
func (w *Wheel) refusal(err error) error {
	var r *Refusal
	if !errors.As(err, &r) {
		return fmt.Errorf("read %s: %w", display(w.Filename), err)
	}
	r.File = w.Filename
	return err
}

// Error is one line, whatever the names contain.
func (r *Refusal) Error() string {
	var b strings.Builder
	b.WriteString("refused ")
	b.WriteString(display(r.File))
	b.WriteString(": ")
	if r.Entry != "" || r.named {
		b.WriteString("entry " + Quote(r.Entry) + " ")
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
	return Quote(name)
}

// Quote puts a hostile name on one line of printable text: bytes outside it are
// \xNN, and the end of a very long one is left out.
func Quote(name string) string {
	const keep = 200
	if len(name) > 2*keep+20 {
		return quote(name[:keep]) + fmt.Sprintf(" … (%d bytes)", len(name))
	}
	return quote(name)
}

func quote(name string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, r := range name {
		switch {
		case r == '\ufffd' && !strings.HasPrefix(name[i:], "\ufffd"):
			fmt.Fprintf(&b, `\x%02x`, name[i])
		case isControl(r):
			for _, c := range []byte(string(r)) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
