package registry

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"larder/builder/fetch"
	"larder/builder/memory"
	"larder/snapshot/npm"
)

// ErrAnswer: an answer came with a good status, but it is not what registries say of a package.
var ErrAnswer = errors.New("not a registry's answer")

// What callers need of package fetch.
var (
	ErrUnreachable = fetch.ErrUnreachable
	ErrNotFound    = fetch.ErrNotFound
	ErrRefused     = fetch.ErrRefused
)

// Options are the client's own limits; the zero value is a sound default.
type Options struct {
	fetch.Limits
	UserAgent string
	Cache     *fetch.Cache // of what registries say of packages; nil keeps nothing

	// Keep is given what registries say of packages, as npm keeps it: then they are asked for all that they
	// say, as npm asks when it installs, and not only for what installers need. Its error ends the request.
	Keep func(said Packument, body io.Reader) error

	MaxPackument int64 // bytes of what is said of one package; default 128 MiB (the largest abbreviated ones have 10)
	MaxTarball   int64 // default 2 GiB

	// Waiting for one of the Jobs does not count.
	PackumentTime time.Duration // whole call; default 3 min
	TarballTime   time.Duration // whole call; default 1 h
}

// Client reads from the registries of one Config. It may be used by many goroutines at once.
type Client struct {
	options Options
	root    *url.URL
	scopes  map[string]*url.URL
	http    *fetch.Client
}

// New makes a client. It reads the certificates that Config names, and sends nothing.
func New(config Config, o Options) (*Client, error) {
	o.MaxPackument, o.MaxTarball = cmp.Or(o.MaxPackument, 128<<20), cmp.Or(o.MaxTarball, 2<<30)
	o.PackumentTime, o.TarballTime = cmp.Or(o.PackumentTime, 3*time.Minute), cmp.Or(o.TarballTime, time.Hour)
	c := &Client{options: o, scopes: map[string]*url.URL{}}
	var err error
	if c.root, err = parseRegistry(config.Registry); err != nil {
		return nil, err
	}
	plain := c.root.Scheme == "http"
	for scope, raw := range config.Scopes {
		if c.scopes[scope], err = parseRegistry(raw); err != nil {
			return nil, err
		}
		plain = plain || c.scopes[scope].Scheme == "http"
	}
	// npm asks by http wherever it is told to: what comes is compared with an integrity all the same.
	c.http, err = fetch.New(fetch.Options{Access: config.Access, Limits: o.Limits, Names: names, UserAgent: o.UserAgent, PlainHTTP: plain})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return c, nil
}

// Close drops idle connections.
func (c *Client) Close() { c.http.Close() }

// Stats may be read at any time.
func (c *Client) Stats() fetch.Stats { return c.http.Stats() }

// Release is what a registry publishes of one version.
type Release struct {
	Version  string
	Sum      npm.Sum // the strongest that is published
	Shasum   npm.Sum // SHA-1; zero where none is published
	URL      string  // of the tarball
	Registry string  // root of the registry, without credentials

	Platform npm.Platform // that it is for
}

// packument is what counts of what registries say of a package, in the form that installers ask for.
type packument struct {
	Name     string             `json:"name"`
	Tags     map[string]any     `json:"dist-tags"`
	Versions map[string]version `json:"versions"`
}

type version struct {
	Name       string `json:"name"`
	Deprecated any    `json:"deprecated"` // why, or false
	OS         any    `json:"os"`         // words, or one, as for the next two
	CPU        any    `json:"cpu"`
	Libc       any    `json:"libc"`
	Dist       struct {
		Integrity string `json:"integrity"`
		Shasum    string `json:"shasum"`
		Tarball   string `json:"tarball"`
	} `json:"dist"`
}

const opRead = "read versions of"

// rootOf is the registry of a package.
func (c *Client) rootOf(pkg string) *url.URL {
	if scope, _, scoped := strings.Cut(pkg, "/"); scoped && c.scopes[scope] != nil {
		return c.scopes[scope]
	}
	return c.root
}

// Releases asks for some versions of a package, for "" that which npm installs where none is named. One
// that the registry does not have, or whose integrity or address is of no use, has an error in its place.
func (c *Client) Releases(ctx context.Context, pkg string, versions []string) ([]Release, []error, error) {
	if err := npm.CheckName(pkg); err != nil {
		return nil, nil, &fetch.Error{Op: opRead, Name: fmt.Sprintf("%.100q", pkg), Kind: fetch.ErrRefused, Cause: err}
	}
	root := c.rootOf(pkg)
	u := *root
	u.Path = strings.TrimRight(root.Path, "/") + "/" + pkg
	u.RawPath = strings.TrimRight(root.EscapedPath(), "/") + "/" + strings.ReplaceAll(pkg, "/", "%2f")
	// The answer as it came, and what is read of it.
	giveBack, err := memory.TakeReader(ctx, 2*c.options.MaxPackument)
	if err != nil {
		return nil, nil, &fetch.Error{Op: opRead, Name: pkg, URL: fetch.Clean(&u), Cause: err}
	}
	defer giveBack()
	var doc *packument
	a, err := c.http.Get(ctx, fetch.Request{
		Op: opRead, Name: pkg, URL: &u, Accept: c.accept(), Gzip: true, MaxBytes: c.options.MaxPackument, Time: c.options.PackumentTime, Cache: c.options.Cache,
		Use: func(a *fetch.Answer) (err error) {
			doc, err = c.readPackument(a, pkg)
			return err
		},
	})
	var large *fetch.Error
	if errors.Is(err, fetch.ErrLarge) && errors.As(err, &large) {
		large.Kind = ErrAnswer
	}
	if err == nil && c.options.Keep != nil {
		err = c.keep(&u, doc, a)
	}
	if err != nil {
		return nil, nil, err
	}
	releases, errs := make([]Release, len(versions)), make([]error, len(versions))
	for i, version := range versions {
		if version == "" {
			if version, errs[i] = doc.latest(); errs[i] != nil {
				continue
			}
		}
		releases[i], errs[i] = c.release(doc, version, a.From)
		releases[i].Registry = fetch.Clean(root)
	}
	return releases, errs, nil
}

