package wire

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"larder/builder/pypi/index/pipconfig"
)

// Limits bound what a Client waits for and repeats. All must be set.
type Limits struct {
	Jobs          int           // requests under way at once
	StallTime     time.Duration // a body must bring MinSpeed over each such stretch
	MinSpeed      int64         // bytes a second
	RetryBase     time.Duration // first pause; doubles, with jitter, up to RetryMax
	RetryMax      time.Duration
	MaxRetryAfter time.Duration // longest Retry-After obeyed in full
	HostTime      time.Duration // what all requests to one host together may be slow
}

// Client sends requests. It may be used by many goroutines at once.
type Client struct {
	config    pipconfig.Config
	limits    Limits
	userAgent string
	http      *retryablehttp.Client
	slots     chan struct{}

	requests, bytes atomic.Int64

	mu    sync.Mutex
	pause map[string]time.Time // host -> no request before
	slow  patience
}

// New reads the certificates that config names, and sends nothing.
func New(config pipconfig.Config, limits Limits, userAgent string) (*Client, error) {
	c := &Client{config: config, limits: limits, userAgent: userAgent, slots: make(chan struct{}, limits.Jobs), pause: map[string]time.Time{}, slow: patience{most: limits.HostTime, spent: map[string]time.Duration{}}}
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

// Stats is what a client has cost so far.
type Stats struct {
	Requests int64 `json:"requests"` // sent, repeated and redirected ones counted
	Bytes    int64 `json:"bytes"`    // of bodies received, as they came over the wire
}

// Stats may be read at any time.
func (c *Client) Stats() Stats { return Stats{c.requests.Load(), c.bytes.Load()} }

// Close drops idle connections.
func (c *Client) Close() { c.http.HTTPClient.CloseIdleConnections() }

// Pause waits before try number attempt+1 of something a caller repeats.
func (c *Client) Pause(ctx context.Context, attempt int) error {
	return sleep(ctx, c.backoff(attempt, nil))
}

// Slot waits for one of Jobs slots and returns what gives it back. A call takes
// one before its deadline starts, and keeps it until it is through with all its
// requests and pauses: waiting in line is not the index being slow.
func (c *Client) Slot(ctx context.Context) (func(), error) {
	select {
	case c.slots <- struct{}{}:
		return func() { <-c.slots }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Reasons we give up on a connection ourselves.
var (
	ErrSlow    = errors.New("the server sends too slowly")
	ErrTooLong = errors.New("it took too long")
	ErrCut     = errors.New("the connection was cut")
	ErrLarge   = errors.New("the answer is larger than allowed")
)
