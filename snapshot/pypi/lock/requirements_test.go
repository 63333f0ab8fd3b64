package lock

import (
	"slices"
	"testing"
)

// A version is looked up as the lock spells it, then as a build does; what has no wheel is not.
func TestRequirements(t *testing.T) {
	l := &Lock{Pins: []Pin{
		{Name: "a", Version: "1.0.0"}, {Name: "b", Version: "2"}, {Name: "c", Version: "1", SdistOnly: true},
		{Name: "d", Version: "1", Hashes: []string{"ab"}, File: "f", Line: 3},
	}, LeftOut: []string{"own"}}
	r := l.Requirements()
	if r.Digest != l.Digest() || !slices.Equal(r.LeftOut, l.LeftOut) || len(r.Pins) != 4 {
		t.Fatalf("%+v", r)
	}
	for i, want := range [][]string{{"1.0.0", "1"}, {"2"}, nil, {"1"}} {
		if !slices.Equal(r.Pins[i].Spellings, want) {
			t.Errorf("%s: %v, want %v", r.Pins[i].Name, r.Pins[i].Spellings, want)
		}
	}
	if d := r.Pins[3]; !slices.Equal(d.Digests, []string{"ab"}) || d.File != "f" || d.Line != 3 || d.Version != "1" {
		t.Errorf("%+v", d)
	}
}
