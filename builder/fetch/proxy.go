package fetch

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// Proxy says which proxy a request takes; the zero value is none. It prints without its
// credentials.
type Proxy struct {
	config httpproxy.Config
	always bool // one proxy for everything
}

// ProxyFor sends everything through one proxy. Unlike the environment's proxies it is
// used for loopback hosts too.
func ProxyFor(rawURL string) Proxy {
	return Proxy{httpproxy.Config{HTTPProxy: rawURL, HTTPSProxy: rawURL}, true}
}

// ProxyFromEnvironment reads HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY in either
// case, lower case first.
func ProxyFromEnvironment(getenv func(string) string) Proxy {
	either := func(name string) string { return cmp.Or(getenv(strings.ToLower(name)), getenv(name)) }
	all := either("ALL_PROXY")
	return Proxy{config: httpproxy.Config{
		HTTPProxy: cmp.Or(either("HTTP_PROXY"), all), HTTPSProxy: cmp.Or(either("HTTPS_PROXY"), all), NoProxy: either("NO_PROXY"),
	}}
}

func (p Proxy) String() string {
	if p.config.HTTPProxy == "" && p.config.HTTPSProxy == "" {
		return "no proxy"
	}
	return "proxy (hidden)"
}

// GoString keeps %#v from printing it.
func (p Proxy) GoString() string { return p.String() }

// choose returns what http.Transport wants. The URLs are checked here: a bad one must
// fail at the start, without being printed.
func (p Proxy) choose() (func(*url.URL) (*url.URL, error), error) {
	var fixed *url.URL
	for _, raw := range []string{p.config.HTTPSProxy, p.config.HTTPProxy} {
		if raw == "" {
			continue
		}
		if !strings.Contains(raw, "://") {
			raw = "http://" + raw
		}
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" {
			return nil, errors.New("the proxy is not a URL")
		}
		switch u.Scheme {
		case "http", "https", "socks5", "socks5h":
		default:
			return nil, fmt.Errorf("proxies of scheme %q are not supported", u.Scheme)
		}
		fixed = u
	}
	if p.always {
		return func(*url.URL) (*url.URL, error) { return fixed, nil }, nil
	}
	return p.config.ProxyFunc(), nil
}
