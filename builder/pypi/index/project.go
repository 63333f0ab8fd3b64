package index

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"larder/builder/fetch"
	"larder/builder/memory"
	"larder/snapshot/pypi/pep508"
)

// ErrPage: an answer came with a good status, but it is no project page.
var ErrPage = errors.New("not an index page")

// Project is what the indexes say about one project.
type Project struct {
	Name string // normalised
	// Files of all indexes, the last index's first, each in page order: of
	// two that are equally good pip takes the one that is first here. A file
	// name is there twice only if two indexes publish it with different
	// hashes.
	Files []File
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
func (p *Project) join(pg *page) {
	earlier := p.Files
	p.Files = pg.Files
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
func (c *Client) page(ctx context.Context, root *url.URL, name string) (*page, error) {
	u := *root
	u.Path = strings.TrimRight(u.Path, "/") + "/" + name + "/"
	u.RawPath = ""
	// The page as it came, and its links.
	giveBack, err := memory.TakeReader(ctx, 2*c.options.MaxPage)
	if err != nil {
		return nil, &Error{Op: opPage, Name: name, URL: fetch.Clean(&u), Cause: err}
	}
	defer giveBack()
	var pg *page
	_, err = c.http.Get(ctx, fetch.Request{
		Op: opPage, Name: name, URL: &u, Accept: acceptPage, Gzip: true,
		MaxBytes: c.options.MaxPage, Time: c.options.PageTime, Cache: c.options.Cache.pages,
		Use: func(a *fetch.Answer) (err error) {
			pg, err = c.readPage(a, root, name)
			return err
		},
	})
	var large *Error
	if errors.Is(err, fetch.ErrLarge) && errors.As(err, &large) {
		large.Kind = ErrPage
	}
	return pg, err
}

const opPage = "read page of"

// readPage reads an answer as a project's page.
func (c *Client) readPage(a *fetch.Answer, root *url.URL, name string) (*page, error) {
	pg, err := parsePage(bytes.NewReader(a.Body), pageSource{
		Project: name, Index: fetch.Clean(root), From: a.From, Type: a.Type, Encoding: a.Encoding,
		MaxBytes: c.options.MaxPage, Allowed: c.http.Allowed,
	})
	switch {
	case errors.Is(err, fetch.ErrLarge):
		return nil, &Error{Kind: ErrPage, Cause: err}
	case errors.Is(err, errOther):
		return nil, &Error{Kind: ErrRefused, Cause: err}
	case err != nil:
		return nil, &Error{Kind: ErrPage, Cause: err, Next: "check that index-url is the root of a simple index: pip config list"}
	case pg.Unclosed && !a.Delimited:
		return nil, fetch.ErrCut
	}
	return pg, nil
}
