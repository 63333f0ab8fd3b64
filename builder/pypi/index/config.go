package index

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"larder/builder/fetch"
)

// ErrConfig: pip's configuration cannot be read, or asks for something that
// cannot be done.
var ErrConfig = errors.New("pip configuration not usable")

// Config is where the indexes are and how they are reached: what pip would
// use. It may be printed: credentials stay hidden.
type Config struct {
	// Indexes are the page roots, index-url first, then the extra ones. New
	// moves users found in them to Credentials.
	Indexes []string
	fetch.Access
}

// names are what pip's users call what a client is configured by.
var names = fetch.Names{
	Address: "index-url", Login: "pip's index-url or in ~/.netrc", CABundle: "pip's cert option (PIP_CERT)",
	ClientCert: "pip's client-cert option", Proxy: "pip's proxy option", Show: "pip config list",
}

// parseIndex checks one index URL and splits off its user.
func parseIndex(raw string) (*url.URL, *url.Userinfo, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil || u.Hostname() == "" || u.Opaque != "" {
		if err == nil && u.Scheme == "file" {
			return nil, nil, fmt.Errorf("%w: an index of scheme file is not supported", ErrConfig)
		}
		// Not wrapped: the parser's error quotes the URL, password and all.
		return nil, nil, fmt.Errorf("%w: an index URL is not of the form https://host/path", ErrConfig)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, nil, fmt.Errorf("%w: index %s has scheme %q, only http and https are supported", ErrConfig, fetch.Clean(u), u.Scheme)
	}
	user := u.User
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	return u, user, nil
}
