package pypi

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"
)

// CacheName is the name of the file in which pip's cache keeps the response to a request of rawURL:
// 56 hexadecimal digits.
func CacheName(rawURL string) string {
	sum := sha256.Sum224([]byte(CacheKey(rawURL)))
	return hex.EncodeToString(sum[:])
}

// CacheKey returns the string pip hashes for a URL it finds on an index page: the
// link as pip's Link cleans it (models/link.py, _ensure_quoted_url), then as
// CacheControl normalises it (controller.py, _urlnorm): scheme and authority in
// lower case, no fragment, no credentials.
func CacheKey(rawURL string) string {
	rest, _, _ := strings.Cut(rawURL, "#")
	scheme, rest, ok := strings.Cut(rest, "://")
	if !ok {
		return rawURL
	}
	authority, p := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, p = rest[:i], rest[i:]
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		authority = authority[i+1:]
	}
	p, query, hasQuery := strings.Cut(p, "?")
	p = cleanPath(p)
	if p == "" {
		p = "/"
	}
	key := strings.ToLower(scheme) + "://" + strings.ToLower(authority) + p
	if hasQuery && query != "" {
		key += "?" + query
	}
	return key
}

// cleanPath quotes a path as pip does: each part between "@" and "%2F" is
// unquoted once and quoted again, so that nothing is quoted twice.
func cleanPath(p string) string {
	var b strings.Builder
	for p != "" {
		part, reserved, rest := cutReserved(p)
		if plain, err := url.PathUnescape(part); err == nil {
			part = plain
		}
		quote(&b, part)
		b.WriteString(reserved)
		p = rest
	}
	return b.String()
}

// cutReserved splits p around its first "@" or "%2F" (in either case, returned in
// upper case).
func cutReserved(p string) (part, reserved, rest string) {
	for i := 0; i < len(p); i++ {
		if p[i] == '@' {
			return p[:i], "@", p[i+1:]
		}
		if p[i] == '%' && i+2 < len(p) && strings.EqualFold(p[i:i+3], "%2f") {
			return p[:i], "%2F", p[i+3:]
		}
	}
	return p, "", ""
}

// quote is Python's urllib.parse.quote with its default safe characters.
func quote(b *strings.Builder, s string) {
	const hexDigits = "0123456789ABCDEF"
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("_.-~/", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
}
