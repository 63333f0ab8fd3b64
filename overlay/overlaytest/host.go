package overlaytest

import (
	"os"

	"larder/overlay"
)

// LinkFlags has the linker build a program for the construction that the test itself was built for.
func LinkFlags() string {
	if overlay.Only == "" {
		return ""
	}
	return " -X larder/overlay.Only=" + overlay.Only
}

// Backings are the ways in which images are mounted on this kernel: one before 6.12 cannot read a
// file without a device, which whoever runs the tests there says.
func Backings() []overlay.Backing {
	if os.Getenv("LARDER_TEST_LACKS") == "file images" {
		return []overlay.Backing{overlay.BackedByLoop}
	}
	return []overlay.Backing{overlay.BackedByFile, overlay.BackedByLoop}
}
