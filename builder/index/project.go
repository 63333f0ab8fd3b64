package index

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"larder/snapshot/pep508"
)

// Project is what the indexes say about one project.
type Project struct {
	Name string // normalised
	// Files of all indexes, the last index's first, each in page order: of
	// two that are equally good pip takes the one that is first here. A file
	// name is there twice only if two indexes publish it with different
	// hashes.
	Files []File
	// Refused are links nobody should use, and why.
	Refused []Refused
}

// Refused is a link on a page that is not believed.
type Refused struct {
	Filename string // may be hostile: print it with %q
	Index    string
	Reason   string
}

// File is one link on a page.
type File struct {
	Filename string
	// URL is absolute, quoted as pip quotes it, without fragment and
	// credentials. Its query may be a secret: do not print it.
	URL            string
	SHA256         string // lower-case hex; "" if the page tells none
	Size           int64  // -1 if the page tells none
	RequiresPython string
	Yanked         bool
	YankedReason   string
	UploadTime     time.Time // zero if the page tells none
	Metadata       bool      // the page says that URL.metadata is there
	MetadataSHA256 string    // "" if not told
	Index          string    // page root, without credentials
}

// The types pip asks for and the only ones it reads, in its order.
const (
	typeJSON   = "application/vnd.pypi.simple.v1+json"
	typeV1HTML = "application/vnd.pypi.simple.v1+html"
	typeHTML   = "text/html"
	accept     = typeJSON + ", " + typeV1HTML + "; q=0.1, " + typeHTML + "; q=0.01"
)

