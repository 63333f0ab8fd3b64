package builder

import (
	"context"
	"errors"
	"fmt"

	"larder/snapshot"
)

// Errors a caller can tell apart; what they wrap says what, where and what to do.
var (
	ErrRefused     = errors.New("input refused")               // what a lock names, or a ranking with nothing to stock
	ErrUnreachable = errors.New("the index cannot be reached") // after all tries; nothing was published
	ErrBudget      = errors.New("budget too small")            // for anything
	ErrSource      = errors.New("it would have to be built from its source")
)

// hinted is an error with a line of advice.
type hinted struct {
	error
	advice string
}

func (h *hinted) Hint() string  { return h.advice }
func (h *hinted) Unwrap() error { return h.error }

// WithHint adds a line of advice to an error.
func WithHint(err error, advice string) error { return &hinted{err, advice} }

// silence is an error that is ErrUnreachable without saying so.
type silence struct{ error }

func (s silence) Unwrap() error        { return s.error }
func (s silence) Is(target error) bool { return target == ErrUnreachable }

// Silence marks an error as the index's: no answer, or something that is no answer. Its text stays.
func Silence(err error) error { return silence{err} }

// lacking is an error that is the host's without saying so.
type lacking struct{ error }

func (l lacking) Unwrap() error        { return l.error }
func (l lacking) Is(target error) bool { return target == snapshot.ErrHost }

// Lacking marks an error as a HostFault: the host lacks what no artifact is to blame for. Its text
// and its hint stay.
func Lacking(err error) error { return lacking{err} }

// Unreachable is the end of a build because of the index's silence.
func Unreachable(err error) error {
	var s silence
	if errors.As(err, &s) {
		err = s.error
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

// HostFault says whether an error is the host's. Then no artifact and no project is to blame: the
// build fails rather than skip it.
func HostFault(err error) bool {
	return errors.Is(err, snapshot.ErrSpace) || errors.Is(err, snapshot.ErrHost) || snapshot.HostFault(err) != 0
}

// whyEnded is why a context ended, where that is what an error comes of.
func whyEnded(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}
