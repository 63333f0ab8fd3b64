package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// body watches the speed of a response and counts its bytes. No single Read may take
// StallTime, and a stretch of that much time spent in Read must bring MinSpeed bytes a
// second. Time that the reader takes between two reads is not the server's and does not
// count. A failure of the connection comes back as ErrCut.
type body struct {
	io.ReadCloser
	client *Client
	host   string
	ctx    context.Context
	cancel context.CancelCauseFunc
	spent  time.Duration
	got    int64
	slow   time.Duration // longer than is fair; below zero what is left of the grace
}

func (b *body) Read(p []byte) (int, error) {
	l := &b.client.options.Limits
	start := time.Now()
	timer := time.AfterFunc(l.StallTime, func() { b.cancel(ErrSlow) })
	n, err := b.ReadCloser.Read(p)
	timer.Stop()
	b.client.bytes.Add(int64(n))
	b.got += int64(n)
	took := time.Since(start)
	if err := b.count(took, n); err != nil {
		b.cancel(err)
		return n, err
	}
	if b.spent += took; b.spent >= l.StallTime {
		if float64(b.got) < float64(l.MinSpeed)*b.spent.Seconds() {
			b.cancel(ErrSlow)
			return n, ErrSlow
		}
		b.spent, b.got = 0, 0
	}
	if err != nil && err != io.EOF {
		if cause := context.Cause(b.ctx); cause != nil {
			return n, cause
		}
		return n, fmt.Errorf("%w: %w", ErrCut, err)
	}
	return n, err
}

// count adds the time a Read took, less what its bytes deserve, to the host's slow time.
func (b *body) count(took time.Duration, n int) error {
	l := &b.client.options.Limits
	b.slow += took - time.Duration(float64(n)/l.fair()*float64(time.Second))
	if b.slow <= 0 {
		b.slow = max(b.slow, -l.grace()) // a fast beginning earns no slow end
		return nil
	}
	d := b.slow
	b.slow = 0
	return b.client.hosts.spend(b.host, d, l.HostTime)
}

func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}

// readAll reads at most max bytes; length is what the answer said of them, or -1.
func readAll(r io.Reader, length, max int64) ([]byte, error) {
	if length > max {
		return nil, fmt.Errorf("%w %d bytes", ErrLarge, max)
	}
	var b bytes.Buffer
	if length > 0 {
		b.Grow(int(length) + bytes.MinRead)
	}
	_, err := b.ReadFrom(Limit(r, max))
	return b.Bytes(), err
}

// Limit reads at most n bytes of r, and fails with ErrLarge if there are more.
func Limit(r io.Reader, n int64) io.Reader {
	return limited{http.MaxBytesReader(nil, io.NopCloser(r), n)}
}

type limited struct{ io.Reader }

func (l limited) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		err = fmt.Errorf("%w %d bytes", ErrLarge, large.Limit)
	}
	return n, err
}
