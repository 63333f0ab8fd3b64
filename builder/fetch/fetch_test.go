package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"0": 0, "7": 7 * time.Second, "Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2026 03:00:00 GMT": 0,
		"": -1, "-5": -1, "soon": -1, "99999999999999999999": -1, "1.5": -1,
	} {
		resp := &http.Response{StatusCode: 429, Header: http.Header{"Retry-After": {v}}}
		if d := retryAfter(resp, now); d != want {
			t.Errorf("%q: %v", v, d)
		}
		resp.StatusCode = 500
		if retryAfter(resp, now) >= 0 {
			t.Errorf("%q counts with status 500", v)
		}
	}
}

func TestBackoff(t *testing.T) {
	c := &Client{options: Options{Limits: Limits{RetryBase: time.Second, RetryMax: 5 * time.Second, MaxRetryAfter: time.Minute}}}
	for attempt, most := range map[int]time.Duration{0: time.Second, 1: 2 * time.Second, 2: 4 * time.Second, 3: 5 * time.Second, 63: 5 * time.Second, 1000: 5 * time.Second} {
		for range 20 {
			if d := c.backoff(attempt); d < most/2 || d > most {
				t.Fatalf("attempt %d: %v", attempt, d)
			}
		}
	}
}

func TestLimit(t *testing.T) {
	for n, want := range map[int64]error{9: ErrLarge, 10: nil, 11: nil, 0: ErrLarge} {
		b, err := io.ReadAll(Limit(iotest.OneByteReader(strings.NewReader("0123456789")), n))
		if !errors.Is(err, want) || err == nil && len(b) != 10 || err != nil && int64(len(b)) != n {
			t.Errorf("%d: %q %v", n, b, err)
		}
		b, err = io.ReadAll(Limit(strings.NewReader("0123456789"), n))
		if !errors.Is(err, want) || err != nil && int64(len(b)) != n {
			t.Errorf("%d at once: %q %v", n, b, err)
		}
	}
}

// slow sends one byte after each pause.
type slow struct{ pause time.Duration }

func (s slow) Read(p []byte) (int, error) {
	time.Sleep(s.pause)
	p[0] = 'x'
	return 1, nil
}

func (slow) Close() error { return nil }

func newBody(r io.ReadCloser) *body {
	ctx, cancel := context.WithCancelCause(context.Background())
	c := &Client{options: Options{Limits: Limits{StallTime: 100 * time.Millisecond, MinSpeed: 100}}}
	return &body{ReadCloser: r, client: c, ctx: ctx, cancel: cancel}
}

func TestBodySpeed(t *testing.T) {
	b := newBody(slow{30 * time.Millisecond})
	start := time.Now()
	if _, err := io.Copy(io.Discard, b); !errors.Is(err, ErrSlow) || time.Since(start) > 5*time.Second {
		t.Fatal(err, time.Since(start))
	}
	// Time the reader takes for itself does not count.
	b = newBody(io.NopCloser(strings.NewReader(strings.Repeat("x", 30))))
	var one [1]byte
	for range 30 {
		time.Sleep(5 * time.Millisecond)
		if _, err := b.Read(one[:]); err != nil {
			t.Fatal(err)
		}
	}
	// A cut is told from the end.
	b = newBody(io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)))
	if _, err := io.ReadAll(b); !errors.Is(err, ErrCut) {
		t.Fatal(err)
	}
	b = newBody(io.NopCloser(strings.NewReader("")))
	if _, err := io.ReadAll(b); err != nil {
		t.Fatal(err)
	}
}

func TestAllowed(t *testing.T) {
	c := &Client{options: Options{Access: Access{TrustedHosts: []string{"trusted.example"}}}}
	for pair, want := range map[string]string{
		"https://a.example/ https://b.example/": "", "http://a.example/ https://b.example/": "", "http://a.example/ http://b.example/": "not trusted",
		"http://trusted.example/ http://b.example/": "not trusted", "http://b.example/ http://trusted.example/": "", "http://127.0.0.1/ http://localhost/": "",
		"https://localhost/ http://localhost/": "plain http",
		"https://a.example/ http://a.example/": "plain http", "https://a.example/ http://trusted.example/": "",
		"https://a.example/ file:///x": "scheme", "https://a.example/ data:x": "scheme", "https://a.example/ https:///x": "no host",
		"https://a.example/ https://127.0.0.1/": "this machine", "https://localhost/ https://127.0.0.1/": "", "https://127.0.0.1/ https://169.254.1.1/": "this machine",
		"https://a.example/ https://10.0.0.1/": "",
	} {
		a, b, _ := strings.Cut(pair, " ")
		from, _ := url.Parse(a)
		to, _ := url.Parse(b)
		if err := c.Allowed(from, to); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", pair, err)
		}
	}
	// Where plain http may go anywhere, it still takes nobody from https, nor here.
	c = &Client{options: Options{PlainHTTP: true}}
	for pair, want := range map[string]bool{
		"http://a.example/ http://b.example/": true, "https://a.example/ http://b.example/": false, "http://a.example/ http://127.0.0.1/": false,
		"http://a.example/ file:///x": false,
	} {
		a, b, _ := strings.Cut(pair, " ")
		from, _ := url.Parse(a)
		to, _ := url.Parse(b)
		if err := c.Allowed(from, to); (err == nil) != want {
			t.Errorf("plain http anywhere, %s: %v", pair, err)
		}
	}
}

func TestErrorText(t *testing.T) {
	cause := errors.New("what happened")
	for want, e := range map[string]*Error{
		"fetch a.whl: not found on the index":                                   {Op: "fetch", Name: "a.whl", Kind: ErrNotFound},
		"fetch a.whl: status 404 not found from https://h/x":                    {Op: "fetch", Name: "a.whl", Kind: ErrNotFound, Status: 404, URL: "https://h/x"},
		"fetch a.whl: what happened (status 403) from https://h/x":              {Op: "fetch", Name: "a.whl", Kind: ErrRefused, Status: 403, Cause: cause, URL: "https://h/x"},
		"read page of demo: what happened from https://index.example/simple/d/": {Op: "read page of", Name: "demo", Kind: ErrRefused, Cause: cause, URL: "https://index.example/simple/d/"},
	} {
		if e.Error() != want {
			t.Errorf("%q, want %q", e, want)
		}
		if !errors.Is(fmt.Errorf("more: %w", e), e.Kind) || errors.Is(e, cause) != (e.Cause != nil) {
			t.Errorf("%q does not unwrap", e)
		}
	}
}
