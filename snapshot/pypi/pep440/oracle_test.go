package pep440

import (
	"math/big"
	"net/url"
	"os"
	"strings"
	"testing"
)

// caseLines returns the lines of a case file, comments and empty ones left out.
func caseLines(t *testing.T, file string) []string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

func decode(t *testing.T, s string) string {
	t.Helper()
	if s == "%" {
		return ""
	}
	text, err := url.PathUnescape(s)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestVersionsAgreeWithPackaging(t *testing.T) {
	var ascending []Version
	parsed, refused := 0, 0
	for _, line := range caseLines(t, "testdata/versions.txt") {
		f := strings.Split(line, " ")
		if f[0] == "<" || f[0] == "=" {
			v, err := Parse(f[1])
			if err != nil {
				t.Fatal(err)
			}
			for i, before := range ascending {
				want := -1
				if f[0] == "=" && (i == len(ascending)-1 || before.Compare(ascending[len(ascending)-1]) == 0) {
					want = 0
				}
				if got := before.Compare(v); got != want {
					t.Errorf("%s against %s: %d, want %d", before, v, got, want)
				}
				if got := v.Compare(before); got != -want {
					t.Errorf("%s against %s: %d, want %d", v, before, got, -want)
				}
				if (before.Canonical() == v.Canonical()) != (want == 0) {
					t.Errorf("canonical %s and %s: %s, %s", before, v, before.Canonical(), v.Canonical())
				}
			}
			ascending = append(ascending, v)
			continue
		}
		text := decode(t, f[0])
		v, err := Parse(text)
		if f[1] == "-" {
			refused++
			if err == nil {
				t.Errorf("%q is refused by packaging, but read as %s", text, v)
			}
			continue
		}
		parsed++
		if err != nil {
			t.Errorf("%q: %v, want %s", text, err, f[1])
			continue
		}
		flags := ""
		if v.IsPrerelease() {
			flags += "p"
		}
		if v.post != "" {
			flags += "o"
		}
		if v.IsLocal() {
			flags += "l"
		}
		if flags == "" {
			flags = "."
		}
		if v.String() != f[1] || v.Canonical() != f[2] || flags != f[3] {
			t.Errorf("%q: %s %s %s, want %s", text, v, v.Canonical(), flags, f[1:])
		}
	}
	if parsed < 300 || refused < 600 || len(ascending) < 200 {
		t.Errorf("case file too small: %d parsed, %d refused, %d in order", parsed, refused, len(ascending))
	}
}

func TestSpecifiersAgreeWithPackaging(t *testing.T) {
	var items []string
	lists, checks := 0, 0
	for _, line := range caseLines(t, "testdata/specifiers.txt") {
		f := strings.Split(line, " ")
		if f[0] == "+" {
			items = append(items, f[1])
			continue
		}
		text := decode(t, f[0])
		list, err := ParseSpecifiers(text)
		if (err == nil) != (f[1] != "-") {
			t.Errorf("%q: %v, want %s", text, err, f[1])
		}
		if err != nil || f[1] == "-" {
			continue
		}
		lists++
		with, _ := new(big.Int).SetString(f[1], 16)
		without, _ := new(big.Int).SetString(f[2], 16)
		for i, item := range items {
			checks += 2
			if got := list.ContainsText(item, true); got != (with.Bit(i) == 1) {
				t.Errorf("%q contains %s with prereleases: %v", text, item, got)
			}
			if got := list.ContainsText(item, false); got != (without.Bit(i) == 1) {
				t.Errorf("%q contains %s without prereleases: %v", text, item, got)
			}
			if v, err := Parse(item); err == nil && v.String() == item && list.Contains(v, true) != list.ContainsText(item, true) {
				t.Errorf("%q: Contains and ContainsText differ for %s", text, item)
			}
		}
	}
	if lists < 200 || checks < 20000 {
		t.Errorf("case file too small: %d lists, %d checks", lists, checks)
	}
}
