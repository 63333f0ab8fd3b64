package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// What a caller may branch on. Every Error that is not about the caller's context is one
// of these, or of the caller's own (see Request.Use).
var (
	ErrNotFound = errors.New("not found on the index") // 404 and 410
	// ErrUnreachable: no usable answer came: names, connections, TLS, credentials, 5xx
	// and 429 after all tries, too slow.
	ErrUnreachable = errors.New("not reachable")
	// ErrRefused: the server refuses (403, 451), or we refuse what it says (a redirect
	// to file:, an answer that is too large).
	ErrRefused = errors.New("refused")
	// ErrHash: the bytes are not those that were published (digest or size).
	ErrHash = errors.New("bytes differ from what the index published")
)

// Reasons to give up on a connection or an answer.
var (
	ErrSlow    = errors.New("the server sends too slowly")
	ErrTooLong = errors.New("it took too long")
	ErrCut     = errors.New("the connection was cut")
	ErrGivenUp = errors.New("the host has been too slow for too long and is given up")
	ErrLarge   = errors.New("the answer is larger than")
)

// Error is what went wrong with one call. URL has neither credentials nor query nor
// fragment.
type Error struct {
	Op     string // "read page of", "fetch", ...
	Name   string // project or file name
	URL    string
	Status int    // HTTP status, 0 if there was none
	Kind   error  // what the caller may branch on; nil when its context ended
	Cause  error  // may be nil
	Next   string // what to do about it, or ""
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s %s: %s", e.Op, clip(e.Name), e.Reason())
	if e.URL != "" {
		s += " from " + clip(e.URL)
	}
	return s
}

// Reason is the error without what was asked and where.
func (e *Error) Reason() string {
	switch {
	case e.Status != 0 && e.Cause != nil:
		return fmt.Sprintf("%s (status %d)", clip(e.Cause.Error()), e.Status)
	case e.Status != 0:
		return fmt.Sprintf("status %d %s", e.Status, strings.ToLower(http.StatusText(e.Status)))
	case e.Cause != nil:
		return clip(e.Cause.Error())
	}
	return e.Kind.Error()
}

// Unwrap lets errors.Is find both the kind and the cause.
func (e *Error) Unwrap() error { return errors.Join(e.Kind, e.Cause) }

// HTTPStatus is the status of the answer, 0 if there was none.
func (e *Error) HTTPStatus() int { return e.Status }

// TooLarge says that the answer was longer than allowed.
func (e *Error) TooLarge() bool { return errors.Is(e.Cause, ErrLarge) }

// Hint is what to do about it, in one line, or "".
func (e *Error) Hint() string { return e.Next }

// maxShown is how many bytes of an address or of what a server says are shown.
const maxShown = 500

// clip shortens what came from outside to what a line can hold.
func clip(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return strings.ToValidUTF8(s[:maxShown], "") + fmt.Sprintf("… (%d bytes)", len(s))
}

// explain makes the Error of a call. One that is there already is completed.
func (c *Client) explain(ctx context.Context, op, name string, u *url.URL, err error) error {
	var e *Error
	switch {
	case ctx.Err() != nil: // the caller's; our own deadlines are below it
		return &Error{Op: op, Name: name, URL: Clean(u), Cause: ctx.Err()}
	case !errors.As(err, &e):
		e = &Error{Kind: ErrUnreachable, Cause: err, Next: c.options.Names.hintFor(err)}
		for _, kind := range []error{ErrRefused, ErrLarge, ErrHash, ErrNotFound} {
			if errors.Is(err, kind) {
				e.Kind = kind
			}
		}
		if e.Kind == ErrLarge {
			e.Kind = ErrRefused
		}
	}
	e.Op, e.Name = op, name
	if e.URL == "" {
		e.URL = Clean(u)
	}
	return e
}

// status makes the error for an answer whose status is no success.
func (c *Client) status(a *answer) error {
	names := &c.options.Names
	e := &Error{URL: Clean(a.from), Status: a.StatusCode, Kind: ErrUnreachable}
	switch s := a.StatusCode; {
	case s == http.StatusNotFound, s == http.StatusGone:
		e.Kind = ErrNotFound
	case s == http.StatusUnauthorized:
		e.Next = names.hint("put user and password in %s", names.Login)
	case s == http.StatusProxyAuthRequired:
		e.Next = names.hint("put the proxy's user and password in %s", names.Proxy)
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
	if transient(a.StatusCode) {
		return &temporary{error: e}
	}
	return e
}
