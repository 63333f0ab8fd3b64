//go:build linux

package keep_test

import (
	"os"
	"testing"

	"larder/overlay"
	"larder/overlay/keep"
	"larder/overlay/overlaytest"
)

// An image that was replaced, because it was damaged, is what attaches get from then
// on; what is kept of the old one is let go by the next mount.
func TestMountLetsGoOfAReplacedImage(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	d, s := fixture(t)
	must(t, d.Mount(t.Context(), s))
	openHow(t, d, s, overlay.Owner{}, keep.FromTree)

	b, err := os.ReadFile(s.Image)
	must(t, err)
	must(t, os.WriteFile(s.Image+".new", b, 0o444))
	must(t, os.Rename(s.Image+".new", s.Image))
	openHow(t, d, s, overlay.Owner{}, fromFile())
	must(t, d.Mount(t.Context(), s))
	openHow(t, d, s, overlay.Owner{}, keep.FromTree)
	must(t, d.UnmountAll(t.Context(), s.Objects))
	if m := kept(t, d); len(m) != 0 {
		t.Errorf("still mounted: %v", m)
	}
}
