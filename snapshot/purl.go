package snapshot

import (
	"fmt"
	"net/url"
	"strings"
)

// PackageURL names a package of any ecosystem, pkg:ECOSYSTEM/NAME@VERSION; without a version it is every
// one. The package is spelt as its people do, not as paths of a snapshot are.
func PackageURL(ecosystem, pkg, version string) string {
	text := "pkg:" + ecosystem + "/" + escapePURL(pkg, "/")
	if version != "" {
		text += "@" + escapePURL(version, "")
	}
	return text
}

// IsPackageURL says whether a text is meant as one: no name of a package has a colon.
func IsPackageURL(text string) bool { return strings.HasPrefix(text, "pkg:") }

// ParsePackageURL reads what PackageURL writes, and a scope that is not escaped.
func ParsePackageURL(text string) (ecosystem, pkg, version string, err error) {
	bad := fmt.Errorf("%q is no package url: write it as pkg:ECOSYSTEM/NAME or pkg:ECOSYSTEM/NAME@VERSION", clip(text))
	rest, ok := strings.CutPrefix(text, "pkg:")
	ecosystem, rest, cut := strings.Cut(rest, "/")
	if !ok || !cut || !isPlainName(ecosystem) || strings.ContainsAny(rest, "?#") {
		return "", "", "", bad
	}
	pkg = rest
	if at := strings.LastIndexByte(rest, '@'); at > strings.LastIndexByte(rest, '/')+1 {
		pkg = rest[:at]
		if version, err = url.PathUnescape(rest[at+1:]); err != nil || version == "" {
			return "", "", "", bad
		}
	}
	if pkg, err = url.PathUnescape(pkg); err != nil || pkg == "" {
		return "", "", "", bad
	}
	return strings.ToLower(ecosystem), pkg, version, nil
}

// escapePURL leaves what the specification of package urls leaves, and what keep has.
func escapePURL(s, keep string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~:"+keep, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
