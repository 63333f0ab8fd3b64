package snapshot

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The store knows no ecosystem: not one of their words stands in its sources. What an ecosystem
// is to it is declared in snapshot/ecosystem; what it is, in the room of its name.
func TestNoEcosystemInTheStore(t *testing.T) {
	words := regexp.MustCompile(`(?i)\b(wheels?|pip|venvs?|python\d*|pep ?\d+|pyc|pyvenv|dist-info|site-packages|pypi|uv|poetry|npm|maven)\b|\bRECORD\b`)
	exceptions := map[string]string{ // file and the line's text: why
		"ecosystem/ecosystem.go: Name     string   // its package-url type, such as \"npm\"": "an example of a name says more than a definition",
	}
	for _, room := range []string{".", "image", "check", "gc", "trash", "ecosystem"} {
		files, err := filepath.Glob(filepath.Join(room, "*.go"))
		must(t, err)
		if len(files) == 0 {
			t.Errorf("no sources in %s", room)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			source, err := os.ReadFile(file)
			must(t, err)
			for i, line := range strings.Split(string(source), "\n") {
				found := words.FindString(line)
				if found == "" {
					continue
				}
				key := file + ": " + strings.TrimSpace(line)
				if _, excused := exceptions[key]; excused {
					delete(exceptions, key)
					continue
				}
				t.Errorf("%s:%d says %q: %s", file, i+1, found, strings.TrimSpace(line))
			}
		}
	}
	for key := range exceptions {
		t.Errorf("an exception that nothing needs: %s", key)
	}
}
