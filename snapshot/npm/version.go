package npm

import (
	"cmp"
	"strings"
)

// IsRelease says that a version is no pre-release.
func IsRelease(version string) bool {
	_, pre := splitVersion(version)
	return pre == ""
}

// CompareVersions orders versions that CheckVersion takes as semver does: by their numbers, pre-releases
// before the release. A build counts for nothing.
func CompareVersions(a, b string) int {
	numbersA, preA := splitVersion(a)
	numbersB, preB := splitVersion(b)
	if by := comparePoints(numbersA, numbersB); by != 0 {
		return by
	}
	switch {
	case preA == preB:
		return 0
	case preA == "":
		return 1
	case preB == "":
		return -1
	}
	return comparePoints(preA, preB)
}

func splitVersion(version string) (numbers, pre string) {
	version, _, _ = strings.Cut(version, "+")
	numbers, pre, _ = strings.Cut(version, "-")
	return numbers, pre
}

// comparePoints compares what points divide, numbers before words. Of two that begin alike, the longer is
// the greater.
func comparePoints(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		x, y := as[i], bs[i]
		xn, yn := isNumber(x), isNumber(y)
		by := 0
		switch {
		case xn && yn:
			x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			by = cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y))
		case xn:
			by = -1
		case yn:
			by = 1
		default:
			by = strings.Compare(x, y)
		}
		if by != 0 {
			return by
		}
	}
	return cmp.Compare(len(as), len(bs))
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
