package fetch

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Credentials are user names and passwords by origin or host, and what else an Authorization header
// may hold by the beginning of an address. They print as their number.
type Credentials struct {
	below   []below
	origins map[string]*url.Userinfo // "https://host:443"
	hosts   map[string]*url.Userinfo // netrc
	other   *url.Userinfo            // netrc's default
}

func (c Credentials) String() string {
	n := len(c.below) + len(c.origins) + len(c.hosts)
	if c.other != nil {
		n++
	}
	return fmt.Sprintf("%d credentials (hidden)", n)
}

// GoString keeps %#v from printing them.
func (c Credentials) GoString() string { return c.String() }

// Add remembers a user for an origin; the first one stays.
func (c *Credentials) Add(u *url.URL, user *url.Userinfo) {
	if c.origins == nil {
		c.origins = map[string]*url.Userinfo{}
	}
	if key := Origin(u); c.origins[key] == nil {
		c.origins[key] = user
	}
}

// below is for addresses of one origin and path, and those below.
type below struct {
	origin, path, header string
}

// AddBelow remembers an Authorization header, such as "Bearer …", for an address and what is below
// it; the first one stays.
func (c *Credentials) AddBelow(u *url.URL, header string) {
	c.below = append(c.below, below{Origin(u), strings.TrimRight(u.EscapedPath(), "/") + "/", header})
}

// Header is the Authorization header for a request, or "": of the longest address that it is below, else
// of its user.
func (c *Credentials) Header(u *url.URL) string {
	var best below
	for _, b := range c.below {
		if b.origin == Origin(u) && strings.HasPrefix(u.EscapedPath()+"/", b.path) && len(b.path) > len(best.path) {
			best = b
		}
	}
	if best.header != "" {
		return best.header
	}
	return basic(c.Find(u))
}

// basic is the header of a user, "" of none.
func basic(user *url.Userinfo) string {
	if user == nil {
		return ""
	}
	r := http.Request{Header: http.Header{}}
	password, _ := user.Password()
	r.SetBasicAuth(user.Username(), password)
	return r.Header.Get("Authorization")
}

// AddHost remembers a netrc entry; host "default" is for all others.
func (c *Credentials) AddHost(host, login, password string) {
	user := url.UserPassword(login, password)
	if host == "default" {
		c.other = user
		return
	}
	if c.hosts == nil {
		c.hosts = map[string]*url.Userinfo{}
	}
	c.hosts[strings.ToLower(host)] = user
}

// Find returns the user for a request, or nil.
func (c *Credentials) Find(u *url.URL) *url.Userinfo {
	if user := c.origins[Origin(u)]; user != nil {
		return user
	}
	if user := c.hosts[strings.ToLower(u.Hostname())]; user != nil {
		return user
	}
	return c.other
}

// Clone returns a copy; what is added to one of the two is not in the other.
func (c Credentials) Clone() Credentials {
	c.below = slices.Clone(c.below)
	c.origins, c.hosts = maps.Clone(c.origins), maps.Clone(c.hosts)
	return c
}
