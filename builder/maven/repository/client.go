package repository

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"larder/builder/fetch"
	"larder/builder/maven/settings"
	"larder/snapshot/maven"
)

// ErrNoChecksum: a repository has a file, and no checksum of it that counts.
var ErrNoChecksum = errors.New("no checksum that counts")

// What callers need of package fetch.
var (
	ErrUnreachable = fetch.ErrUnreachable
	ErrNotFound    = fetch.ErrNotFound
	ErrRefused     = fetch.ErrRefused
	ErrHash        = fetch.ErrHash
)

// Options are the client's own limits; the zero value is a sound default.
type Options struct {
	fetch.Limits
	UserAgent string

	MaxFile  int64 // default 2 GiB
	MaxSmall int64 // of what is passed on in memory; default 64 MiB

	// Waiting for one of the Jobs does not count.
	SmallTime time.Duration // whole call; default 3 min
	FileTime  time.Duration // whole call; default 1 h
}

// Client reads from one repository. It may be used by many goroutines at once.
type Client struct {
	options Options
	root    *url.URL
	http    *fetch.Client
}

// New makes a client. It reads the certificates that Config names, and sends nothing.
func New(config settings.Config, o Options) (*Client, error) {
	o.MaxFile, o.MaxSmall = cmp.Or(o.MaxFile, 2<<30), cmp.Or(o.MaxSmall, 64<<20)
	o.SmallTime, o.FileTime = cmp.Or(o.SmallTime, 3*time.Minute), cmp.Or(o.FileTime, time.Hour)
	u, err := url.Parse(strings.TrimRight(config.Repository, "/"))
	if err != nil || u.Hostname() == "" || u.Opaque != "" || u.Scheme != "http" && u.Scheme != "https" {
		// Not wrapped: the parser's error quotes the URL, password and all.
		return nil, fetch.Hinted(fmt.Errorf("%w: a repository's URL is not of the form https://host/path", settings.ErrConfig), "see "+settings.Names.Show)
	}
	u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
	c := &Client{options: o, root: u}
	c.http, err = fetch.New(fetch.Options{Access: config.Access, Limits: o.Limits, Names: settings.Names, UserAgent: o.UserAgent, PlainHTTP: u.Scheme == "http"})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", settings.ErrConfig, err)
	}
	return c, nil
}

// Close drops idle connections.
func (c *Client) Close() { c.http.Close() }

// Root is the repository's address, without credentials.
func (c *Client) Root() string { return fetch.Clean(c.root) }

// URL is where the file at a path is.
func (c *Client) URL(path string) string { return c.at(path).String() }

func (c *Client) at(path string) *url.URL {
	u := *c.root
	u.Path = strings.TrimRight(u.Path, "/") + "/" + path
	u.RawPath = ""
	return &u
}

// Checksum is the strongest that the repository offers of the file at a path. ErrNotFound: there are none, and
// perhaps no such file.
func (c *Client) Checksum(ctx context.Context, path string) (maven.Sum, error) {
	names := maven.Algorithms()
	texts, errs := make([]string, len(names)), make([]error, len(names))
	var g errgroup.Group // one round trip, not three
	for i, name := range names {
		g.Go(func() error {
			texts[i], errs[i] = c.small(ctx, path+"."+name)
			return nil
		})
	}
	g.Wait()
	for i, name := range names {
		switch {
		case ctx.Err() != nil:
			return maven.Sum{}, context.Cause(ctx)
		case errors.Is(errs[i], ErrNotFound), isForbidden(errs[i]):
			continue
		case errs[i] != nil:
			return maven.Sum{}, errs[i]
		}
		sum, err := maven.ParseSum(name, texts[i])
		if err != nil {
			return sum, &fetch.Error{Op: "read checksum", Name: path + "." + name, URL: c.URL(path + "." + name), Kind: ErrRefused, Cause: err}
		}
		return sum, nil
	}
	return maven.Sum{}, fmt.Errorf("%s has %w: %w", path, ErrNoChecksum, ErrNotFound)
}

// isForbidden: stores of objects say so of what is not there.
func isForbidden(err error) bool {
	var e *fetch.Error
	return errors.As(err, &e) && e.Status == 403
}

// maxChecksum bounds a checksum file: a real one has 40 to 250 bytes.
const maxChecksum = 4 << 10

func (c *Client) small(ctx context.Context, path string) (string, error) {
	a, err := c.http.Get(ctx, fetch.Request{Op: "read checksum", Name: path, URL: c.at(path), MaxBytes: maxChecksum, Time: c.options.SmallTime})
	if err != nil {
		return "", err
	}
	return string(a.Body), nil
}

// Get gets what is at a path as it is: nobody vouches for it.
func (c *Client) Get(ctx context.Context, path string) ([]byte, error) {
	a, err := c.http.Get(ctx, fetch.Request{Op: "read", Name: path, URL: c.at(path), MaxBytes: c.options.MaxSmall, Time: c.options.SmallTime})
	if err != nil {
		return nil, err
	}
	return a.Body, nil
}

// Has says whether there is a file at a path.
func (c *Client) Has(ctx context.Context, path string) (bool, error) {
	_, err := c.Size(ctx, path)
	if errors.Is(err, ErrNotFound) || isForbidden(err) {
		return false, nil
	}
	return err == nil, err
}

// Size is how large the file at a path is; -1 where the repository does not say.
func (c *Client) Size(ctx context.Context, path string) (int64, error) {
	return c.http.Size(ctx, fetch.Request{Op: "look for", Name: path, URL: c.at(path), Time: c.options.SmallTime})
}

// File is what is fetched.
type File struct {
	Name string // for messages
	URL  string
	Sum  maven.Sum
	Size int64 // -1 if nobody told
}

// Fetch streams a file into the sink. A nil error means that the sink holds exactly the bytes of the sum.
func (c *Client) Fetch(ctx context.Context, f File, to fetch.Sink) error {
	u, err := url.Parse(f.URL)
	if err != nil {
		return &fetch.Error{Op: "fetch", Name: f.Name, Kind: ErrRefused, Cause: errors.New("its URL cannot be read")}
	}
	_, err = c.http.Download(ctx, fetch.File{
		Name: f.Name, URL: u, Digest: f.Sum.Hex(), Hash: fetch.Hash{Name: f.Sum.Algorithm(), New: f.Sum.New},
		Size: f.Size, MaxBytes: c.options.MaxFile, Time: c.options.FileTime,
	}, to)
	return err
}
