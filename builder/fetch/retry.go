package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"
)

// temporary is an outcome that may be better next time.
type temporary struct {
	error
	progress bool // enough came for the count of tries to start again
}

func (t *temporary) Unwrap() error { return t.error }

// retry calls once until it succeeds, fails for good, or has been tried often enough.
// Its error says how many tries there were, unless the server answered the last one.
func (c *Client) retry(ctx context.Context, once func() error) error {
	for try := 0; ; try++ {
		err := once()
		if err == nil {
			return nil
		}
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		var t *temporary
		if !errors.As(err, &t) {
			return err
		}
		if t.progress {
			try = 0
		}
		if try >= c.options.Retries {
			var answered *Error
			if try == 0 || errors.As(err, &answered) {
				return t.error
			}
			return fmt.Errorf("%w (%d tries)", t.error, try+1)
		}
		if sleep(ctx, c.backoff(try)) != nil {
			return context.Cause(ctx)
		}
	}
}

// backoff is how long to wait before try number attempt+1. What a host asks for with
// Retry-After holds for all its requests (see roundTrip).
func (c *Client) backoff(attempt int) time.Duration {
	d := c.options.RetryBase << min(attempt, 20)
	if d <= 0 || d > c.options.RetryMax {
		d = c.options.RetryMax
	}
	return d/2 + rand.N(d/2+1)
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// retryAfter reads the header of the answers that may carry it: seconds or a date. It is
// below zero without one.
func retryAfter(resp *http.Response, now time.Time) time.Duration {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return -1
	}
	v := resp.Header.Get("Retry-After")
	if s, err := strconv.ParseInt(v, 10, 32); err == nil && s >= 0 {
		return time.Duration(s) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(t.Sub(now), 0)
	}
	return -1
}

// transient says which statuses may be better next time.
func transient(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return status >= 500
}

// permanent says which failures to get an answer will not be better within seconds:
// certificates, and names that do not exist.
func permanent(err error) bool {
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var dns *net.DNSError
	switch {
	case errors.Is(err, ErrGivenUp):
		return true
	case errors.As(err, &verify), errors.As(err, &record), errors.As(err, &alert), isAlert(err):
		return true
	case errors.As(err, &dns):
		return dns.IsNotFound
	}
	return false
}

// isAlert: the peer's TLS alert (such as "certificate required") comes as a net.OpError
// whose Op is "remote error".
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}
