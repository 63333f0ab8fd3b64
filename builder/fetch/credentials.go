package fetch

import (
	"fmt"
	"maps"
	"net/url"
	"strings"
)

// Credentials are user names and passwords by origin or host. They print as their number.
type Credentials struct {
	origins map[string]*url.Userinfo // "https://host:443"
	hosts   map[string]*url.Userinfo // netrc
	other   *url.Userinfo            // netrc's default
}

func (c Credentials) String() string {
	n := len(c.origins) + len(c.hosts)
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
	c.origins, c.hosts = maps.Clone(c.origins), maps.Clone(c.hosts)
	return c
}
