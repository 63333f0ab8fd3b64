package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Request is a small answer that is wanted whole.
type Request struct {
	Op, Name string   // for the Error: "read page of", "demo"
	URL      *url.URL // may hold a user, for its origin
	Accept   string
	Post     string // sent as the body of a POST, when not empty

	// Gzip accepts an answer that is packed; Answer.Encoding tells.
	Gzip     bool
	MaxBytes int64         // of the answer as it comes
	Time     time.Duration // for the whole call, pauses too; 0 for ever

	// Cache makes the request conditional, and keeps the answer if it has an ETag or a
	// Last-Modified.
	Cache *Cache
	// LastGood keeps it anyway, for Cache.Last.
	LastGood bool
	// Use reads an answer. One that Use refuses is not kept; a kept one that it refuses
	// is asked for again. Its error may be an *Error with only Kind, Cause and Next
	// set; with ErrCut the request is repeated.
	Use func(*Answer) error
}

// Answer is what a server said.
type Answer struct {
	Body     []byte
	From     *url.URL // after redirects
	Type     string   // Content-Type
	Encoding string   // Content-Encoding
	// Delimited: the server told where the body ends. One that is not may be cut.
	Delimited bool
	// What a client's own cache goes by: the headers of these names.
	ETag, LastModified, CacheControl, Vary string
	// Held: the server said that the kept answer is still right, and no Body came.
	Held bool
	// Said is when the server last said so, for an answer of Cache.Last.
	Said time.Time
	// Unkept is why the Cache could not keep the answer.
	Unkept error
}

// Get asks until there is an answer with status 200 that Use takes.
func (c *Client) Get(ctx context.Context, r Request) (*Answer, error) {
	call, end, err := c.begin(ctx, r.Time)
	if err != nil {
		return nil, c.explain(ctx, r.Op, r.Name, r.URL, err)
	}
	defer end()
	if r.Use == nil {
		r.Use = func(*Answer) error { return nil }
	}
	kept := r.Cache.find(r.key(), r.MaxBytes)
	var a *Answer
	err = c.retry(call, func() (err error) {
		a, err = c.getOnce(call, &r, &kept)
		return err
	})
	if err != nil {
		return nil, c.explain(ctx, r.Op, r.Name, r.URL, err)
	}
	return a, nil
}

// getOnce is one try. It lets go of the kept answer once that is of no use.
func (c *Client) getOnce(ctx context.Context, r *Request, kept **entry) (*Answer, error) {
	header := http.Header{"Accept-Encoding": {"identity"}}
	if r.Accept != "" {
		header.Set("Accept", r.Accept)
	}
	if r.Gzip {
		header.Set("Accept-Encoding", "gzip")
	}
	(*kept).condition(header)
	method := http.MethodGet
	if r.Post != "" {
		method = http.MethodPost
	}
	resp, err := c.send(ctx, method, r.URL, header, r.Post)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified && *kept != nil {
		a, err := (*kept).answer()
		if err == nil {
			err = r.Use(a)
		}
		if err == nil {
			r.Cache.touch(*kept)
			a.Held = true
			return a, nil
		}
		r.Cache.drop(*kept)
		*kept = nil
		return c.getOnce(ctx, r, kept)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, c.status(resp)
	}
	*kept = nil
	return c.read(r, resp)
}

// read takes a new answer whole, uses it and keeps it.
func (c *Client) read(r *Request, resp *answer) (*Answer, error) {
	h := headOf(resp)
	a := h.answer(resp.from)
	a.Delimited = resp.ContentLength >= 0 || len(resp.TransferEncoding) > 0
	if !r.Gzip {
		if err := plain(a.Encoding); err != nil {
			return nil, err
		}
	}
	body, err := readAll(resp.Body, resp.ContentLength, r.MaxBytes)
	if err != nil {
		return nil, broken(err)
	}
	a.Body = body
	if err := r.Use(a); err != nil {
		return nil, broken(err)
	}
	if r.keeps(resp) {
		a.Unkept = r.Cache.keep(r.key(), h, body)
	}
	return a, nil
}

// broken says of an error in a body whether the next try may be better.
func broken(err error) error {
	if errors.Is(err, ErrCut) || errors.Is(err, ErrSlow) {
		return &temporary{error: err}
	}
	return err
}

// plain refuses an encoding that was not asked for.
func plain(encoding string) error {
	if encoding != "" && !strings.EqualFold(encoding, "identity") {
		return fmt.Errorf("%w: sent with content encoding %.40q, which nobody asked for", ErrRefused, encoding)
	}
	return nil
}

// keeps says whether an answer is to be kept. An address with a query may be good for
// one request only.
func (r *Request) keeps(resp *answer) bool {
	h := resp.Header
	switch {
	case r.Cache == nil:
		return false
	case r.LastGood:
		return true
	case r.URL.RawQuery != "" || resp.from.RawQuery != "" || strings.Contains(strings.ToLower(h.Get("Cache-Control")), "no-store"):
		return false
	}
	return h.Get("ETag") != "" || h.Get("Last-Modified") != ""
}

// key is what a kept answer is found by.
func (r *Request) key() string {
	if r.Post == "" {
		return r.URL.String()
	}
	return r.URL.String() + "\n" + r.Post
}

// Size asks how long the file at a request's URL is, by HEAD, or by one byte of it. It is
// below zero when the server does not tell.
func (c *Client) Size(ctx context.Context, r Request) (int64, error) {
	call, end, err := c.begin(ctx, r.Time)
	if err != nil {
		return 0, c.explain(ctx, r.Op, r.Name, r.URL, err)
	}
	defer end()
	n, err := c.sizeBy(call, http.MethodHead, r.URL)
	if errors.Is(err, ErrRefused) || err == nil && n < 0 {
		// Some servers know no HEAD: one byte by GET tells the same.
		n, err = c.sizeBy(call, http.MethodGet, r.URL)
	}
	if err != nil {
		return 0, c.explain(ctx, r.Op, r.Name, r.URL, err)
	}
	return n, nil
}

func (c *Client) sizeBy(ctx context.Context, method string, u *url.URL) (n int64, _ error) {
	header := http.Header{"Accept-Encoding": {"identity"}}
	if method == http.MethodGet {
		header.Set("Range", "bytes=0-0")
	}
	err := c.retry(ctx, func() error {
		a, err := c.send(ctx, method, u, header, "")
		if err != nil {
			return err
		}
		defer a.Body.Close()
		switch a.StatusCode {
		case http.StatusOK:
			n = a.ContentLength
			return nil
		case http.StatusPartialContent:
			n = -1
			if _, total, ok := contentRange(a.Header.Get("Content-Range")); ok {
				n = total
			}
			return nil
		}
		return c.status(a)
	})
	return n, err
}
