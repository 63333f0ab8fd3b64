package popularity

import "strings"

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