// Project reads a project's page from all indexes and joins them. An index that does not have or refuses the
// project is passed over while another one has it, as pip does; one that
// cannot be reached fails the project, because what pip would choose is then
// unknown.
func (c *Client) Project(ctx context.Context, name string) (*Project, error) {
	const op = "read page of"
	if !pep508.ValidName(name) {
		return nil, &Error{Op: op, Name: fmt.Sprintf("%.100q", name), Kind: ErrRefused, Cause: errors.New("not a project name")}
	}
	p := &Project{Name: pep508.Normalize(name)}
	found := false
	var first error
	for _, root := range c.roots {
		pg, err := c.page(ctx, root, p.Name)
		if errors.Is(err, ErrNotFound) || errors.Is(err, ErrRefused) {
			if first == nil || errors.Is(first, ErrNotFound) {
				first = err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		found = true
		p.join(pg)
	}
	if !found {
		return nil, first
	}
	return p, nil
}

// join adds a later index's page in front. Of the same file at two indexes pip
// (since 20.3, tried up to 26.3) takes the last index's, so that is the one
// kept: its URL is what pip's cache will be asked for.
func (p *Project) join(pg *page) {
	earlier := p.Files
	p.Files = pg.files
	p.Refused = append(p.Refused, pg.refused...)
	if len(earlier) == 0 {
		return
	}
	seen := make(map[string]string, len(pg.files))
	for _, f := range pg.files {
		seen[f.Filename] = f.SHA256
	}
	for _, f := range earlier {
		if sum, ok := seen[f.Filename]; !ok || sum != f.SHA256 || sum == "" {
			p.Files = append(p.Files, f)
		}
	}
}

// page reads one project's page from one index.
func (c *Client) page(ctx context.Context, root *url.URL, name string) (*page, error) {
	const op = "read page of"
	u := *root
	u.Path = strings.TrimRight(u.Path, "/") + "/" + name + "/"
	u.RawPath = ""
	call, cancel := within(ctx, c.options.PageTime)
	defer cancel()
	for try := 0; ; try++ {
		pg, again, err := c.pageOnce(call, root, &u, name)
		if err == nil {
			return pg, nil
		}
		var e *Error
		if errors.As(err, &e) {
			return nil, err
		}
		if !again || try >= c.config.Retries {
			return nil, c.problem(ctx, op, name, &u, err)
		}
		if sleep(call, c.backoff(try, nil)) != nil {
			return nil, c.problem(ctx, op, name, &u, context.Cause(call))
		}
	}
}

// pageOnce is one try; again says whether a cut connection is to blame.
func (c *Client) pageOnce(ctx context.Context, root, u *url.URL, name string) (_ *page, again bool, _ error) {
	const op = "read page of"
	header := http.Header{"Accept": {accept}, "Accept-Encoding": {"gzip"}}
	cached := c.options.Cache.page(u)
	if cached != nil {
		cached.ask(header)
	}
	a, err := c.send(ctx, http.MethodGet, u, header)
	if err != nil {
		return nil, false, err
	}
	defer a.Close()
	if a.StatusCode == http.StatusNotModified && cached != nil {
		if pg, err := c.cachedPage(cached, root, name); err == nil {
			return pg, false, nil
		}
		// The copy is damaged: forget it and ask again without it.
		c.options.Cache.drop(u)
		return nil, true, errors.New("not modified, but the cached copy is damaged")
	}
	if a.StatusCode != http.StatusOK {
		return nil, false, statusError(op, name, a)
	}
	if a.ContentLength > c.options.MaxPage {
		return nil, false, c.tooLarge(name, a)
	}
	var raw io.Reader = a.body
	save := c.options.Cache.newPage(u, a)
	if save != nil {
		raw = io.TeeReader(raw, save)
	}
	pg, err := c.parse(raw, a.Header.Get("Content-Encoding"), a.Header.Get("Content-Type"), a.url, root, name)
	switch {
	case a.body.failed != nil:
		return nil, true, a.body.failed
	case errors.Is(err, errLarge):
		return nil, false, c.tooLarge(name, a)
	case err == nil && pg.unclosed && a.ContentLength < 0 && len(a.TransferEncoding) == 0:
		return nil, true, errCut
	case err != nil:
		return nil, false, &Error{Op: op, Name: name, URL: clean(a.url), Kind: kindOf(err, ErrPage), Cause: err,
			hint: "check that index-url is the root of a simple index: pip config list"}
	}
	save.commit()
	return pg, false, nil
}

func kindOf(err, otherwise error) error {
	if errors.Is(err, ErrRefused) {
		return ErrRefused
	}
	return otherwise
}

func (c *Client) tooLarge(name string, a *answer) error {
	return &Error{Op: "read page of", Name: name, URL: clean(a.url), Kind: ErrPage,
		Cause: fmt.Errorf("the page is larger than %d bytes", c.options.MaxPage)}
}

func (c *Client) cachedPage(e *cachedPage, root *url.URL, name string) (*page, error) {
	body, err := e.body()
	if err != nil {
		return nil, err
	}
	from, err := url.Parse(e.URL)
	if err != nil {
		return nil, err
	}
	return c.parse(bytes.NewReader(body), e.Encoding, e.Type, from, root, name)
}

// parse reads a page's body as it came over the wire.
func (c *Client) parse(r io.Reader, encoding, contentType string, from, root *url.URL, name string) (*page, error) {
	switch strings.ToLower(encoding) {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(bufio.NewReader(r))
		if err != nil {
			return nil, fmt.Errorf("unpack page: %w", err)
		}
		r = z
	default:
		return nil, fmt.Errorf("content encoding %.40q was not asked for", encoding)
	}
	in := bufio.NewReaderSize(&limited{r, c.options.MaxPage}, 32<<10)
	pg := &page{client: c, name: name, base: from, index: clean(root), seen: map[string]int{}}
	kind, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	var err error
	switch first := peek(in); {
	case strings.TrimSpace(kind) == typeJSON:
		if first == '<' {
			return nil, errors.New("html where json was promised")
		}
		err = pg.readJSON(in)
	case strings.HasPrefix(kind, typeHTML), strings.HasPrefix(kind, typeV1HTML):
		if first == '{' || first == '[' {
			return nil, errors.New("json where html was promised")
		}
		err = pg.readHTML(in)
	case kind == "":
		err = errors.New("no content type")
	default:
		err = fmt.Errorf("content type %.60q is not one of an index", kind)
	}
	if err != nil {
		return nil, err
	}
	pg.settle()
	return pg, nil
}

// peek returns the first byte that is not white space or a byte order mark.
func peek(in *bufio.Reader) byte {
	for n := 1; n <= 1024; n++ {
		b, err := in.Peek(n)
		if err != nil {
			return 0
		}
		if bytes.IndexByte([]byte(" \t\r\n\xef\xbb\xbf"), b[n-1]) < 0 {
			return b[n-1]
		}
	}
	return 0
}
