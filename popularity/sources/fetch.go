package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"larder/popularity"
)

const (
	defaultTimeout = 2 * time.Minute
	maxRedirects   = 5
	reachHint      = "check the address and the network; the starter ranking or the last answer is used meanwhile"
)

// request is one address, and what to ask of it when it is not a file but
// answers questions.
type request struct{ address, body string }

func (q request) shown() string { return credentialFree(q.address) }

// key names the answer among those kept.
func (q request) key() string { return q.address + "\n" + q.body }

// fetch gets one address whole. With a kept answer the request is conditional
// and the new one may come back as unchanged, without a body.
func fetch(ctx context.Context, q request, kept answer, opts Options) (answer, error) {
	shown := q.shown()
	timeout := opts.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	// One deadline over everything: a server that sends a byte a second keeps
	// every shorter timer happy.
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no whole answer within %v", timeout))
	defer cancel()
	method, body := http.MethodGet, io.Reader(nil)
	if q.body != "" {
		method, body = http.MethodPost, strings.NewReader(q.body)
	}
	req, err := http.NewRequestWithContext(ctx, method, q.address, body)
	if err != nil || req.URL.Host == "" {
		return answer{}, popularity.Refuse(shown, "not an address", sourceHint)
	}
	if opts.UserAgent != "" {
		req.Header.Set("User-Agent", opts.UserAgent)
	}
	if kept.ETag != "" {
		req.Header.Set("If-None-Match", kept.ETag)
	}
	if kept.LastModified != "" {
		req.Header.Set("If-Modified-Since", kept.LastModified)
	}
	client := http.Client{CheckRedirect: checkRedirect}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, unreachable(ctx, shown, err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && len(kept.body) > 0:
		return answer{unchanged: true}, nil
	case resp.StatusCode != http.StatusOK:
		return answer{}, unavailable(shown, fmt.Sprintf("the server answers %d %s", resp.StatusCode, http.StatusText(resp.StatusCode)))
	case resp.ContentLength > popularity.MaxBytes:
		return answer{}, popularity.Refuse(shown, popularity.TooLarge, popularity.FormatHint)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, popularity.MaxBytes+1))
	switch {
	case err != nil:
		return answer{}, unreachable(ctx, shown, err)
	case len(data) > popularity.MaxBytes:
		return answer{}, popularity.Refuse(shown, popularity.TooLarge, popularity.FormatHint)
	}
	return answer{
		ETag:         resp.Header.Get("ETag"),
		LastModified: resp.Header.Get("Last-Modified"),
		Fetched:      opts.now(),
		body:         data,
	}, nil
}

// checkRedirect follows a few redirects, and none that leaves http(s) or gives
// up TLS.
func checkRedirect(req *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("more than %d redirects", maxRedirects)
	case req.URL.Scheme != "https" && (req.URL.Scheme != "http" || via[0].URL.Scheme == "https"):
		return errors.New("redirected from " + via[0].URL.Scheme + " to " + strconv.Quote(req.URL.Scheme))
	}
	return nil
}

// unreachable takes the address, which may hold a token, out of the client's
// own error and says a deadline in words.
func unreachable(ctx context.Context, shown string, err error) error {
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	text := err.Error()
	if errors.Is(err, io.ErrUnexpectedEOF) {
		text = "the answer was cut short"
	}
	return unavailable(shown, text)
}

func unavailable(shown, text string) error {
	return &popularity.Failure{Kind: popularity.ErrUnreachable, Source: shown, Text: text, Advice: reachHint}
}
