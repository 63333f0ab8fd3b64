package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// make docs writes pages that man prints without a warning, and that have every command, flag
// and key; and the same bytes each time.
func TestScriptDocs(t *testing.T) {
	write := func() string {
		dir := t.TempDir()
		cmd := exec.Command("make", "-s", "-C", "../..", "docs", "DOCS="+dir, "VERSION=1.2.3")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("make docs: %v\n%s", err, out)
		}
		return dir
	}
	dir, again := write(), write()
	for _, page := range []struct {
		file string
		has  []string
	}{
		{"man/man1/larder.1", []string{"larder build", "--dry-run", "setup timer", "EXIT STATUS", "pip-old", "larder 1.2.3"}},
		{"man/man5/larder.toml.5", []string{"older_than", "[profile.default]"}},
		{"man/man8/larder-nri.8", []string{"StartContainer", "--required", "PROMISES"}},
		{"man/man8/larder-hook.8", []string{"createRuntime", "--required", "PROMISES"}},
	} {
		path := filepath.Join(dir, page.file)
		first, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if second, err := os.ReadFile(filepath.Join(again, page.file)); err != nil || string(second) != string(first) {
			t.Errorf("%s: written twice, it differs: %v", page.file, err)
		}
		cmd := exec.Command("man", "--warnings", "--local-file", path)
		cmd.Env = append(os.Environ(), "MANWIDTH=100", "LC_ALL=C.UTF-8", "MAN_KEEP_FORMATTING=", "GROFF_NO_SGR=1")
		var errs strings.Builder
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil || errs.Len() > 0 {
			t.Errorf("man %s: %v\n%s", page.file, err, errs.String())
		}
		for _, want := range page.has {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s lacks %q", page.file, want)
			}
		}
	}
	for _, script := range []string{"bash/larder", "zsh/_larder", "fish/larder.fish"} {
		if text, err := os.ReadFile(filepath.Join(dir, "completions", script)); err != nil || !strings.Contains(string(text), "__complete") {
			t.Errorf("%s: %v", script, err)
		}
	}
}
