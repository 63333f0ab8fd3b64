package overlay

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The mounts know no ecosystem: not one of their words stands in the sources of package overlay and
// of what is below it, but for the rooms that carry an ecosystem's name.
func TestNoEcosystemInTheMounts(t *testing.T) {
	words := regexp.MustCompile(`(?i:\b(wheels?|pip|pip_\w+|venvs?|virtual_env|virtual environments?|python\d*|interpreters?|pep ?\d+|pyc|pyvenv|dist-info|site-packages|pypi|uv|poetry|npm|maven)\b)|\bRECORD\b`)
	exceptions := map[string]string{} // file and the line's text: why
	sources := 0
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && file == "pypi" {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		sources++
		source, err := os.ReadFile(file)
		if err != nil {
			return err
		}
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
		return nil
	})
	if err != nil || sources < 30 {
		t.Errorf("%d sources, %v", sources, err)
	}
	for key := range exceptions {
		t.Errorf("an exception that nothing needs: %s", key)
	}
}
