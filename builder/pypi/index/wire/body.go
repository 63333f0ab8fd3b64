package wire

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Body watches the speed of a response and counts its bytes. No single Read
// may take StallTime, and a stretch of that much time spent in Read must bring
// MinSpeed bytes a second; time the consumer takes between reads is not the
// server's fault and does not count.
type Body struct {
	io.ReadCloser
	client *Client
	host   string
	ctx    context.Context
	cancel context.CancelCauseFunc
	spent  time.Duration
	got    int64
	slow   time.Duration // longer than is fair; below zero what is left of the grace
	// Failed is what the connection said, if not EOF: whoever parses the
	// body may have seen only the consequence.
	Failed error
}

func (b *Body) Read(p []byte) (int, error) {
	o := &b.client.limits
	start := time.Now()
	timer := time.AfterFunc(o.StallTime, func() { b.cancel(ErrSlow) })
	n, err := b.ReadCloser.Read(p)
	timer.Stop()
	b.client.bytes.Add(int64(n))
	b.got += int64(n)
	took := time.Since(start)
	if given := b.wait(took, n); given != nil {
		b.cancel(given)
		b.Failed = given
		return n, given
	}
	if b.spent += took; b.spent >= o.StallTime {
		if float64(b.got) < float64(o.MinSpeed)*b.spent.Seconds() {
			b.cancel(ErrSlow)
			b.Failed = ErrSlow
			return n, ErrSlow
		}
		b.spent, b.got = 0, 0
	}
	if err != nil && err != io.EOF {
		if cause := context.Cause(b.ctx); cause != nil {
			err = cause
		} else {
			err = fmt.Errorf("%w: %w", ErrCut, err)
		}
		b.Failed = err
	}
	return n, err
}

// wait counts the time a Read took, less what its bytes deserve, against the host.
func (b *Body) wait(took time.Duration, n int) error {
	l := &b.client.limits
	b.slow += took - time.Duration(float64(n)/l.fair()*float64(time.Second))
	if b.slow <= 0 {
		b.slow = max(b.slow, -l.grace()) // a fast beginning earns no slow end
		return nil
	}
	d := b.slow
	b.slow = 0
	return b.client.slow.spend(b.host, d)
}

func (b *Body) Close() error {
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}

// Limit reads at most n bytes of r, and says ErrLarge if there are more.
func Limit(r io.Reader, n int64) io.Reader { return &limited{r, n} }

type limited struct {
	r io.Reader
	n int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.n < 0 {
		return 0, ErrLarge
	}
	if int64(len(p)) > l.n+1 {
		p = p[:l.n+1]
	}
	n, err := l.r.Read(p)
	if l.n -= int64(n); l.n < 0 {
		return n - 1, ErrLarge
	}
	return n, err
}

// Within bounds a whole call.
func Within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, ErrTooLong)
}
