//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/overlay/overlaytest"
	"larder/snapshot"
)

// A container gets of what was built from sources what its profile trusts: in its environment, and in its
// caches. By default that is what has no machine code.
func TestMountHookBuilt(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	dir := t.TempDir()
	store, cfg, lock := filepath.Join(dir, "store"), filepath.Join(dir, "config.toml"), filepath.Join(dir, "app.lock")
	source := snapshot.Sum([]byte("source")).String()
	must(t, os.WriteFile(lock, fmt.Appendf(nil, "made==1.0 --hash=sha256:%s\n", source), 0o600))
	publish(t, store, map[string]string{
		"l/00000000000a/lib/python3.11/site-packages/made.py":                 "made = 1\n",
		snapshot.PureBuilt.ByHash(target, source) + " -> " + "l/00000000000a": "",
		"views/pip-built/wheels/p":                                            "pure", "views/pip-built-native/wheels/n": "native",
	})
	for _, tc := range []struct {
		built, caches string
		made          bool
	}{{"", "b p", true}, {"no", "b", false}, {"pure", "b p", true}, {"all", "b n p", true}} {
		text := fmt.Sprintf("[profile.default]\nlock = %q\nvenv = \"/opt/venv\"\n", lock)
		if tc.built != "" {
			text += fmt.Sprintf("built = %q\n", tc.built)
		}
		must(t, os.WriteFile(cfg, []byte(text), 0o600))
		f := start(t, store, "c"+tc.built, 0)
		venv := filepath.Join(f.rootfs, "opt/venv")
		must(t, os.MkdirAll(venv, 0o755))
		must(t, os.WriteFile(filepath.Join(venv, "pyvenv.cfg"), []byte("version = 3.11.2\n"), 0o644))
		status, said := f.attach("--config", cfg)
		if hint := strings.Contains(said, `with built = "pure" in the profile`); status != 0 || hint == tc.made {
			t.Errorf("%q: status %d, said %q", tc.built, status, said)
		}
		if got := strings.Join(strings.Fields(f.sh("ls $R/home/a/.cache/pip/wheels")), " "); got != tc.caches {
			t.Errorf("%q: its cache has %q, want %q", tc.built, got, tc.caches)
		}
		if got := f.sh("ls $R/opt/venv"); strings.Contains(got, "lib") != tc.made {
			t.Errorf("%q: its environment has %q", tc.built, got)
		}
		f.stop()
		f.release()
	}
}
