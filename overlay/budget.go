package overlay

import (
	"errors"
	"io"
)

// MaxRead is how many bytes one attach reads of files that belong to a container or
// to a user: records of installed packages, names in directories, locks, passwd. A
// whole environment of 500 projects has 8 MiB of records. What is read is paid for by
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

// Reader reads r as long as the budget lasts.
func (b *Budget) Reader(r io.Reader) io.Reader { return budgetReader{b, r} }

type budgetReader struct {
	budget *Budget
	r      io.Reader
}

func (r budgetReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if taken := r.budget.Take(int64(n)); taken != nil {
		return 0, taken
	}
	return n, err
}
