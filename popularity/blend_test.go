package popularity

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"larder/snapshot/pypi"
)

func ranking(source string, names ...string) Ranking {
	r := Ranking{Origins: []Origin{{Source: source}}}
	for i, n := range names {
		r.Entries = append(r.Entries, Entry{Project: n, Rank: i + 1, Count: int64(1000 - i)})
	}
	return r
}

func TestBlend(t *testing.T) {
	public, misses := ranking("public", "boto3", "six", "flask", "numpy"), ranking("misses", "own", "flask")
	for _, tc := range []struct {
		name           string
		public, missed float64
		allow, deny    []string
		want           string
	}{
		{"even", 1, 1, nil, nil, "flask boto3 own six numpy"},
		{"public only", 1, 0, nil, nil, "boto3 six flask numpy"},
		{"misses count double", 1, 2, nil, nil, "flask own boto3 six numpy"},
		{"allowed first", 1, 1, []string{"New_Thing", "numpy", "new.thing"}, nil, "new-thing numpy flask boto3 own six"},
		{"excluded out", 1, 1, []string{"numpy"}, []string{"Boto3", "absent"}, "numpy flask own six"},
		{"globs out", 1, 1, nil, []string{"B?to3", "*y"}, "flask own six"},
		{"a name wins over a glob", 1, 1, []string{"numpy", "new"}, []string{"*"}, "numpy new"},
		{"what a glob includes is what is ranked", 1, 1, []string{"n*", "six", "absent-*"}, nil, "numpy six flask boto3 own"},
	} {
		got, err := Blend([]Part{{"public", tc.public, public}, {"misses", tc.missed, misses}}, Rules{Of: pypi.Ecosystem, Include: tc.allow, Exclude: tc.deny})
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if s := strings.Join(names(got), " "); s != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, s, tc.want)
		}
		for i, e := range got.Entries {
			if e.Rank != i+1 {
				t.Errorf("%s: entry %d has rank %d", tc.name, i, e.Rank)
			}
		}
	}
	got, _ := Blend([]Part{{"public", 1, public}, {"misses", 1, misses}}, Rules{Of: pypi.Ecosystem})
	if e := got.Entries[0]; fmt.Sprint(e.Places) != "[{public 3} {misses 2}]" || e.Score != Worth(3)+Worth(2) {
		t.Errorf("flask: %+v", e)
	}
}

func TestBlendVersions(t *testing.T) {
	a, b := ranking("a", "flask"), ranking("b", "flask")
	a.Entries[0].Versions = []Version{{"3.0.0", "3.11", 900_000, ""}, {"2.0.0", "3.11", 100_000, ""}}
	b.Entries[0].Versions = []Version{{"1.0.0", "", 3, ""}}
	got, err := Blend([]Part{{"a", 1, a}, {"b", 1, b}}, Rules{Of: pypi.Ecosystem})
	if err != nil {
		t.Fatal(err)
	}
	// Each source's versions share out what its place is worth.
	place := int64(unit / 61)
	for i, want := range []Version{{"1.0.0", "", place, ""}, {"3.0.0", "3.11", place * 9 / 10, ""}, {"2.0.0", "3.11", place / 10, ""}} {
		if v := got.Entries[0].Versions[i]; v.Version != want.Version || v.Python != want.Python || v.Count-want.Count > 1 || want.Count-v.Count > 1 {
			t.Errorf("version %d: %+v, want %+v", i, v, want)
		}
	}
}

