package index

import (
	"cmp"
	"fmt"
	"net/url"
	"time"

	"larder/builder/fetch"
)

// What callers need of package fetch.
type (
	Error = fetch.Error
	Stats = fetch.Stats
)

// What callers may branch on, besides ErrConfig, ErrPage and ErrNoHash.
var (
	ErrNotFound    = fetch.ErrNotFound
	ErrUnreachable = fetch.ErrUnreachable
	ErrRefused     = fetch.ErrRefused
	ErrHash        = fetch.ErrHash
	ErrGivenUp     = fetch.ErrGivenUp
)

// Options are the client's own limits; the zero value is a sound default.
type Options struct {
	fetch.Limits
	UserAgent string // default "larder"
	Cache     *PageCache

	MaxPage     int64 // bytes of one page, unpacked; default 64 MiB
	MaxMetadata int64 // bytes of one .metadata; default 16 MiB
	MaxFile     int64 // bytes of one file; default 8 GiB

	// Waiting for one of the Jobs does not count.
	PageTime time.Duration // whole call for a page, a HEAD or metadata; default 3 min
	FileTime time.Duration // whole call for a file; default 2 h
}

func (o *Options) fill() {
	o.MaxPage = cmp.Or(o.MaxPage, 64<<20)
	o.MaxMetadata = cmp.Or(o.MaxMetadata, 16<<20)
	o.MaxFile = cmp.Or(o.MaxFile, 8<<30)
	o.PageTime = cmp.Or(o.PageTime, 3*time.Minute)
	o.FileTime = cmp.Or(o.FileTime, 2*time.Hour)
	o.Cache = cmp.Or(o.Cache, &PageCache{})
}

// Client reads from the indexes of one Config. It may be used by many
// goroutines at once.
type Client struct {
	options Options
	roots   []*url.URL
	http    *fetch.Client
}

// New makes a client. It reads the certificates Config names, and sends nothing.
func New(config Config, options Options) (*Client, error) {
	options.fill()
	if len(config.Indexes) == 0 {
		return nil, fetch.Hinted(fmt.Errorf("%w: no index", ErrConfig), "set index-url in pip's configuration or PIP_INDEX_URL")
	}
	c := &Client{options: options}
	access := config.Access
	access.Credentials = access.Credentials.Clone()
	for _, raw := range config.Indexes {
		u, user, err := parseIndex(raw)
		if err != nil {
			return nil, err
		}
		if user != nil {
			access.Credentials.Add(u, user)
		}
		if !fetch.PlainAllowed(u, config.TrustedHosts) {
			return nil, fetch.Hinted(fmt.Errorf("%w: index %s is plain http and its host is not trusted", ErrConfig, fetch.Clean(u)),
				"use https, or name the host in pip's trusted-host option")
		}
		c.roots = append(c.roots, u)
	}
	var err error
	c.http, err = fetch.New(fetch.Options{Access: access, Limits: options.Limits, Names: names, UserAgent: options.UserAgent})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return c, nil
}

// Indexes are the page roots asked, in order, without credentials.
func (c *Client) Indexes() []string {
	var roots []string
	for _, u := range c.roots {
		roots = append(roots, fetch.Clean(u))
	}
	return roots
}

// Stats may be read at any time.
func (c *Client) Stats() Stats { return c.http.Stats() }

// Close drops idle connections.
func (c *Client) Close() { c.http.Close() }
