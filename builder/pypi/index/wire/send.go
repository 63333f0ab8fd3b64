package wire

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/hashicorp/go-retryablehttp"

	"larder/builder/pypi/index/pipconfig"
)

const (
	maxRedirects = 10      // as most clients have it; pip allows 30
	maxLocation  = 8 << 10 // bytes of an address, as most servers have it
)

// Answer is a response; it must be closed.
type Answer struct {
	*http.Response
	From *url.URL // after redirects
	Body *Body
}

func (a *Answer) Close() { a.Body.Close() }

// Send makes one request, repeated and redirected as needed, and returns
// whatever final status came; of answers that are no success only the head.
// The caller holds a Slot, and ctx carries the deadline of the whole call.
func (c *Client) Send(ctx context.Context, method string, u *url.URL, header http.Header) (*Answer, error) {
	tries := 0
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, triesKey{}, &tries))
	fail := func(err error) (*Answer, error) {
		cancel(nil)
		return nil, err
	}
	for hop := 0; ; hop++ {
		r, err := retryablehttp.NewRequestWithContext(ctx, method, u.String(), nil)
		if err != nil {
			return fail(errors.New("not a usable URL")) // the parser's error quotes it
		}
		r.Header = header.Clone()
		r.Header.Set("User-Agent", c.userAgent)
		if user := c.config.Credentials.Find(u); user != nil {
			password, _ := user.Password()
			r.SetBasicAuth(user.Username(), password)
		}
		resp, err := c.http.Do(r)
		if err != nil {
			if resp != nil {
				resp.Body.Close()
			}
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			return fail(&transportError{bare(err), tries, u})
		}
		location := resp.Header.Get(locationKey)
		if !redirect(resp.StatusCode) || location == "" {
			b := &Body{ReadCloser: resp.Body, client: c, host: u.Host, slow: -c.limits.grace(), ctx: ctx, cancel: cancel}
			resp.Body = b
			return &Answer{Response: resp, From: u, Body: b}, nil
		}
		next, err := c.follow(u, location, hop)
		if err != nil {
			return fail(err)
		}
		u = next
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
	if hop+1 > maxRedirects {
		return nil, fmt.Errorf("%w: more than %d redirects, the last at %s", ErrUnreachable, maxRedirects, clip(pipconfig.Clean(from)))
	}
	if len(location) > maxLocation {
		return nil, fmt.Errorf("%w: redirect from %s to an address of %d bytes", ErrRefused, clip(pipconfig.Clean(from)), len(location))
	}
	to, err := from.Parse(location)
	if err != nil {
		return nil, fmt.Errorf("%w: redirect from %s to something that is no URL", ErrRefused, clip(pipconfig.Clean(from)))
	}
	to.User, to.Fragment, to.RawFragment = nil, "", ""
	if err := c.Allowed(from, to); err != nil {
		return nil, fmt.Errorf("%w: redirect to %s: %w", ErrRefused, clip(pipconfig.Clean(to)), err)
	}
	return to, nil
}

// Allowed says whether a page or a redirect may send us from one URL to another.
func (c *Client) Allowed(from, to *url.URL) error {
	plain := to.Scheme == "http" && !pipconfig.Trusted(to, c.config.TrustedHosts)
	switch {
	case to.Scheme != "http" && to.Scheme != "https":
		return fmt.Errorf("scheme %.20q is not http or https", to.Scheme)
	case to.Hostname() == "":
		return errors.New("no host in the URL")
	case plain && from.Scheme == "https":
		return errors.New("leads from https to plain http")
	case plain && !pipconfig.Loopback(to):
		return errors.New("leads to plain http, and the host is not trusted")
	case pipconfig.Loopback(to) && !pipconfig.Loopback(from), pipconfig.LinkLocal(to) && !pipconfig.LinkLocal(from):
		return errors.New("leads to an address of this machine or link")
	}
	return nil
}

// transportError is a request without an answer.
type transportError struct {
	error
	tries int
	url   *url.URL
}

func (e *transportError) Unwrap() error { return e.error }

func (e *transportError) Error() string {
	if e.tries > 1 {
		return fmt.Sprintf("%v (%d tries)", e.error, e.tries)
	}
	return e.error.Error()
}

// bare takes net/http's wrapping off, which shows the URL with user and query,
// and the quotes of an answer that could not be read: it may hold anything.
func bare(err error) error {
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	if strings.Contains(err.Error(), "malformed") {
		return errors.New("the answer is not proper http")
	}
	return err
}

// Problem makes the error for a request that brought no usable answer.
func Problem(ctx context.Context, op, name string, u *url.URL, err error) error {
	if ctx.Err() != nil { // the caller's; our own deadlines are below it
		return &Error{Op: op, Name: name, URL: pipconfig.Clean(u), Cause: ctx.Err()}
	}
	e := &Error{Op: op, Name: name, URL: pipconfig.Clean(u), Cause: err, Kind: ErrUnreachable}
	for _, kind := range []error{ErrRefused, ErrPage, ErrHash, ErrNotFound} {
		if errors.Is(err, kind) {
			e.Kind = kind
		}
	}
	e.Next = hintFor(err)
	return e
}

// hintFor says what a user can do about a connection's failure.
func hintFor(err error) string {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	var dns *net.DNSError
	switch {
	case errors.As(err, &unknown):
		return "give the authority that signed it with pip's cert option (PIP_CERT)"
	case errors.As(err, &invalid), errors.As(err, &host):
		return "the server's certificate is not good for this host: correct index-url, or the server"
	case isAlert(err) && strings.Contains(err.Error(), "certificate"):
		return "the server wants a client certificate: set pip's client-cert option"
	case strings.Contains(err.Error(), http.StatusText(http.StatusProxyAuthRequired)):
		return "put the proxy's user and password in pip's proxy option"
	case errors.As(err, &dns):
		return "check index-url and the name server: pip config list"
	case errors.Is(err, ErrSlow), errors.Is(err, ErrTooLong), errors.Is(err, ErrGivenUp):
		return "try again later, or use a nearer index"
	case errors.Is(err, ErrRefused), errors.Is(err, ErrHash):
		return ""
	}
	return "check the network, the proxy and index-url: pip config list"
}

// StatusError makes the error for an answer whose status is no success.
func StatusError(op, name string, a *Answer) error {
	e := &Error{Op: op, Name: name, URL: pipconfig.Clean(a.From), Status: a.StatusCode, Kind: ErrUnreachable}
	switch s := a.StatusCode; {
	case s == http.StatusNotFound, s == http.StatusGone:
		e.Kind = ErrNotFound
	case s == http.StatusUnauthorized:
		e.Next = "put user and password in pip's index-url or in ~/.netrc"
	case s == http.StatusProxyAuthRequired:
		e.Next = "put the proxy's user and password in pip's proxy option"
	case s == http.StatusForbidden, s == http.StatusUnavailableForLegalReasons:
		e.Kind, e.Cause = ErrRefused, errors.New("the index refuses it")
		e.Next = "ask who runs the index, or leave it out"
	case s == http.StatusRequestTimeout:
	case s == http.StatusTooManyRequests:
		e.Next = "the index asks for fewer requests: try again later, or with fewer jobs"
	case s >= 500:
		e.Next = "the index has a fault: try again later"
	case s >= 400:
		e.Kind, e.Cause = ErrRefused, errors.New("the index refuses it")
	default:
		e.Cause = errors.New("an answer that is neither success nor error")
	}
	return e
}
