//go:build linux

package probe_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/overlay/overlaytest"
	"larder/overlay/probe"
)

// The host that runs the tests can do everything that is needed, and nothing is
// left of the probe.
func TestMountProbe(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	dir := t.TempDir()
	checks, err := probe.Host(context.Background(), filepath.Join(dir, "not", "there"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, c := range checks {
		t.Logf("%+v", c)
		names[c.Name] = true
		if c.Needed && !c.OK {
			t.Errorf("%s: %s", c.Name, c.Detail)
		}
		if !c.OK && c.Fix == "" {
			t.Errorf("%s is not ok and has no fix", c.Name)
		}
		if strings.Contains(c.Detail, ".larder-doctor-") {
			t.Errorf("%s names the scratch directory: %s", c.Name, c.Detail)
		}
		if c.Why == "" {
			t.Errorf("%s: nobody knows why it matters", c.Name)
		}
	}
	for _, want := range []string{"tree", "view", "attach", "idmap", "upper in use", "erofs from a loop device"} {
		if !names[want] {
			t.Errorf("no check %q", want)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Without a place to write the probe says so, and what to do.
func TestProbeNowhere(t *testing.T) {
	checks, err := probe.Host(context.Background(), "/proc/1/larder")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		if c.Name == "scratch directory" && !c.OK && c.Needed && c.Fix != "" {
			return
		}
	}
	t.Errorf("checks: %+v", checks)
}
