package pipconfig

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// ErrConfig: pip's configuration cannot be read, or asks for something that
// cannot be done.
var ErrConfig = errors.New("pip configuration not usable")

// Config is where the indexes are and how they are reached: what pip would
// use. It may be printed: credentials stay hidden.
type Config struct {
	// Indexes are the page roots, index-url first, then the extra ones. New
	// moves credentials found in them to Credentials.
	Indexes []string
	// Credentials for the origins of Indexes, and those of netrc.
	Credentials Credentials
	// Proxy is pip's proxy option, or the environment's proxies.
	Proxy Proxy
	// CABundles, if any, hold the only authorities that are believed (PEM
	// files, or directories of them). Else the system's.
	CABundles []string
	// FallbackCA is used where the system has no authorities at all: the
	// bundle inside pip.
	FallbackCA string
	// ClientCert is a PEM file with a certificate and its key.
	ClientCert string
	// TrustedHosts ("host" or "host:port") may use http, and their
	// certificates are not checked.
	TrustedHosts []string
	// Timeout bounds connecting and waiting for an answer. 0 means pip's 15 s.
	Timeout time.Duration
	// Retries is how often a request is repeated. Negative means none.
	Retries int
}

// Credentials are user names and passwords by origin or host. They print as
// their number.
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

// Add remembers a user for an origin; the first one wins, as pip asks the
// first index URL that matches.
func (c *Credentials) Add(u *url.URL, user *url.Userinfo) {
	if c.origins == nil {
		c.origins = map[string]*url.Userinfo{}
	}
	if key := Origin(u); c.origins[key] == nil {
		c.origins[key] = user
	}
}

// addHost remembers a netrc entry; host "default" is for all others.
func (c *Credentials) addHost(host, login, password string) {
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

// Clone lets a copy grow on its own.
func (c Credentials) Clone() Credentials {
	out := Credentials{hosts: c.hosts, other: c.other}
	for k, v := range c.origins {
		if out.origins == nil {
			out.origins = map[string]*url.Userinfo{}
		}
		out.origins[k] = v
	}
	return out
}

// Proxy says which proxy a request takes. It prints without its credentials.
type Proxy struct{ config httpproxy.Config }

// ProxyFor sends everything through one proxy, as pip's proxy option does.
// Unlike the environment's proxies it is used for Loopback hosts too.
func ProxyFor(rawURL string) Proxy {
	return Proxy{httpproxy.Config{HTTPProxy: rawURL, HTTPSProxy: rawURL, NoProxy: optionProxy}}
}

// optionProxy in NoProxy marks a proxy that comes from pip's option, which
// knows no exceptions. It cannot be a host name.
const optionProxy = "<option>"

// ProxyFromEnvironment reads HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY
// in either case, as pip does.
func ProxyFromEnvironment(getenv func(string) string) Proxy {
	either := func(name string) string {
		if v := getenv(strings.ToLower(name)); v != "" {
			return v
		}
		return getenv(name)
	}
	all := either("ALL_PROXY")
	c := httpproxy.Config{HTTPProxy: either("HTTP_PROXY"), HTTPSProxy: either("HTTPS_PROXY"), NoProxy: either("NO_PROXY")}
	if c.HTTPProxy == "" {
		c.HTTPProxy = all
	}
	if c.HTTPSProxy == "" {
		c.HTTPSProxy = all
	}
	return Proxy{c}
}

func (p Proxy) String() string {
	if p.config.HTTPProxy == "" && p.config.HTTPSProxy == "" {
		return "no proxy"
	}
	return "proxy (hidden)"
}

// GoString keeps %#v from printing it.
func (p Proxy) GoString() string { return p.String() }

// Func returns what http.Transport wants. The URLs are checked here: a
// bad one must fail at the start, without being printed.
func (p Proxy) Func() (func(*url.URL) (*url.URL, error), error) {
	for _, raw := range []string{p.config.HTTPProxy, p.config.HTTPSProxy} {
		if raw == "" {
			continue
		}
		if !strings.Contains(raw, "://") {
			raw = "http://" + raw
		}
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" {
			return nil, fmt.Errorf("%w: the proxy is not a URL", ErrConfig)
		}
		switch u.Scheme {
		case "http", "https", "socks5", "socks5h":
		default:
			return nil, fmt.Errorf("%w: proxies of scheme %q are not supported", ErrConfig, u.Scheme)
		}
	}
	if p.config.NoProxy == optionProxy {
		raw := p.config.HTTPProxy
		if !strings.Contains(raw, "://") {
			raw = "http://" + raw
		}
		fixed, _ := url.Parse(raw) // checked above
		return func(*url.URL) (*url.URL, error) { return fixed, nil }, nil
	}
	return p.config.ProxyFunc(), nil
}

// ParseIndex checks one index URL and splits off its user.
func ParseIndex(raw string) (*url.URL, *url.Userinfo, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil || u.Hostname() == "" || u.Opaque != "" {
		if err == nil && u.Scheme == "file" {
			return nil, nil, fmt.Errorf("%w: an index of scheme file is not supported", ErrConfig)
		}
		// Not wrapped: the parser's error quotes the URL, password and all.
		return nil, nil, fmt.Errorf("%w: an index URL is not of the form https://host/path", ErrConfig)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, nil, fmt.Errorf("%w: index %s has scheme %q, only http and https are supported", ErrConfig, Clean(u), u.Scheme)
	}
	user := u.User
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	return u, user, nil
}

// Clean is the only form in which a URL is shown: no user, query, fragment.
func Clean(u *url.URL) string {
	if u == nil {
		return ""
	}
	c := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	return c.String()
}

// Origin is scheme, host and port in one canonical form.
func Origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	}
	return strings.ToLower(u.Scheme) + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// Trusted tells whether pip's trusted-host covers the URL: by host, or by
// host and port.
func Trusted(u *url.URL, hosts []string) bool {
	name := strings.ToLower(u.Hostname())
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(Origin(u), strings.ToLower(u.Scheme)+"://"))
	for _, h := range hosts {
		h = strings.ToLower(strings.TrimSpace(h))
		host, p := h, ""
		if a, b, err := net.SplitHostPort(h); err == nil {
			host, p = a, b
		}
		host = strings.Trim(host, "[]")
		if host != "" && host == name && (p == "" || p == port) {
			return true
		}
	}
	return false
}

// Loopback tells whether a host is, by its literal form, this machine.
func Loopback(u *url.URL) bool {
	h := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if h == "localhost" || strings.HasSuffix(h, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(h)
	return err == nil && (a.Unmap().IsLoopback() || a.IsUnspecified())
}

// LinkLocal tells whether a host is a literal link-local address, where
// clouds keep their instance credentials.
func LinkLocal(u *url.URL) bool {
	a, err := netip.ParseAddr(u.Hostname())
	return err == nil && a.Unmap().IsLinkLocalUnicast()
}

// PlainAllowed: pip believes http only of Loopback and of trusted hosts.
func PlainAllowed(u *url.URL, hosts []string) bool {
	return u.Scheme == "https" || Trusted(u, hosts) || Loopback(u)
}

// hintError is an error with a next step for the user.
type hintError struct {
	error
	hint string
}

func (e hintError) Hint() string  { return e.hint }
func (e hintError) Unwrap() error { return e.error }

// Hinted gives an error a Hint method.
func Hinted(err error, hint string) error { return hintError{err, hint} }
