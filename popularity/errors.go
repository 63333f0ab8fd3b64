package popularity

import "errors"

// ErrRefused is a ranking nobody can use: not one at all, mostly junk, too
// large, or a file that cannot be opened.
var ErrRefused = errors.New("ranking refused")

// ErrUnreachable is a source that did not answer, or answered that it has
// nothing (404, 500, …).
var ErrUnreachable = errors.New("ranking unreachable")

// failure is one of the two with the words for it. Its text names the source
// and what is wrong; the hint says what to do.
type failure struct {
	kind   error
	source string
	text   string
	hint   string
}

func (f *failure) Error() string { return "read ranking " + f.source + ": " + f.text }

func (f *failure) Unwrap() error { return f.kind }

// Hint is what the reader of the message can do next.
func (f *failure) Hint() string { return f.hint }

func refuse(source, text, hint string) error {
	return &failure{ErrRefused, source, text, hint}
}
