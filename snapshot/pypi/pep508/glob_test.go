package pep508

import "testing"

func TestGlob(t *testing.T) {
	for _, tc := range []struct {
		glob, name string
		want       bool
	}{
		{"torch*", "torch", true}, {"torch*", "torch-audio", true}, {"Torch_*", "torch-audio", true}, {"torch*", "pytorch", false},
		{"acme-?", "acme-1", true}, {"acme-?", "acme-12", false}, {"*", "anything", true}, {"*.Plugin", "a-plugin", true}, {"six", "six", true}, {"six", "sixx", false},
	} {
		glob, ok := NormalizeGlob(tc.glob)
		if !ok || MatchGlob(glob, tc.name) != tc.want {
			t.Errorf("%s (%s, %v) and %s", tc.glob, glob, ok, tc.name)
		}
	}
	for _, bad := range []string{"", "-x*", "a b*", "../*", "torch[0-9]", "to\\*", "é*", "torch-", "a/*", "--deny"} {
		if _, ok := NormalizeGlob(bad); ok {
			t.Errorf("%q is a glob", bad)
		}
	}
}
