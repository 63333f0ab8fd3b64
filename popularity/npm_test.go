package popularity

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"larder/snapshot/npm"
)

// The shapes are those that npm's counts are published in; the numbers are ours.
func TestParseNPM(t *testing.T) {
	for name, in := range map[string]string{
		"counts by name":         `{"@types/node":200,"react":300,"JSONStream":100}`,
		"counts on lines":        "{\n  \"@types/node\": 200,\n  \"JSONStream\": 100,\n  \"react\": 300\n}\n",
		"answers by name":        `{"react":{"downloads":300,"package":"react","start":"2026-01-01","end":"2026-01-31"},"@types/node":{"downloads":200,"package":"@types/node"},"JSONStream":{"downloads":100}}`,
		"an answer a line":       `{"downloads":100,"start":"2026-01-01","end":"2026-01-31","package":"JSONStream"}` + "\n" + `{"downloads":300,"package":"react"}` + "\n" + `{"downloads":200,"package":"@types/node"}`,
		"rows in an array":       `[{"name":"JSONStream","downloads":100},{"name":"react","downloads":300},{"name":"@types/node","downloads":200}]`,
		"csv":                    "package,downloads\nreact,300\n@types/node,200\nJSONStream,100\n",
		"csv without header":     "react,300\n@types/node,200\nJSONStream,100\n",
		"package urls":           "pkg:npm/react,300\npkg:npm/%40types/node,200\npkg:npm/JSONStream,100\n",
		"names in an array":      `["react","@types/node","JSONStream"]`,
		"names, one a line":      "# best first\nreact\n@types/node\nJSONStream\n",
		"a snapshot's spellings": "react\n@types+node\nJSONStream\n",
	} {
		r, warnings, err := Parse(npm.Ecosystem, "x", strings.NewReader(in))
		if got := names(r); err != nil || len(warnings) > 0 || !slices.Equal(got, []string{"react", "@types+node", "JSONStream"}) {
			t.Errorf("%s: %q, %v, %v", name, got, warnings, err)
		}
		if counted := !strings.HasPrefix(name, "names") && !strings.HasPrefix(name, "a snap"); err == nil && (r.Entries[0].Count == 300) != counted {
			t.Errorf("%s: %+v", name, r.Entries[0])
		}
	}
	// Counts of versions, of one package on several lines, or of one a line.
	for _, in := range []string{
		"{\"package\": \"@a/b\",\n \"downloads\": {\"1.0.0\": 5, \"2.0.0-rc.1\": 7}}",
		`{"package":"@a/b","downloads":{"1.0.0":5,"2.0.0-rc.1":7}}` + "\n",
		"pkg:npm/@a/b@1.0.0,5\npkg:npm/@a/b@2.0.0-rc.1,7\n",
	} {
		r, warnings, err := Parse(npm.Ecosystem, "x", strings.NewReader(in))
		if got := fmt.Sprint(r.Entries); err != nil || len(warnings) > 0 || got != "[{@a+b 1 12 [{2.0.0-rc.1  7 } {1.0.0  5 }] [] 0 [] false []}]" {
			t.Errorf("%s: %s, %v, %v", in, got, warnings, err)
		}
	}
	hostile := []string{"../../etc", ".bin", "_x", "a/b", "@a", "@a/..", "a b", "a\\u0000b", "-e", "node_modules", "é", "pkg:pypi/flask", "pkg:npm/", strings.Repeat("a", 300)}
	in := `{"good":5,"good-2":{"downloads":-1},"good-3":{"downloads":1e99}`
	for _, h := range append(hostile, "fine-1", "fine-2", "fine-3", "fine-4", "fine-5", "fine-6", "fine-7", "fine-8", "fine-9", "fine-10", "fine-11", "fine-12", "fine-13", "fine-14", "fine-15", "fine-16") {
		in += `,"` + h + `":1`
	}
	r, warnings, err := Parse(npm.Ecosystem, "x", strings.NewReader(in+"}"))
	if err != nil || len(r.Entries) != 17 || len(warnings) != 1 || !strings.Contains(warnings[0].Text, fmt.Sprintf("left out %d of 33 rows", len(hostile)+2)) {
		t.Errorf("%d entries, %v, %v", len(r.Entries), warnings, err)
	}
	if _, _, err := Parse(npm.Ecosystem, "x", strings.NewReader(`{"../a":1,"b":1,"../c":1}`)); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
}

// An operator's rules are in npm's words, and package urls.
func TestRulesOfNPM(t *testing.T) {
	rules := Rules{Of: npm.Ecosystem, Include: []string{"@types/node", "pkg:npm/react"}, Exclude: []string{"@types/*", "left"}, Pin: []string{"@a/b@1.0.0", "c==2.0.0", "pkg:npm/%40a/b@1.1.0"}}
	r, err := Blend([]Part{{"public", 1, ranking("public", "left", "@types+react", "other", "react", "JSONStream")}}, rules)
	if got := strings.Join(names(r), " "); err != nil || got != "@types+node react @a+b c other JSONStream" {
		t.Errorf("%q, %v", got, err)
	}
	if got := rules.Pins("@a+b"); !slices.Equal(got, []string{"1.0.0", "1.1.0"}) {
		t.Errorf("pins %q", got)
	}
	for list, bad := range map[string]Rules{
		"include": {Include: []string{"@types"}}, "exclude": {Exclude: []string{"pkg:pypi/flask"}},
		"pin": {Pin: []string{"react"}}, "pin ": {Pin: []string{"pkg:npm/react"}}, "pin  ": {Pin: []string{"react@^18"}},
	} {
		bad.Of = npm.Ecosystem
		if got, _, err := bad.Check(); !errors.Is(err, ErrConfig) || got != strings.TrimSpace(list) {
			t.Errorf("%+v: %s, %v", bad, got, err)
		}
	}
	if _, _, err := (Rules{Of: npm.Ecosystem, Pin: []string{"react=18.3.1"}}).Check(); err == nil || !strings.Contains(err.Error(), "did you mean react==18.3.1?") {
		t.Error(err)
	}
}
