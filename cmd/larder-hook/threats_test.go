package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// THREATS.md has every case and property once, and names tests that there are.
func TestThreats(t *testing.T) {
	page, err := os.ReadFile("THREATS.md")
	must(t, err)
	tests := map[string]bool{"TestThreats": true}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	must(t, filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(text, -1) {
			tests[string(m[1])] = true
		}
		return err
	}))
	named := 0
	for _, m := range regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllSubmatch(page, -1) {
		named++
		if !tests[string(m[1])] {
			t.Errorf("there is no %s", m[1])
		}
	}
	if named < 100 {
		t.Errorf("the page names %d tests", named)
	}
	row := func(format string, n int) {
		want := regexp.MustCompile(fmt.Sprintf(`(?m)^\| `+format+` .*\|$`, n))
		if found := want.FindAll(page, -1); len(found) != 1 || !strings.Contains(string(found[0]), "`Test") && !strings.Contains(string(found[0]), "known limit") {
			t.Errorf("%d rows of "+format+", or no test: %q", len(found), n, found)
		}
	}
	for n := 1; n <= 45; n++ {
		row(`%d \|`, n)
	}
	for n := 1; n <= 24; n++ {
		row(`P%02d`, n)
	}
}
