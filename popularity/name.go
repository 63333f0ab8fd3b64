package popularity

import (
	"strings"

	"larder/snapshot/pypi/pep508"
)

// maxName bounds a project name. The longest of the 15,000 names of the public
// ranking of 2026-04 has 55 bytes; a wheel's file name, which holds name,
// version and tags, may have 255.
const maxName = 128

// Normalize returns the PEP 503 form of a project name (lower case, runs of
// "-", "_" and "." as one "-") and whether the name is one at all by the
// grammar of PEP 508. A name that is not one comes back empty: nothing that
// begins with "-", holds a "/" or a control character, or is longer than 128
// bytes ever leaves this package.
func Normalize(name string) (string, bool) {
	if len(name) > maxName || !pep508.ValidName(name) {
		return "", false
	}
	return pep508.Normalize(name), true
}

func alnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// ValidVersion tells whether s can be a version at all: the characters PEP 440
// uses and 64 bytes at most. Whether it is one is for whoever compares it.
func ValidVersion(s string) bool {
	if len(s) == 0 || len(s) > 64 || !alnum(s[0]) {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !alnum(c) && c != '.' && c != '!' && c != '+' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// pythonMinor returns "3.11" for what a source calls a Python: 3.11, 3.11.7.
// Anything else is unknown and comes back empty.
func pythonMinor(s string) string {
	major, rest, ok := strings.Cut(s, ".")
	minor, _, _ := strings.Cut(rest, ".")
	if !ok || len(s) > 16 || len(major) != 1 || len(minor) == 0 || len(minor) > 2 {
		return ""
	}
	for _, c := range []byte(major + minor) {
		if c < '0' || c > '9' {
			return ""
		}
	}
	return major + "." + minor
}