func TestBlendRefuses(t *testing.T) {
	r := ranking("r", "flask")
	for _, tc := range []struct {
		parts       []Part
		allow, deny []string
		kind        error
		want        string
	}{
		{[]Part{{"r", -1, r}}, nil, nil, ErrConfig, "weight -1 of r"},
		{[]Part{{"r", math.NaN(), r}}, nil, nil, ErrConfig, "weight NaN"},
		{[]Part{{"r", math.Inf(1), r}}, nil, nil, ErrConfig, "weight +Inf"},
		{[]Part{{"r", 0, r}, {"s", 0, r}}, nil, nil, ErrConfig, "all weights are 0"},
		{[]Part{{"r", 1, r}}, []string{"../../etc"}, nil, ErrConfig, `include: "../../etc" is not`},
		{[]Part{{"r", 1, r}}, nil, []string{"--deny"}, ErrConfig, `exclude: "--deny" is not`},
		{[]Part{{"r", 1, r}}, nil, []string{"flask"}, ErrRefused, "excluded leaves nothing"},
	} {
		if _, err := Blend(tc.parts, Rules{Of: pypi.Ecosystem, Include: tc.allow, Exclude: tc.deny}); !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("got %v, want %q", err, tc.want)
		}
	}
}

// A tenant with a thousand names of its own making, each counted once, moves
// nothing that anybody notices; what ten containers missed comes to the front.
func TestBlendIsNotSteered(t *testing.T) {
	public := Ranking{}
	for i := range 1000 {
		public.Entries = append(public.Entries, Entry{Project: fmt.Sprint("public-", i), Rank: i + 1, Count: int64(1_000_000 - i)})
	}
	missed := Ranking{Entries: []Entry{{Project: "wanted", Rank: 1, Count: 12}}}
	for i := range 1000 {
		missed.Entries = append(missed.Entries, Entry{Project: fmt.Sprint("aaa-", i), Rank: i + 2, Count: 1})
	}
	got, err := Blend([]Part{{"public", 1, public}, {"misses", 1, missed}}, Rules{Of: pypi.Ecosystem})
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range got.Entries[:1001] {
		if strings.HasPrefix(e.Project, "aaa-") {
			t.Fatalf("%s is at %d", e.Project, i+1)
		}
	}
	if got.Entries[0].Project != "public-0" && got.Entries[0].Project != "wanted" || got.Entries[1].Project != "public-0" && got.Entries[1].Project != "wanted" {
		t.Errorf("first %q", names(got.Top(2)))
	}
}

// A budget chooses among the first, and what this host missed however far down it is.
func TestCandidates(t *testing.T) {
	missed := []Place{{Source: "misses", Rank: 1}}
	r := Ranking{Entries: []Entry{{Project: "a", Places: missed}, {Project: "b"}, {Project: "c"}, {Project: "d", Places: missed}}}
	for top, want := range map[int]string{1: "a d", 2: "a b d", 4: "a b c d", 9: "a b c d"} {
		var got []string
		for _, e := range r.Candidates(top) {
			got = append(got, e.Project)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("top %d: %q, want %s", top, got, want)
		}
	}
}

// A place is worth less the further down, by a power; what containers missed is told apart.
func TestWorth(t *testing.T) {
	for place := 1; place < 20_000; place++ {
		if Worth(place) <= Worth(place+1) {
			t.Fatalf("place %d is worth %d, the next %d", place, Worth(place), Worth(place+1))
		}
	}
	if first := Worth(1); first != unit/61 {
		t.Errorf("the first is worth %d", first)
	}
	if ratio := float64(Worth(100-60)) / float64(Worth(400-60)); math.Abs(ratio-8) > 0.001 {
		t.Errorf("four times as far down is worth %v less", ratio)
	}
	missed := ranking("misses", "flask")
	missed.Entries[0].Versions = []Version{{"2.0", "3.11", 3, ""}, {"2.0", "3.12", 1, ""}, {"", "", 1, ""}}
	public := ranking("public", "flask")
	public.Entries[0].Versions = []Version{{"3.0", "", 9, ""}}
	got, err := Blend([]Part{{"public", 1, public}, {Misses, 1, missed}}, Rules{Of: pypi.Ecosystem})
	if err != nil || fmt.Sprint(got.Entries[0].Missed) != "[2.0]" {
		t.Errorf("%+v, %v", got.Entries, err)
	}
}
