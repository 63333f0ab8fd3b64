package pypi

import (
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for in, want := range map[string]string{
		"Flask": "flask", "ruamel.yaml": "ruamel-yaml", "a__b..c--d": "a-b-c-d", "a._-b": "a-b", "A": "a", "3to2": "3to2",
		"": "", "-a": "", "a-": "", ".a": "", "a b": "", "a/b": "", "é": "", "a\n": "", strings.Repeat("a", 129): "", strings.Repeat("a", 128): strings.Repeat("a", 128),
	} {
		if got, ok := (Names{}).Project(in); got != want || ok != (want != "") {
			t.Errorf("Project(%q) = %q, %v", in, got, ok)
		}
	}
}
