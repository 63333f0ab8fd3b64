package ecosystem

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Store, mounts and builder know no ecosystem: not one of their words stands in the sources. What an
// ecosystem is to them is declared here; what it is, in the rooms of its name.
func TestNoEcosystemIn(t *testing.T) {
	const common = `wheels?|pip|venvs?|python\d*|pep ?\d+|pyc|site-packages|pypi|uv|poetry|npm|maven`
	for _, house := range []struct {
		dir   string
		words string
		// exceptions are parts of lines, after the file's name: why.
		exceptions map[string]string
	}{
		{"snapshot", `(?i:\b(` + common + `|pyvenv|dist-info)\b)|\bRECORD\b`, map[string]string{
			"ecosystem/ecosystem.go: // its package-url type, such as \"npm\"": "an example of a name says more than a definition",
		}},
		{"overlay", `(?i:\b(` + common + `|pip_\w+|virtual_env|virtual environments?|interpreters?|pyvenv|dist-info)\b)|\bRECORD\b`, nil},
		{"builder", `(?i)\b(` + common + `|metadata)\b`, map[string]string{
			"doc.go: builder/pypi is one; builder/toytest is the least there can be.": "where a reader goes on",
			"report.go: Wheels ":         "a field of the JSON report, which scripts read",
			"report.go: l.report.Wheels": "that field",
			"builder.go: r.Wheels":       "that field",
			"inorder.go: Wheels":         "that of the report on a budget",
			"history.go: Wheels ":        "a field of the lines of the history",
			"history.go: run.Wheels":     "that field",
			"metrics.go: gauge(":         "names and texts of metrics",
		}},
	} {
		t.Run(house.dir, func(t *testing.T) {
			words, used := regexp.MustCompile(house.words), map[string]bool{}
			for file, lines := range sources(t, house.dir) {
				for i, line := range lines {
					found := words.FindString(line)
					excused := false
					for key := range house.exceptions {
						if name, part, _ := strings.Cut(key, ": "); found != "" && name == file && strings.Contains(line, part) {
							used[key], excused = true, true
						}
					}
					if found != "" && !excused {
						t.Errorf("%s:%d says %q: %s", file, i+1, found, strings.TrimSpace(line))
					}
				}
			}
			for key := range house.exceptions {
				if !used[key] {
					t.Errorf("an exception that nothing needs: %s", key)
				}
			}
		})
	}
}

// sources are the lines of what is below a top folder, by file, but for the rooms of an ecosystem's
// name.
func sources(t *testing.T, top string) map[string][]string {
	t.Helper()
	dir := filepath.Join("../..", top)
	all := map[string][]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "pypi" || d.Name() == "npm" || d.Name() == "maven") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		all[name] = slices.Collect(strings.SplitSeq(string(source), "\n"))
		return err
	})
	if err != nil || len(all) < 10 {
		t.Fatalf("%d sources in %s, %v", len(all), top, err)
	}
	return all
}
