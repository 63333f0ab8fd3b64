package builder

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The build knows no ecosystem: not one of their words stands in its sources.
func TestNoEcosystemInTheBuilder(t *testing.T) {
	words := regexp.MustCompile(`(?i)\b(wheels?|pip|venvs?|python\d*|pep ?\d+|pyc|site-packages|metadata|pypi|uv|poetry|npm|maven)\b`)
	exceptions := map[string]string{ // file and a part of the line: why
		"doc.go: builder/pypi is one; builder/toytest is the least there can be.": "where a reader goes on",
		"report.go: Wheels ":         "a field of the JSON report, which scripts read",
		"report.go: l.report.Wheels": "that field",
		"builder.go: r.Wheels":       "that field",
		"history.go: Wheels ":        "a field of the lines of the history",
		"history.go: run.Wheels":     "that field",
		"metrics.go: gauge(":         "names and texts of metrics",
	}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no sources", err)
	}
	used := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(source), "\n") {
			if !words.MatchString(line) {
				continue
			}
			excused := false
			for key := range exceptions {
				if name, part, _ := strings.Cut(key, ": "); name == file && strings.Contains(line, part) {
					used[key], excused = true, true
				}
			}
			if excused {
				continue
			}
			t.Errorf("%s:%d: %s", file, i+1, strings.TrimSpace(line))
		}
	}
	for key := range exceptions {
		if !used[key] {
			t.Errorf("an exception that nothing needs: %s", key)
		}
	}
}
