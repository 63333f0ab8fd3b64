package popularity

import (
	"errors"
	"strings"
)

// ErrRefused is a ranking nobody can use: not one at all, mostly junk, too
// large, or a file that cannot be opened.
var ErrRefused = errors.New("ranking refused")

// ErrUnreachable is a source that did not answer, or answered that it has
// nothing (404, 500, …).
var ErrUnreachable = errors.New("ranking unreachable")

// Failure is why a source gave no ranking: one line that names the source and
// what is wrong with it.
type Failure struct {
	Kind   error  // ErrRefused or ErrUnreachable
	Source string // path, or address without credentials
	Text   string
	Advice string // what to do next; Hint returns it
}

func (f *Failure) Error() string { return "read ranking " + printable(f.Source) + ": " + f.Text }

func (f *Failure) Unwrap() error { return f.Kind }

// Hint is what the reader of the message can do next.
func (f *Failure) Hint() string { return f.Advice }

// Refuse returns a Failure of kind ErrRefused.
func Refuse(source, text, advice string) error {
	return &Failure{ErrRefused, source, text, advice}
}

// Warning is something a person should know though the work goes on.
type Warning struct {
	Source string `json:"source"`
	Text   string `json:"text"`
}

func (w Warning) String() string { return printable(w.Source) + ": " + w.Text }

// printable makes foreign text fit for one line of a message.
func printable(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || 0x80 <= r && r < 0xa0 || 0x2028 <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069 {
			return '?'
		}
		return r
	}, s), "?")
}
