package lock

import (
	"errors"
	"os"
	"strings"
	"testing"

	"larder/snapshot/pypi/pep440"
)

// testdata/poetry-constraints/constraints.txt was made with poetry-core by the program in
// testdata/poetry-constraints/generate.txt.
func TestConstraintsAgreeWithPoetry(t *testing.T) {
	data, err := os.ReadFile("testdata/poetry-constraints/constraints.txt")
	if err != nil {
		t.Fatal(err)
	}
	var versions []string
	n := 0
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		if list, ok := strings.CutPrefix(line, "# versions: "); ok {
			versions = strings.Fields(list)
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		text, want, _ := strings.Cut(line, "\t")
		c, err := parseConstraint(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		for i, version := range versions {
			v, err := pep440.Parse(version)
			if err != nil {
				t.Fatal(err)
			}
			n++
			if got := c.contains(v); got != (want[i] == '1') {
				t.Errorf("%q allows %s: %v", text, version, got)
			}
		}
	}
	if n < 1000 {
		t.Errorf("case file too small: %d", n)
	}
}

func TestBadConstraints(t *testing.T) {
	for _, text := range []string{"^", "~", "^x", "what", ">=", "1.2.*.*", ">=1||what"} {
		if _, err := parseConstraint(text); !errors.Is(err, errConstraint) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzConstraint(f *testing.F) {
	f.Add("^1.2 || >=3,<4")
	f.Add("~0.1, !=0.1.5")
	f.Add(" >= 1.0 , < 2 ")
	v, err := pep440.Parse("1.2.3")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		if c, err := parseConstraint(text); err == nil {
			c.contains(v)
		}
	})
}
