package pypi

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"larder/snapshot/pypi"
)

func TestPythonIsATarget(t *testing.T) {
	host, err := FindTargets(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	own := host[0].Tag.String()
	_, platform, _ := strings.Cut(own, "-")
	// Of this host, of no host yet, and twice the same.
	got, err := FindTargets(t.Context(), []string{host[0].Tag.Python(), "3.99", own}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var tags []string
	for _, target := range got {
		tags = append(tags, target.Tag.String())
	}
	if want := []string{own, "cp399-" + platform}; !slices.Equal(tags, want) {
		t.Errorf("targets %q, not %q", tags, want)
	}
	if got[0].Interpreter == nil || got[1].Interpreter != nil {
		t.Error("an interpreter that is not here, or none though it is")
	}
	for _, bad := range []string{"3", "3.", "3.x", "2.7", "4.1", "3.12.1", "3.999999"} {
		if _, err := FindTargets(t.Context(), []string{bad}, nil); !errors.Is(err, pypi.ErrTag) || !strings.Contains(err.Error(), "write it as 3.12") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
