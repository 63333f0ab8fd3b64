package overlaytest

import "larder/overlay"

// LinkFlags has the linker build a program for the construction that the test itself was built for.
func LinkFlags() string {
	if overlay.Only == "" {
		return ""
	}
	return " -X larder/overlay.Only=" + overlay.Only
}
