package index

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"time"

	"larder/builder/pypi/index/page"
	"larder/builder/pypi/index/pagecache"
	"larder/builder/pypi/index/pipconfig"
	"larder/builder/pypi/index/wire"
)

// What callers need of the packages below, under one roof.
type (
	Config    = pipconfig.Config
	Proxy     = pipconfig.Proxy
	File      = page.File
	Refused   = page.Refused
	PageCache = pagecache.Cache
	Error     = wire.Error
	Stats     = wire.Stats
)

var (
	FromPip              = pipconfig.FromPip
	ProxyFor             = pipconfig.ProxyFor
	ProxyFromEnvironment = pipconfig.ProxyFromEnvironment
	OpenPageCache        = pagecache.Open

	ErrConfig      = pipconfig.ErrConfig
	ErrNotFound    = wire.ErrNotFound
	ErrUnreachable = wire.ErrUnreachable
	ErrPage        = wire.ErrPage
	ErrRefused     = wire.ErrRefused
	ErrHash        = wire.ErrHash
	ErrNoHash      = wire.ErrNoHash
	ErrGivenUp     = wire.ErrGivenUp
)

// Options are the client's own limits; the zero value is a sound default.
type Options struct {
	Jobs      int    // requests under way at once; default 8
	UserAgent string // default "larder"
	Cache     *PageCache

	MaxPage     int64 // bytes of one page, unpacked; default 64 MiB
	MaxMetadata int64 // bytes of one .metadata; default 16 MiB
	MaxFile     int64 // bytes of one file; default 8 GiB

	// Waiting for one of the Jobs does not count.
	PageTime  time.Duration // whole call for a page, a HEAD or metadata; default 3 min
	FileTime  time.Duration // whole call for a file; default 2 h
	StallTime time.Duration // a body must bring MinSpeed over each such stretch; default 30 s
	MinSpeed  int64         // bytes a second; default 2 KiB
	HostTime  time.Duration // what all requests to one host together may be slow, those at once added up; default 20 min

	RetryBase     time.Duration // first pause; doubles, with jitter, up to RetryMax; default 500 ms
	RetryMax      time.Duration // default 30 s
	MaxRetryAfter time.Duration // longest Retry-After obeyed in full; default 1 min
}

func (o *Options) fill() {
	def(&o.Jobs, 8)
	def(&o.UserAgent, "larder")
	def(&o.MaxPage, 64<<20)
	def(&o.MaxMetadata, 16<<20)
	def(&o.MaxFile, 8<<30)
	def(&o.PageTime, 3*time.Minute)
	def(&o.FileTime, 2*time.Hour)
	def(&o.StallTime, 30*time.Second)
	def(&o.MinSpeed, 2<<10)
	def(&o.HostTime, 20*time.Minute)
	def(&o.RetryBase, 500*time.Millisecond)
	def(&o.RetryMax, 30*time.Second)
	def(&o.MaxRetryAfter, time.Minute)
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
	wire    *wire.Client

	mu    sync.Mutex
	sizes map[string]int64 // by URL
}

// New makes a client. It reads the certificates Config names, and sends nothing.
func New(config Config, options Options) (*Client, error) {
	options.fill()
	if config.Timeout <= 0 {
		config.Timeout = 15 * time.Second
	}
	if len(config.Indexes) == 0 {
		return nil, pipconfig.Hinted(fmt.Errorf("%w: no index", ErrConfig), "set index-url in pip's configuration or PIP_INDEX_URL")
	}
	c := &Client{config: config, options: options, sizes: map[string]int64{}}
	c.config.Credentials = config.Credentials.Clone()
	c.config.Indexes = nil
	for _, raw := range config.Indexes {
		u, user, err := pipconfig.ParseIndex(raw)
		if err != nil {
			return nil, err
		}
		if user != nil {
			c.config.Credentials.Add(u, user)
		}
		if !pipconfig.PlainAllowed(u, config.TrustedHosts) {
			return nil, pipconfig.Hinted(fmt.Errorf("%w: index %s is plain http and its host is not trusted", ErrConfig, pipconfig.Clean(u)),
				"use https, or name the host in pip's trusted-host option")
		}
		c.roots = append(c.roots, u)
		c.config.Indexes = append(c.config.Indexes, pipconfig.Clean(u))
	}
	var err error
	c.wire, err = wire.New(c.config, wire.Limits{
		Jobs: options.Jobs, StallTime: options.StallTime, MinSpeed: options.MinSpeed, HostTime: options.HostTime,
		RetryBase: options.RetryBase, RetryMax: options.RetryMax, MaxRetryAfter: options.MaxRetryAfter,
	}, options.UserAgent)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Indexes are the page roots asked, in order, without credentials.
func (c *Client) Indexes() []string { return append([]string(nil), c.config.Indexes...) }

// Stats may be read at any time.
func (c *Client) Stats() Stats { return c.wire.Stats() }

// Close drops idle connections.
func (c *Client) Close() { c.wire.Close() }

// begin takes a slot and starts the clock of a call.
func (c *Client) begin(ctx context.Context, limit time.Duration) (call context.Context, end func(), _ error) {
	release, err := c.wire.Slot(ctx)
	if err != nil {
		return nil, nil, err
	}
	call, cancel := wire.Within(ctx, limit)
	return call, func() {
		cancel()
		release()
	}, nil
}
