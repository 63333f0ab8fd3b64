package misses

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"larder/popularity/pypi"
	"larder/snapshot/ecosystem"
)

func TestMain(m *testing.M) {
	ecosystem.Register(ecosystem.Ecosystem{Name: "pypi", Leftovers: pypi.Leftovers{}})
	os.Exit(m.Run())
}

func write(t *testing.T, root, path string, data []byte) {
	t.Helper()
	path = filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestScanLimits(t *testing.T) {
	dir := t.TempDir()
	for i := range 300 {
		write(t, dir, fmt.Sprintf("wheels/p%d-1.0-py3-none-any.whl", i), nil)
	}
	for i := range 40 {
		write(t, dir, fmt.Sprintf("http/a/%056x", i), []byte("cc=4,\x81\xa8response\x80"))
	}
	for want, limits := range map[string]Limits{
		"more than 100 entries":       {Entries: 100},
		"more than 50 names":          {Names: 50},
		"more than 100 bytes to read": {Bytes: 100},
		"it took more than 1ns":       {Time: time.Nanosecond},
	} {
		found, err := Scan(t.Context(), dir, limits)
		if err != nil {
			t.Fatal(err)
		}
		if found.Stopped != want {
			t.Errorf("%+v: stopped %q, want %q", limits, found.Stopped, want)
		}
		if limits.Names > 0 && len(found.Misses) > limits.Names || limits.Entries > 0 && found.Entries > limits.Entries+1 {
			t.Errorf("%+v: %d misses in %d entries", limits, len(found.Misses), found.Entries)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Scan(ctx, dir, Limits{}); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}
