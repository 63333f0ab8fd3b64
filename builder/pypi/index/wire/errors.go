package wire

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// What a caller may branch on. Every error of this package that is not about
// the caller's context is one of these.
var (
	// ErrNotFound: no index has the project (404), or the file or its
	// metadata is not there.
	ErrNotFound = errors.New("not found on the index")
	// ErrUnreachable: no usable answer came: names, connections, TLS,
	// credentials, 5xx and 429 after all tries, too slow.
	ErrUnreachable = errors.New("index not reachable")
	// ErrPage: an answer came with a good status, but it is no project page.
	ErrPage = errors.New("not an index page")
	// ErrRefused: the index refuses this project or file (403, 410, 451), or
	// we refuse what it says (a redirect to file:, a hostile name).
	ErrRefused = errors.New("refused")
	// ErrHash: the bytes are not those the page published (digest or size).
	ErrHash = errors.New("bytes differ from what the index published")
	// ErrNoHash: the page publishes no SHA-256 for the file.
	ErrNoHash = errors.New("index publishes no sha256 for this file")
)

// Error is what went wrong with one request. URL has neither credentials nor
// query nor fragment.
type Error struct {
	Op     string // "read page of", "fetch", ...
	Name   string // project or file name
	URL    string
	Status int    // HTTP status, 0 if there was none
	Kind   error  // one of the sentinels; nil when the caller's context ended
	Cause  error  // may be nil
	Next   string // what to do about it, or ""
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: ", e.Op, clip(e.Name))
	switch {
	case e.Status != 0 && e.Cause != nil:
		fmt.Fprintf(&b, "%s (status %d)", clip(e.Cause.Error()), e.Status)
	case e.Status != 0:
		fmt.Fprintf(&b, "status %d %s", e.Status, strings.ToLower(http.StatusText(e.Status)))
	case e.Cause != nil:
		b.WriteString(clip(e.Cause.Error()))
	default:
		fmt.Fprintf(&b, "%v", e.Kind)
	}
	if e.URL != "" {
		fmt.Fprintf(&b, " from %s", clip(e.URL))
	}
	return b.String()
}

// Unwrap lets errors.Is find both the sentinel and the cause.
func (e *Error) Unwrap() []error {
	var errs []error
	if e.Kind != nil {
		errs = append(errs, e.Kind)
	}
	if e.Cause != nil {
		errs = append(errs, e.Cause)
	}
	return errs
}

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
