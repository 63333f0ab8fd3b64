package overlaytest

import (
	"os"
	"slices"
	"strings"

	"larder/overlay"
)

// LinkFlags has the linker build a program for the construction that the test itself was built for.
func LinkFlags() string {
	if overlay.Only == "" {
		return ""
	}
	return " -X larder/overlay.Only=" + overlay.Only
}

// Has says whether this kernel has a construction, "file images", or trees for "high owners", over 65535:
// all, but for those that whoever runs the tests names in LARDER_TEST_LACKS, with commas between.
func Has(feature string) bool {
	return !slices.Contains(strings.Split(os.Getenv("LARDER_TEST_LACKS"), ","), feature)
}

// Backings are the ways in which images are mounted on this kernel.
func Backings() []overlay.Backing {
	if !Has("file images") {
		return []overlay.Backing{overlay.BackedByLoop}
	}
	return []overlay.Backing{overlay.BackedByFile, overlay.BackedByLoop}
}
