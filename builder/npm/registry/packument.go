package registry

import (
	"fmt"
	"net/url"
	"strings"

	"larder/builder/fetch"
)

// What npm asks for packages with (pacote, of npm 10 and 11). It installs from AcceptAll, and reads old locks and
// looks for what is outdated with AcceptInstall, to which a registry may say as much.
const (
	AcceptAll     = "application/json"
	AcceptInstall = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*"
)

// maxHeaders bounds what is kept of an answer beside its body: real ones have 200 bytes.
const maxHeaders = 2 << 10

func (c *Client) accept() string {
	if c.options.Keep != nil {
		return AcceptAll
	}
	return AcceptInstall
}

// Packument is what is said of a registry's answer about a package. None of it is secret.
type Packument struct {
	Package string
	URL     string // by which npm asks for it
	Type    string
	// What decides for how long it may be used, and how the registry is asked whether it changed; "" of what
	// the registry does not say.
	ETag, LastModified, CacheControl, Vary string
	// Fetched are the bytes that came: 0 of one that is as it was.
	Fetched int64
	// Unkept says why no cache should have it; "": it may.
	Unkept string
}

// keep hands on what a registry said.
func (c *Client) keep(u *url.URL, doc *packument, a *fetch.Answer) error {
	said := Packument{Package: doc.Name, URL: fetch.Clean(u), Type: a.Type, ETag: a.ETag, LastModified: a.LastModified, CacheControl: a.CacheControl, Vary: a.Vary}
	if !a.Held {
		said.Fetched = int64(len(a.Body))
	}
	switch {
	case len(said.Type+said.ETag+said.LastModified+said.CacheControl+said.Vary) > maxHeaders:
		said.Unkept = fmt.Sprintf("its headers have more than %d bytes", maxHeaders)
		said.Type, said.ETag, said.LastModified, said.CacheControl, said.Vary = "", "", "", "", ""
	case strings.Contains(strings.ToLower(a.CacheControl), "no-store"):
		said.Unkept = "the registry says no-store"
	case doc.signed(a.From):
		said.Unkept = "addresses in it have a user or a query, which may be good for one request, or secret"
	}
	body, err := c.bodyOf(a)
	if err != nil {
		return err
	}
	return c.options.Keep(said, body)
}

// signed says whether an address of a tarball has what may be a secret.
func (doc *packument) signed(from *url.URL) bool {
	for _, v := range doc.Versions {
		if u, err := from.Parse(v.Dist.Tarball); err != nil || u.User != nil || u.RawQuery != "" {
			return true
		}
	}
	return false
}
