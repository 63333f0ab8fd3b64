package fetch

import (
	"cmp"
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// Options are all that a Client is told. The zero value goes to servers directly, believes
// the system's authorities and repeats nothing.
type Options struct {
	Access
	Limits
	Names        Names
	UserAgent    string // default "larder"
	MaxRedirects int    // default 10
	PlainHTTP    bool   // http may lead to http at any host
}

// Access says how servers are reached. It may be printed: what is secret stays hidden.
type Access struct {
	Credentials Credentials
	Proxy       Proxy
	// CABundles, if any, hold the only authorities that are believed (PEM files, or
	// directories of them). Else the system's.
	CABundles []string
	// CAText, if any, are the only authorities that are believed, in PEM, where there are no bundles.
	CAText string
	// ExtraCA is a PEM file of authorities that are believed besides the system's. One that cannot be
	// used counts for nothing, as for the clients that have such a setting.
	ExtraCA string
	// FallbackCA is a bundle for where the system has no authorities at all.
	FallbackCA string
	// ClientCert is a PEM file with a certificate and its key, unless that is in ClientKey.
	ClientCert, ClientKey string
	// TrustedHosts ("host" or "host:port") may use http, and their certificates are
	// not checked.
	TrustedHosts []string
	// Timeout bounds connecting, and waiting for an answer; default 15 s.
	Timeout time.Duration
	// Retries is how often a call is repeated. Below zero means never.
	Retries int
}

// Limits bound what a Client waits for.
type Limits struct {
	Jobs      int           // calls under way at once; default 8
	StallTime time.Duration // a body must bring MinSpeed over each such stretch; default 30 s
	MinSpeed  int64         // bytes a second; default 2 KiB
	HostTime  time.Duration // what all requests to one host together may be slow, those at once added up; default 20 min

	RetryBase     time.Duration // first pause; doubles, with jitter, up to RetryMax; default 500 ms
	RetryMax      time.Duration // default 30 s
	MaxRetryAfter time.Duration // longest Retry-After obeyed in full; default 1 min
}

func (o *Options) fill() {
	o.UserAgent = cmp.Or(o.UserAgent, "larder")
	o.MaxRedirects = cmp.Or(o.MaxRedirects, 10)
	o.Timeout = cmp.Or(max(o.Timeout, 0), 15*time.Second)
	o.Jobs = cmp.Or(o.Jobs, 8)
	o.StallTime = cmp.Or(o.StallTime, 30*time.Second)
	o.MinSpeed = cmp.Or(o.MinSpeed, 2<<10)
	o.HostTime = cmp.Or(o.HostTime, 20*time.Minute)
	o.RetryBase = cmp.Or(o.RetryBase, 500*time.Millisecond)
	o.RetryMax = cmp.Or(o.RetryMax, 30*time.Second)
	o.MaxRetryAfter = cmp.Or(o.MaxRetryAfter, time.Minute)
}

// Client asks servers. It may be used by many goroutines at once.
type Client struct {
	options            Options
	checked, unchecked *http.Transport // certificates are checked, or not: for trusted hosts
	slots              chan struct{}
	hosts              hosts

	requests, bytes atomic.Int64
}

// New reads the certificates that the options name, and sends nothing.
func New(o Options) (*Client, error) {
	o.fill()
	c := &Client{options: o, slots: make(chan struct{}, o.Jobs)}
	c.hosts.init()
	var err error
	if c.checked, c.unchecked, err = transports(&o); err != nil {
		return nil, err
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
func (c *Client) Close() {
	c.checked.CloseIdleConnections()
	c.unchecked.CloseIdleConnections()
}

// begin waits for one of Limits.Jobs slots, then starts the clock of a call. The slot is
// kept until the call is through with all its requests and pauses.
func (c *Client) begin(ctx context.Context, limit time.Duration) (call context.Context, end func(), _ error) {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	cancel := func() {}
	if limit > 0 {
		ctx, cancel = context.WithTimeoutCause(ctx, limit, ErrTooLong)
	}
	return ctx, func() {
		cancel()
		<-c.slots
	}, nil
}
