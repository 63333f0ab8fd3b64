package source_test

import (
	"cmp"
	"os"
	"strings"
	"testing"
	"time"

	"larder/builder/pypi/pypitest"
	"larder/builder/pypi/source"
	"larder/snapshot"
)

// Real sources with machine code are built, and made again by another Builder from nothing but their
// recipe. To build others by hand, name them in LARDER_TEST_NATIVE, a root with what they need in
// LARDER_TEST_ROOT, and their libraries in LARDER_TEST_LIBRARIES.
func TestE2ENative(t *testing.T) {
	if os.Getenv("LARDER_E2E") != "1" {
		t.Skip("needs the package index: set LARDER_E2E=1")
	}
	real := newIndexed(t)
	root := os.Getenv("LARDER_TEST_ROOT")
	if root == "" {
		root = pypitest.BuildRoot(t)
	}
	python := cmp.Or(os.Getenv("LARDER_TEST_PYTHON"), "python3")
	native := func(c *source.Config) {
		c.Fetch, c.System, c.Libraries = real.fetch, source.NewSystem(root), strings.Fields(os.Getenv("LARDER_TEST_LIBRARIES"))
	}
	first := open(t, python, native)
	second := open(t, python, func(c *source.Config) { native(c); c.Fetch = real.fetchKnown })
	for _, release := range strings.Fields(cmp.Or(os.Getenv("LARDER_TEST_NATIVE"), "markupsafe==3.0.4")) {
		t.Run(release, func(t *testing.T) {
			s := real.source(t, release)
			s.Native = true
			started := time.Now()
			w, attempts, err := first.Build(t.Context(), s)
			for _, a := range attempts {
				t.Logf("tried: %v %s", a.Recipe.Requires, a.Failure)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			made := time.Since(started)
			if w.Kind != snapshot.Native || !strings.Contains(w.Filename, "-manylinux_2_") {
				t.Errorf("%s is %s", w.Filename, w.Kind)
			}
			recipe, err := source.ParseRecipe(w.Recipe.Encode())
			if err != nil {
				t.Fatal(err)
			}
			started = time.Now()
			again, err := second.Make(t.Context(), s, recipe)
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			if again.Digest != w.Digest {
				t.Errorf("%s, then %s", w.Digest, again.Digest)
			}
			t.Logf("table: %s | %s | %s | %.1f | %.1f", release, w.Filename, w.Digest.Short(), made.Seconds(), time.Since(started).Seconds())
		})
	}
}