// errMore: after what a registry says comes something else, and npm would take none of it.
var errMore = errors.New("more than one value")

func (c *Client) readPackument(a *fetch.Answer, pkg string) (*packument, error) {
	body, err := c.bodyOf(a)
	if err != nil {
		return nil, err
	}
	var doc packument
	dec := json.NewDecoder(body)
	if err = dec.Decode(&doc); err == nil {
		if _, end := dec.Token(); !errors.Is(end, io.EOF) {
			err = cmp.Or(end, errMore)
		}
	}
	switch {
	case errors.Is(err, fetch.ErrLarge):
		return nil, &fetch.Error{Kind: ErrAnswer, Cause: err}
	case errors.Is(err, io.ErrUnexpectedEOF) && !a.Delimited:
		return nil, fetch.ErrCut
	case err != nil || doc.Versions == nil || doc.Name != pkg:
		why := fmt.Sprintf("it is of type %.60q and names %.60q", a.Type, doc.Name)
		return nil, &fetch.Error{Kind: ErrAnswer, Cause: fmt.Errorf("%w: %s", ErrAnswer, why), Next: "check that registry is the root of an npm registry: npm config get registry"}
	}
	return &doc, nil
}

// bodyOf is an answer's body as it was before it was packed.
func (c *Client) bodyOf(a *fetch.Answer) (io.Reader, error) {
	body := bytes.NewReader(a.Body)
	switch strings.ToLower(a.Encoding) {
	case "", "identity":
		return body, nil
	case "gzip":
		packed, err := gzip.NewReader(body)
		if err != nil {
			return nil, &fetch.Error{Kind: ErrAnswer, Cause: fmt.Errorf("%w: %w", ErrAnswer, err)}
		}
		return fetch.Limit(packed, c.options.MaxPackument), nil
	}
	return nil, &fetch.Error{Kind: ErrAnswer, Cause: fmt.Errorf("%w: it has the encoding %.40q, which nobody asked for", ErrAnswer, a.Encoding)}
}

// release reads one version; from is where the answer came from.
func (c *Client) release(doc *packument, version string, from *url.URL) (Release, error) {
	v, ok := doc.Versions[version]
	if !ok {
		return Release{}, fmt.Errorf("the registry has no version %s of %s: %w", version, doc.Name, fetch.ErrNotFound)
	}
	r := Release{Version: version, Platform: npm.Platform{OS: words(v.OS), CPU: words(v.CPU), Libc: words(v.Libc)}}
	if v.Dist.Shasum != "" {
		if sum, err := npm.SumOf(v.Dist.Shasum); err == nil && sum.Algorithm() == "sha1" {
			r.Shasum = sum
		}
	}
	sums, err := npm.ParseIntegrity(v.Dist.Integrity)
	switch {
	case err == nil:
		r.Sum = sums[0]
	case v.Dist.Integrity == "" && !r.Shasum.IsZero():
		r.Sum = r.Shasum
	default:
		return Release{}, fmt.Errorf("the registry publishes for %s %s %w: %w", doc.Name, version, err, fetch.ErrRefused)
	}
	u, err := from.Parse(v.Dist.Tarball)
	if err != nil || v.Dist.Tarball == "" {
		return Release{}, fmt.Errorf("the registry names no address of %s %s that can be read: %w", doc.Name, version, fetch.ErrRefused)
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	if err := c.http.Allowed(from, u); err != nil {
		return Release{}, fmt.Errorf("the registry's address of %s %s %w: %w", doc.Name, version, err, fetch.ErrRefused)
	}
	r.URL = u.String()
	return r, nil
}

// Tarball is what is fetched.
type Tarball struct {
	Filename string // for messages
	URL      string
	Sum      npm.Sum
	Size     int64 // -1 if nobody told
}

// Fetch streams a tarball into the sink. A nil error means that the sink holds exactly the bytes of the
// sum.
func (c *Client) Fetch(ctx context.Context, t Tarball, to fetch.Sink) error {
	const op = "fetch"
	u, err := url.Parse(t.URL)
	if err != nil {
		return &fetch.Error{Op: op, Name: t.Filename, Kind: fetch.ErrRefused, Cause: errors.New("its URL cannot be read")}
	}
	_, err = c.http.Download(ctx, fetch.File{
		Name: t.Filename, URL: u, Digest: t.Sum.Hex(), Hash: fetch.Hash{Name: t.Sum.Algorithm(), New: t.Sum.New},
		Size: t.Size, MaxBytes: c.options.MaxTarball, Time: c.options.TarballTime,
	}, to)
	return err
}

// Size asks how long a tarball is; below zero when the server does not tell.
func (c *Client) Size(ctx context.Context, t Tarball) (int64, error) {
	const op = "ask the size of"
	u, err := url.Parse(t.URL)
	if err != nil {
		return 0, &fetch.Error{Op: op, Name: t.Filename, Kind: fetch.ErrRefused, Cause: errors.New("its URL cannot be read")}
	}
	return c.http.Size(ctx, fetch.Request{Op: op, Name: t.Filename, URL: u, Time: c.options.PackumentTime})
}
