package pypi

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"path"
	"strings"
	"unicode/utf16"
)

// CacheName is the name of the file in which pip's cache keeps the response to a request of rawURL:
// 56 hexadecimal digits.
func CacheName(rawURL string) string {
	sum := sha256.Sum224([]byte(CacheKey(rawURL)))
	return hex.EncodeToString(sum[:])
}

// CacheKey returns the string pip hashes for a URL it finds on an index page: the
// link as pip cleans it, then as CacheControl normalises it (controller.py,
// _urlnorm): authority in lower case, a path in any case, no credentials.
func CacheKey(rawURL string) string {
	scheme, authority, rest, ok := cleanLink(rawURL)
	if !ok {
		return rawURL
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		authority = authority[i+1:]
	}
	if rest == "" || rest[0] == '?' {
		rest = "/" + rest
	}
	return scheme + "://" + strings.ToLower(authority) + rest
}

// WheelDir is where in pip's cache the wheel of a link lies: below wheels/ by 56 hexadecimal digits,
// parted after 2, 4 and 6 of them (cache.py, _get_cache_path_parts, the same in pip 20.0 to 26.3).
// The SHA-256 is the link's, "" where the index gives it none; the interpreter is CPython of a minor
// version, "3.11". ABI and platform are not in the key: the wheel's name says them.
func WheelDir(rawURL, sha256Hex, python string) string {
	link := rawURL
	if scheme, authority, rest, ok := cleanLink(rawURL); ok {
		link = scheme + "://" + authority + rest
	}
	// Python's json.dumps with sorted keys, nothing but ASCII and no spaces.
	key := `{"interpreter_name":"cp","interpreter_version":` + asciiJSON(strings.ReplaceAll(python, ".", ""))
	if sha256Hex != "" {
		key += `,"sha256":` + asciiJSON(sha256Hex)
	}
	sum := sha256.Sum224([]byte(key + `,"url":` + asciiJSON(link) + `}`))
	h := hex.EncodeToString(sum[:])
	return path.Join("wheels", h[:2], h[2:4], h[4:6], h[6:])
}

// ArtifactDir is where in Poetry's cache the file of a link lies: below artifacts/ by 64 hexadecimal
// digits, parted after 2, 4 and 6 of them (utils/cache.py, get_cache_directory_for_link, the same in
// Poetry 1.5 to 2.5). The SHA-256 is the link's, "" where it has none.
func ArtifactDir(rawURL, sha256Hex string) string {
	key := "{"
	if sha256Hex != "" {
		key += `"sha256":` + asciiJSON(sha256Hex) + ","
	}
	sum := sha256.Sum256([]byte(key + `"url":` + asciiJSON(poetryLink(rawURL)) + "}"))
	h := hex.EncodeToString(sum[:])
	return path.Join(h[:2], h[2:4], h[4:6], h[6:])
}

// poetryLink is a URL of an index page as Poetry has it (repositories/link_sources/base.py,
// clean_link): what is odd in it is quoted, by the number of the character. It has no fragment, nor a
// question mark without a query.
func poetryLink(rawURL string) string {
	rawURL, _, _ = strings.Cut(rawURL, "#")
	rawURL = strings.TrimSuffix(rawURL, "?")
	if scheme, rest, ok := strings.Cut(rawURL, "://"); ok {
		rawURL = strings.ToLower(scheme) + "://" + rest
	}
	var b strings.Builder
	for _, c := range rawURL {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c < 0x80 && strings.ContainsRune("$&+,/:;=?@.%_\\|-", c):
			b.WriteRune(c)
		default:
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

// asciiJSON is a JSON string as Python writes it with ensure_ascii. There is no line break nor tab
// in a URL: Python's urlsplit takes them out.
func asciiJSON(s string) string {
	b := []byte{'"'}
	for _, u := range utf16.Encode([]rune(s)) {
		switch {
		case u == '"' || u == '\\':
			b = append(b, '\\', byte(u))
		case u >= ' ' && u <= '~':
			b = append(b, byte(u))
		default:
			b = fmt.Appendf(b, "\\u%04x", u)
		}
	}
	return string(append(b, '"'))
}

// cleanLink is a URL of an index page as pip's Link has it (models/link.py, _ensure_quoted_url),
// without its fragment; the rest is path and query. It is false for what is no URL.
func cleanLink(rawURL string) (scheme, authority, rest string, ok bool) {
	rawURL, _, _ = strings.Cut(rawURL, "#")
	if scheme, rest, ok = strings.Cut(rawURL, "://"); !ok {
		return "", "", "", false
	}
	authority = rest
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority = rest[:i]
	}
	rest, query, _ := strings.Cut(rest[len(authority):], "?")
	rest = cleanPath(rest)
	if query != "" {
		rest += "?" + query
	}
	return strings.ToLower(scheme), authority, rest, true
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
