package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/overlay/overlaytest"
)

// A container's words make no line of their own in the log, move no cursor, and hold no secret of an address.
func TestMountHookHostileAnnotation(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	store := filepath.Join(t.TempDir(), "store")
	publish(t, store, nil)
	f := start(t, store, "c1", 0)
	s := specOf("rootfs", "HOME=/home/a")
	s.Annotations = map[string]string{lockAnnotation: "/lock", venvAnnotation: "/a\n<0>larder-hook: forged\x1b[31m\u202e https://u:s3cret@h/lock?sig=s3cret"}
	f.spec(s)
	log, config := filepath.Join(t.TempDir(), "log"), filepath.Join(t.TempDir(), "config.toml")
	must(t, os.WriteFile(config, []byte("[profile.default]\nallow_container_lock = true\n"), 0o600))
	status, stderr := f.attach("--log", log, "--config", config)
	got, err := os.ReadFile(log)
	must(t, err)
	for name, text := range map[string]string{"log": string(got), "stderr": stderr} {
		if status != 0 || strings.Count(text, "\n") != 1 || strings.ContainsAny(text, "\x1b\u202e") || strings.Contains(text, "s3cret") ||
			!strings.Contains(text, "forged") || !strings.Contains(text, "left out: environment") || !strings.Contains(text, " ms.attach=") {
			t.Errorf("exit %d, %s: %q", status, name, text)
		}
	}
	f = start(t, store, "c2", 0)
	if status, stderr := f.attach("--log", filepath.Join(t.TempDir(), "none/log")); status != 0 || !strings.HasPrefix(stderr, "larder-hook: open log ") {
		t.Errorf("a log that cannot be opened: exit %d, %q", status, stderr)
	}
}
