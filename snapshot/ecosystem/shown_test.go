package ecosystem

import (
	"strings"
	"testing"

	"larder/snapshot"
)

// The first ecosystem's projects are named as ever, others' by package url, and what is denied of one
// is not denied of another.
func TestShown(t *testing.T) {
	had := registered
	defer func() { registered = had }()
	registered = []Ecosystem{{Name: "first"}, {Name: "second", Normalize: strings.ToLower, Package: strings.ToUpper}}
	for _, tc := range []struct{ ecosystem, version, want string }{
		{"first", "1.0", "name 1.0"}, {"first", "", "name"}, {"", "1.0", "name 1.0"},
		{"second", "1.0", "pkg:second/NAME@1.0"}, {"second", "", "pkg:second/NAME"}, {"unknown", "1.0", "pkg:unknown/name@1.0"},
	} {
		if got := Shown(tc.ecosystem, "name", " ", tc.version); got != tc.want {
			t.Errorf("%+v: %s", tc, got)
		}
	}
	d, err := snapshot.ParseDenial("pkg:second/NAME@1.0")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		ecosystem, version string
		denied             bool
	}{{"second", "1.0", true}, {"second", "2.0", false}, {"first", "1.0", false}} {
		if got := Denied([]snapshot.Denial{d}, tc.ecosystem, "name", tc.version); (got != nil) != tc.denied {
			t.Errorf("%+v: %v", tc, got)
		}
	}
}
