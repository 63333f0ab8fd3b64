package fetch

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

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

// Trusted tells whether hosts, as in Options.TrustedHosts, cover the URL: by host, or by
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

// loopback tells whether a host is, by its literal form, this machine.
func loopback(u *url.URL) bool {
	h := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if h == "localhost" || strings.HasSuffix(h, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(h)
	return err == nil && (a.Unmap().IsLoopback() || a.IsUnspecified())
}

// linkLocal tells whether a host is a literal link-local address, where clouds keep their
// instance credentials.
func linkLocal(u *url.URL) bool {
	a, err := netip.ParseAddr(u.Hostname())
	return err == nil && a.Unmap().IsLinkLocalUnicast()
}

// PlainAllowed says whether an address that a user configured may be asked: http only on
// this machine and at trusted hosts.
func PlainAllowed(u *url.URL, trusted []string) bool {
	return u.Scheme == "https" || Trusted(u, trusted) || loopback(u)
}

// Allowed says whether a page or a redirect may send us from one URL to another.
func (c *Client) Allowed(from, to *url.URL) error {
	plain := to.Scheme == "http" && !Trusted(to, c.options.TrustedHosts)
	switch {
	case to.Scheme != "http" && to.Scheme != "https":
		return fmt.Errorf("scheme %.20q is not http or https", to.Scheme)
	case to.Hostname() == "":
		return errors.New("no host in the URL")
	case plain && from.Scheme == "https":
		return errors.New("leads from https to plain http")
	case plain && !c.options.PlainHTTP && !loopback(to):
		return errors.New("leads to plain http, and the host is not trusted")
	case loopback(to) && !loopback(from), linkLocal(to) && !linkLocal(from):
		return errors.New("leads to an address of this machine or link")
	}
	return nil
}
