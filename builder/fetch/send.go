package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const maxLocation = 8 << 10 // bytes of an address, as most servers have it

// answer is a response whose Body is watched; the Body must be closed.
type answer struct {
	*http.Response
	from *url.URL // after redirects
}

// send makes one request, redirected as needed, and returns whatever final status came;
// of answers that are no success only the head. A failure to get an answer that may be
// better next time is temporary.
func (c *Client) send(ctx context.Context, method string, u *url.URL, header http.Header, post string) (_ *answer, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer func() {
		if err != nil {
			cancel(nil)
		}
	}()
	at := *u
	at.User, at.Fragment, at.RawFragment = nil, "", ""
	for hop := 0; ; hop++ {
		r, err := http.NewRequestWithContext(ctx, method, at.String(), strings.NewReader(post))
		if err != nil {
			return nil, errors.New("not a usable URL") // the parser's error quotes it
		}
		r.Header = header.Clone()
		r.Header.Set("User-Agent", c.options.UserAgent)
		c.authorize(r, u)
		resp, err := c.roundTrip(r)
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return nil, cause
			}
			if permanent(err) {
				return nil, err
			}
			return nil, &temporary{error: err}
		}
		location := resp.Header.Get("Location")
		if !redirect(resp.StatusCode) || location == "" {
			resp.Body = &body{ReadCloser: resp.Body, client: c, host: at.Host, slow: -c.options.grace(), ctx: ctx, cancel: cancel}
			return &answer{resp, &at}, nil
		}
		next, err := c.follow(&at, location, hop)
		if err != nil {
			return nil, err
		}
		at = *next
		if resp.StatusCode < http.StatusTemporaryRedirect && post != "" {
			method, post = http.MethodGet, "" // as every client does after 301, 302 and 303
		}
	}
}

// authorize adds the user of the request's origin: the one that the address first asked
// for has in it, or what Options.Credentials has for the address.
func (c *Client) authorize(r *http.Request, first *url.URL) {
	header := basic(first.User)
	if header == "" || Origin(first) != Origin(r.URL) {
		header = c.options.Credentials.Header(r.URL)
	}
	if header != "" {
		r.Header.Set("Authorization", header)
	}
}

func redirect(status int) bool {
	switch status {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}

// follow checks one redirect.
func (c *Client) follow(from *url.URL, location string, hop int) (*url.URL, error) {
	if most := c.options.MaxRedirects; hop+1 > most {
		return nil, fmt.Errorf("%w: more than %d redirects, the last at %s", ErrUnreachable, most, clip(Clean(from)))
	}
	if len(location) > maxLocation {
		return nil, fmt.Errorf("%w: redirect from %s to an address of %d bytes", ErrRefused, clip(Clean(from)), len(location))
	}
	to, err := from.Parse(location)
	if err != nil {
		return nil, fmt.Errorf("%w: redirect from %s to something that is no URL", ErrRefused, clip(Clean(from)))
	}
	to.User, to.Fragment, to.RawFragment = nil, "", ""
	if err := c.Allowed(from, to); err != nil {
		return nil, fmt.Errorf("%w: redirect to %s: %w", ErrRefused, clip(Clean(to)), err)
	}
	return to, nil
}

// roundTrip sends one request: counted, after its host's pause, by the pool that checks
// certificates or the one that does not.
func (c *Client) roundTrip(r *http.Request) (*http.Response, error) {
	host, o := r.URL.Host, &c.options
	if err := c.hosts.wait(r.Context(), host); err != nil {
		return nil, err
	}
	if err := c.hosts.spend(host, 0, o.HostTime); err != nil {
		return nil, err
	}
	c.requests.Add(1)
	pool := c.checked
	if Trusted(r.URL, o.TrustedHosts) {
		pool = c.unchecked
	}
	start := time.Now()
	resp, err := pool.RoundTrip(r)
	// Told by the next request or Read: this answer is there.
	_ = c.hosts.spend(host, time.Since(start)-o.grace(), o.HostTime)
	if err != nil {
		if strings.Contains(err.Error(), "malformed") {
			err = errors.New("the answer is not proper http") // the original quotes it, and it may hold anything
		}
		return nil, err
	}
	if resp.StatusCode >= 300 && resp.StatusCode != http.StatusNotModified {
		c.bytes.Add(discard(resp))
	}
	if d := retryAfter(resp, time.Now()); d >= 0 {
		c.hosts.pause(host, min(d, o.MaxRetryAfter))
	}
	return resp, nil
}

// discard reads the body of an answer that is only a status, so that its connection can
// be used again: a little, for a moment. Whoever retries would otherwise wait for a slow one.
func discard(resp *http.Response) int64 {
	timer := time.AfterFunc(time.Second, func() { resp.Body.Close() })
	n, _ := io.CopyN(io.Discard, resp.Body, 16<<10)
	timer.Stop()
	resp.Body.Close()
	resp.Body = http.NoBody
	return n
}
