package index

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"larder/builder/memory"
	"larder/builder/pypi/index/page"
	"larder/builder/pypi/index/pagecache"
	"larder/builder/pypi/index/pipconfig"
	"larder/builder/pypi/index/wire"
	"larder/snapshot/pypi/pep508"
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

// Project reads a project's page from all indexes and joins them. An index that
// does not have or refuses the project is passed over while another one has it,
// as pip does; one that cannot be reached fails the project, because what pip
// would choose is then unknown.
func (c *Client) Project(ctx context.Context, name string) (*Project, error) {
	if !pep508.ValidName(name) {
		return nil, &Error{Op: opPage, Name: fmt.Sprintf("%.100q", name), Kind: ErrRefused, Cause: errors.New("not a project name")}
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
func (p *Project) join(pg *page.Page) {
	earlier := p.Files
	p.Files = pg.Files
	p.Refused = append(p.Refused, pg.Refused...)
	if len(earlier) == 0 {
		return
	}
	seen := make(map[string]string, len(pg.Files))
	for _, f := range pg.Files {
		seen[f.Filename] = f.SHA256
	}
	for _, f := range earlier {
		if sum, ok := seen[f.Filename]; !ok || sum != f.SHA256 || sum == "" {
			p.Files = append(p.Files, f)
		}
	}
}

// page reads one project's page from one index.
func (c *Client) page(ctx context.Context, root *url.URL, name string) (*page.Page, error) {
	u := *root
	u.Path = strings.TrimRight(u.Path, "/") + "/" + name + "/"
	u.RawPath = ""
	// The page as it came, for the cache, and its links.
	giveBack, err := memory.TakeReader(ctx, 2*c.options.MaxPage)
	if err != nil {
		return nil, wire.Problem(ctx, opPage, name, &u, err)
	}
	defer giveBack()
	call, end, err := c.begin(ctx, c.options.PageTime)
	if err != nil {
		return nil, wire.Problem(ctx, opPage, name, &u, err)
	}
	defer end()
	var pg *page.Page
	err = c.repeat(ctx, call, opPage, name, &u, func() (again bool, err error) {
		pg, again, err = c.pageOnce(call, root, &u, name)
		return again, err
	})
	return pg, err
}

const opPage = "read page of"

// repeat calls once until it succeeds or says that there is no use.
func (c *Client) repeat(ctx, call context.Context, op, name string, u *url.URL, once func() (again bool, err error)) error {
	for try := 0; ; try++ {
		again, err := once()
		var known *Error
		if err == nil || errors.As(err, &known) {
			return err
		}
		if !again || try >= c.config.Retries {
			return wire.Problem(ctx, op, name, u, err)
		}
		if c.wire.Pause(call, try) != nil {
			return wire.Problem(ctx, op, name, u, context.Cause(call))
		}
	}
}

// pageOnce is one try; again says whether a cut connection is to blame.
func (c *Client) pageOnce(ctx context.Context, root, u *url.URL, name string) (_ *page.Page, again bool, _ error) {
	header := http.Header{"Accept": {page.Accept}, "Accept-Encoding": {"gzip"}}
	cached := c.options.Cache.Page(u)
	if cached != nil {
		cached.Ask(header)
	}
	a, err := c.wire.Send(ctx, http.MethodGet, u, header)
	if err != nil {
		return nil, false, err
	}
	defer a.Close()
	source := page.Source{
		Project: name, Index: pipconfig.Clean(root), From: a.From, Type: a.Header.Get("Content-Type"), Encoding: a.Header.Get("Content-Encoding"),
		MaxBytes: c.options.MaxPage, Allowed: c.wire.Allowed,
	}
	if a.StatusCode == http.StatusNotModified && cached != nil {
		if pg, err := fromCache(cached, source); err == nil {
			return pg, false, nil
		}
		// Forget the copy, and ask again without it.
		c.options.Cache.Drop(u)
		return nil, true, errors.New("not modified, but the cached copy is damaged")
	}
	if a.StatusCode != http.StatusOK {
		return nil, false, wire.StatusError(opPage, name, a)
	}
	bad := func(kind, cause error, hint string) error {
		return &Error{Op: opPage, Name: name, URL: pipconfig.Clean(a.From), Kind: kind, Cause: cause, Next: hint}
	}
	tooLarge := fmt.Errorf("the page is larger than %d bytes", c.options.MaxPage)
	if a.ContentLength > c.options.MaxPage {
		return nil, false, bad(ErrPage, tooLarge, "")
	}
	var raw io.Reader = a.Body
	save := c.options.Cache.Writer(u, a.From, a.Header)
	if save != nil {
		raw = io.TeeReader(raw, save)
	}
	pg, err := page.Read(raw, source)
	switch {
	case a.Body.Failed != nil:
		return nil, true, a.Body.Failed
	case errors.Is(err, wire.ErrLarge):
		return nil, false, bad(ErrPage, tooLarge, "")
	case errors.Is(err, page.ErrOther):
		return nil, false, bad(ErrRefused, err, "")
	case err != nil:
		return nil, false, bad(ErrPage, err, "check that index-url is the root of a simple index: pip config list")
	case pg.Unclosed && a.ContentLength < 0 && len(a.TransferEncoding) == 0:
		return nil, true, wire.ErrCut
	}
	save.Commit()
	return pg, false, nil
}

// fromCache reads a page again that has not changed.
func fromCache(cached *pagecache.Page, source page.Source) (*page.Page, error) {
	body, err := cached.Body()
	if err != nil {
		return nil, err
	}
	if source.From, err = url.Parse(cached.URL); err != nil {
		return nil, err
	}
	source.Type, source.Encoding = cached.Type, cached.Encoding
	return page.Read(bytes.NewReader(body), source)
}
