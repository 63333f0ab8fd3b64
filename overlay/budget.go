package overlay

import (
	"errors"
	"io"
)

// MaxRead is how many bytes one attach reads of files that belong to a container or
// to a user: lists of installed files, names in directories, locks, passwd. An
// environment of 500 projects has 8 MiB of lists. What is read is paid for by
// the host, not by who wrote it.
const MaxRead = 16 << 20

// ErrMaxRead is what reading more than MaxRead ends with.
var ErrMaxRead = errors.New("more than 16 MiB to read in all")

// Budget is what an attach may still read; the zero value is the whole of it. It is
// not safe for concurrent use.
type Budget struct{ spent int64 }

// Take takes n bytes.
func (b *Budget) Take(n int64) error {
	if n > MaxRead-b.spent {
		b.spent = MaxRead // what did not fit is not tried in pieces
		return ErrMaxRead
	}
	b.spent += n
	return nil
}

// Counted reads r as long as take, such as a [Budget]'s, takes what was read.
func Counted(r io.Reader, take func(n int64) error) io.Reader { return counted{r, take} }

type counted struct {
	r    io.Reader
	take func(n int64) error
}

func (r counted) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if taken := r.take(int64(n)); taken != nil {
		return 0, taken
	}
	return n, err
}
