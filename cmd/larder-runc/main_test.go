package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBundleOf(t *testing.T) {
	for _, tc := range []struct {
		args, bundle string
		creates      bool
	}{
		{"--root /r --log /l --log-format json create --bundle /b --pid-file /p id", "/b", true},
		{"--root=/r --systemd-cgroup create -b /b id", "/b", true},
		{"run --bundle=/b --no-pivot id", "/b", true},
		{"create id", ".", true},
		{"--root create state id", "", false},
		{"delete --force create", "", false},
		{"--version", ".", false},
		{"", ".", false},
		{"run --bundle", "", true},
	} {
		bundle, creates := bundleOf(strings.Fields(tc.args))
		if bundle != tc.bundle || creates != tc.creates {
			t.Errorf("%q: %q, %v", tc.args, bundle, creates)
		}
	}
}

// What is not a container's bundle is left as it is.
func TestPrepare(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "config.json")
	args := []string{"create", "--bundle", dir, "c"}
	if err := prepare(args); err == nil || !strings.Contains(err.Error(), "no larder-hook beside") {
		t.Error(err)
	}
	hook := filepath.Join(filepath.Dir(exe), "larder-hook")
	if err := os.WriteFile(hook, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"{": "unexpected end", "{}": "no ociVersion"} {
		if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := prepare(args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
		if got, err := os.ReadFile(config); err != nil || string(got) != text {
			t.Errorf("%s became %s, %v", text, got, err)
		}
	}
	if err := os.WriteFile(config, []byte(`{"ociVersion":"1.0.2"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := prepare(args); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(config); err != nil || strings.Count(string(got), hook) != 2 {
		t.Errorf("%s, %v", got, err)
	}
	if err := prepare([]string{"state", "c"}); err != nil {
		t.Error(err)
	}
}
