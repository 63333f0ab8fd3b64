package popularity

import (
	"fmt"
	"math/rand"
	"reflect"
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
			[]Share{{"3.0.2", 500, false}, {"2.3.3", 100, false}, {"2.2.5", 50, false}, {"1.9.0", 33, false}}},
		{"by count", []Release{counted(pre, 900), release(3, 0, 2), counted(release(3, 0, 1), 100), counted(release(2, 3, 3), 200), counted(release(2, 3, 2), 700)}, 2000,
			[]Share{{"3.0.2", 1000, false}, {"2.3.2", 525, true}, {"2.3.3", 200, true}, {"3.0.1", 75, true}}},
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

func TestSharesProperties(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 500 {
		var in []Release
		for range r.Intn(200) {
			n := len(in)
			in = append(in, Release{Version: fmt.Sprint(n), Segments: []int{200 - n/7, r.Intn(2)}, Pre: r.Intn(9) == 0, Withdrawn: r.Intn(9) == 0, Count: int64(r.Intn(3) * r.Intn(1000))})
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
