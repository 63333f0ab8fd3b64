package popularity

import (
	"fmt"
	"math/rand"
	"reflect"
	"strings"
	"testing"
)

func release(major, minor, patch int) Release {
	return Release{Version: fmt.Sprintf("%d.%d.%d", major, minor, patch), Segments: []int{major, minor, patch}}
}

func TestShares(t *testing.T) {
	pre := release(3, 1, 0)
	pre.Pre = true
	yanked := release(3, 0, 3)
	yanked.Withdrawn = true
	counted := func(r Release, n int64) Release { r.Count = n; return r }
	for _, tc := range []struct {
		name string
		in   []Release
		hits int64
		want []Share
	}{
		{"none", nil, 100, nil},
		{"only pre-releases", []Release{pre}, 100, nil},
		{"no hits", []Release{release(1, 0, 0)}, 0, nil},
		{"one", []Release{release(1, 0, 0)}, 101, []Share{{"1.0.0", 51, false}}},
		{"by rule", []Release{pre, yanked, release(3, 0, 2), release(3, 0, 1), release(2, 3, 3), release(2, 3, 2), release(2, 2, 5), release(1, 9, 0)}, 1000,
			[]Share{{"3.0.2", 500, false}, {"2.3.3", 100, false}, {"2.2.5", 50, false}, {"1.9.0", 33, false}, {"3.0.1", 23, false}, {"2.3.2", 23, false}}},
		{"older patches", []Release{release(2, 0, 0), release(1, 5, 4), release(1, 5, 3), release(1, 5, 2), release(1, 5, 1), release(1, 5, 0)}, 10_000,
			[]Share{{"2.0.0", 5000, false}, {"1.5.4", 1000, false}, {"1.5.3", 230, false}, {"1.5.2", 57, false}, {"1.5.1", 25, false}, {"1.5.0", 14, false}}},
		{"by count", []Release{counted(pre, 900), release(3, 0, 2), counted(release(3, 0, 1), 100), counted(release(2, 3, 3), 200), counted(release(2, 3, 2), 700)}, 2000,
			[]Share{{"3.0.2", 1000, false}, {"2.3.2", 536, true}, {"2.3.3", 200, true}, {"3.0.1", 86, true}}},
		{"newest counted", []Release{counted(release(2, 0, 0), 30), counted(release(1, 0, 0), 10)}, 80,
			[]Share{{"2.0.0", 62, true}, {"1.0.0", 9, true}}},
		{"calendar versions", []Release{{Version: "2026.5", Segments: []int{2026, 5}}, {Version: "2026", Segments: []int{2026}}, {Version: "2025.1.9", Segments: []int{2025, 1, 9}}}, 100,
			[]Share{{"2026.5", 50, false}, {"2026", 10, false}, {"2025.1.9", 5, false}}},
	} {
		if got := Shares(tc.in, tc.hits); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// dated is a release so many days after the first.
func dated(version string, day int64) Release {
	return Release{Version: version, Uploaded: (20_000 + day) * 24 * 3600}
}

// Where the index tells when each version was uploaded, an older one expects hits by the time for which it
// was the newest, the further back the fewer.
func TestSharesByDate(t *testing.T) {
	year := int64(365)
	for _, tc := range []struct {
		name string
		in   []Release
		want []Share
	}{
		{"long and short", []Release{dated("3.0", 4*year), dated("2.1", 2*year), dated("2.0", 2*year-1), dated("1.0", 0)},
			[]Share{{"3.0", 5000, false}, {"2.1", 3333, false}, {"1.0", 1664, false}, {"2.0", 2, false}}},
		{"never the newest", []Release{dated("2.0", 100), dated("1.1", 200), dated("1.0", 0), dated("0.9", 0)},
			[]Share{{"2.0", 5000, false}, {"1.0", 5000, false}}},
		{"all at once", []Release{dated("2.0", 0), dated("1.0", 0)}, []Share{{"2.0", 5000, false}}},
		{"one without", []Release{dated("2.0", 100), {Version: "1.0"}}, []Share{{"2.0", 5000, false}, {"1.0", 1000, false}}},
		{"lies", []Release{dated("2.0", -30_000), dated("1.0", 1<<40), dated("0.1", 0), dated("0.0", -1<<40)}, []Share{{"2.0", 5000, false}, {"0.0", 5000, false}}},
		{"long ago", []Release{dated("2.0", 100*year), dated("1.0", 99*year), dated("0.1", 10*year), dated("0.0", 0)},
			[]Share{{"2.0", 5000, false}, {"0.1", 3750, false}, {"1.0", 1250, false}}},
	} {
		for i := range tc.in {
			tc.in[i].Segments = []int{len(tc.in) - i}
		}
		if got := Shares(tc.in, 10_000); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestSharesProperties(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 500 {
		var in []Release
		uploaded := int64(r.Intn(2)) // of every other one all tell when
		for range r.Intn(200) {
			n := len(in)
			in = append(in, Release{Version: fmt.Sprint(n), Segments: []int{200 - n/7, r.Intn(2)}, Pre: r.Intn(9) == 0, Withdrawn: r.Intn(9) == 0, Uploaded: uploaded * (1 + r.Int63n(1e9)), Count: int64(r.Intn(3) * r.Intn(1000))})
		}
		hits := r.Int63n(1_000_000_000_000)
		shares := Shares(in, hits)
		var sum int64
		seen := map[string]bool{}
		for i, s := range shares {
			if s.Hits < 0 || i > 0 && s.Hits == 0 || i > 1 && s.Hits > shares[i-1].Hits || seen[s.Version] {
				t.Fatalf("share %d of %v", i, shares)
			}
			seen[s.Version] = true
			sum += s.Hits
		}
		if sum > hits || len(shares) > maxShares+1 {
			t.Fatalf("%d of %d hits in %d shares", sum, hits, len(shares))
		}
	}
}

// The rule names so many series and patches and no more, however many there are.
func TestSharesAreBounded(t *testing.T) {
	var in []Release
	for minor := 40; minor >= 0; minor-- {
		for patch := 20; patch >= 0; patch-- {
			in = append(in, release(1, minor, patch))
		}
	}
	shares := Shares(in, 1_000_000_000)
	patches := map[string]int{}
	for _, s := range shares {
		patches[s.Version[:strings.LastIndex(s.Version, ".")]]++
	}
	if len(patches) != maxSeries+1 || patches["1.40"] != maxPatches+1 || patches["1.33"] != maxPatches+1 || patches["1.32"] != 1 || patches["1.24"] != 0 {
		t.Errorf("%v", patches)
	}
}
