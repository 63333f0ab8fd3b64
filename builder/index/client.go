package index

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// Options are the client's own limits; the zero value is a sound default.
type Options struct {
	Jobs      int    // requests under way at once; default 8
	UserAgent string // default "larder"
	Cache     *PageCache

	MaxPage     int64 // bytes of one page, unpacked; default 64 MiB
	MaxMetadata int64 // bytes of one .metadata; default 16 MiB
	MaxFile     int64 // bytes of one file; default 8 GiB

	PageTime  time.Duration // whole call for a page, a HEAD or metadata; default 5 min
	FileTime  time.Duration // whole call for a file; default 2 h
	StallTime time.Duration // a body must bring MinSpeed over each such stretch; default 30 s
	MinSpeed  int64         // bytes a second; default 2 KiB

	RetryBase     time.Duration // first pause; doubles, with jitter, up to RetryMax; default 500 ms
	RetryMax      time.Duration // default 30 s
	MaxRetryAfter time.Duration // longest Retry-After obeyed in full; default 2 min
}

func (o *Options) fill() {
	def(&o.Jobs, 8)
	def(&o.UserAgent, "larder")
	def(&o.MaxPage, 64<<20)
	def(&o.MaxMetadata, 16<<20)
	def(&o.MaxFile, 8<<30)
	def(&o.PageTime, 5*time.Minute)
	def(&o.FileTime, 2*time.Hour)
	def(&o.StallTime, 30*time.Second)
	def(&o.MinSpeed, 2<<10)
	def(&o.RetryBase, 500*time.Millisecond)
	def(&o.RetryMax, 30*time.Second)
	def(&o.MaxRetryAfter, 2*time.Minute)
}

func def[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// Client reads from the indexes of one Config. It may be used by many
// goroutines at once.
type Client struct {
	config  Config
	options Options
	roots   []*url.URL
	http    *retryablehttp.Client
	slots   chan struct{}

	requests, bytes atomic.Int64

	mu    sync.Mutex
	pause map[string]time.Time // host -> no request before
	sizes map[string]int64
}

// Stats is what a client has cost so far.
type Stats struct {
	Requests int64 `json:"requests"` // sent, repeated and redirected ones counted
	Bytes    int64 `json:"bytes"`    // of bodies received, as they came over the wire
}

// New makes a client. It reads the certificates Config names, and sends nothing.
func New(config Config, options Options) (*Client, error) {
	options.fill()
	c := &Client{
		config:  config,
		options: options,
		slots:   make(chan struct{}, options.Jobs),
		pause:   map[string]time.Time{},
		sizes:   map[string]int64{},
	}
	if c.config.Timeout <= 0 {
		c.config.Timeout = 15 * time.Second
	}
	if len(config.Indexes) == 0 {
		return nil, hinted(fmt.Errorf("%w: no index", ErrConfig), "set index-url in pip's configuration or PIP_INDEX_URL")
	}
	c.config.Credentials = config.Credentials.clone()
	c.config.Indexes = nil
	for _, raw := range config.Indexes {
		u, user, err := parseIndex(raw)
		if err != nil {
			return nil, err
		}
		if user != nil {
			c.config.Credentials.add(u, user)
		}
		if !plainAllowed(u, config.TrustedHosts) {
			return nil, hinted(fmt.Errorf("%w: index %s is plain http and its host is not trusted", ErrConfig, clean(u)),
				"use https, or name the host in pip's trusted-host option")
		}
		c.roots = append(c.roots, u)
		c.config.Indexes = append(c.config.Indexes, clean(u))
	}
	transport, err := c.transport()
	if err != nil {
		return nil, err
	}
	c.http = &retryablehttp.Client{
		HTTPClient: &http.Client{Transport: transport},
		RetryMax:   max(config.Retries, 0),
		CheckRetry: checkRetry,
		Backoff: func(_, _ time.Duration, attempt int, resp *http.Response) time.Duration {
			return c.backoff(attempt, resp)
		},
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	return c, nil
}

// Indexes are the page roots asked, in order, without credentials.
func (c *Client) Indexes() []string { return append([]string(nil), c.config.Indexes...) }

// Stats may be read at any time.
func (c *Client) Stats() Stats { return Stats{c.requests.Load(), c.bytes.Load()} }

// Close drops idle connections.
func (c *Client) Close() { c.http.HTTPClient.CloseIdleConnections() }

// hintError is an error with a next step for the user.
type hintError struct {
	error
	hint string
}

func (e hintError) Hint() string  { return e.hint }
func (e hintError) Unwrap() error { return e.error }

func hinted(err error, hint string) error { return hintError{err, hint} }

// acquire waits for one of the Jobs slots.
func (c *Client) acquire(ctx context.Context) (func(), error) {
	select {
	case c.slots <- struct{}{}:
		var once sync.Once
		return func() { once.Do(func() { <-c.slots }) }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Reasons we give up on a connection ourselves.
var (
	errSlow    = errors.New("the server sends too slowly")
	errTooLong = errors.New("it took too long")
	errCut     = errors.New("the connection was cut")
	errLarge   = errors.New("the answer is larger than allowed")
)
