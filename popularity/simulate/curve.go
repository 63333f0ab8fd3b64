package simulate

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"strings"
)

// Wheel is one wheel of a resolved set.
type Wheel struct {
	Project  string
	Version  string
	Filename string
	Size     int64
}

// Resolved is a set and the wheels it resolves to.
type Resolved struct {
	ID       string
	Category string
	Wheels   []Wheel
}

// Point is what a budget holds of the sets' wheels.
type Point struct {
	Budget     int64              `json:"budget"`
	Stocked    int                `json:"stocked_wheels"`
	HitWheels  float64            `json:"hit_wheels"`  // share of all wheels of all sets
	HitBytes   float64            `json:"hit_bytes"`   // share of their bytes
	HitLayers  float64            `json:"hit_layers"`  // share of all wheels that have a layer, too
	ByCategory map[string]float64 `json:"by_category"` // share of wheels
}

// Measure compares what is stocked, by file name, with what the sets want.
func Measure(sets []Resolved, stocked Stock, budget int64) Point {
	p := Point{Budget: budget, Stocked: len(stocked.Wheels), ByCategory: map[string]float64{}}
	type tally struct{ wheels, hits, layers, bytes, hitBytes int64 }
	var all tally
	category := map[string]*tally{}
	for _, s := range sets {
		c := category[s.Category]
		if c == nil {
			c = &tally{}
			category[s.Category] = c
		}
		for _, w := range s.Wheels {
			for _, t := range []*tally{&all, c} {
				t.wheels++
				t.bytes += w.Size
				if stocked.Wheels[w.Filename] {
					t.hits++
					t.hitBytes += w.Size
				}
				if stocked.Unpacked[w.Filename] {
					t.layers++
				}
			}
		}
	}
	p.HitWheels, p.HitBytes, p.HitLayers = share(all.hits, all.wheels), share(all.hitBytes, all.bytes), share(all.layers, all.wheels)
	for name, c := range category {
		p.ByCategory[name] = share(c.hits, c.wheels)
	}
	return p
}

func share(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// Missed is a wheel that sets want and that is not stocked.
type Missed struct {
	Project string `json:"project"`
	Version string `json:"version"`
	Wheel   string `json:"wheel"`
	Sets    int    `json:"sets"` // that want it
	Bytes   int64  `json:"bytes"`
}

// Misses lists what the sets want and is not stocked, the most wanted first.
func Misses(sets []Resolved, stocked map[string]bool) []Missed {
	by := map[string]*Missed{}
	for _, s := range sets {
		for _, w := range s.Wheels {
			if stocked[w.Filename] {
				continue
			}
			m := by[w.Filename]
			if m == nil {
				m = &Missed{Project: w.Project, Version: w.Version, Wheel: w.Filename, Bytes: w.Size}
				by[w.Filename] = m
			}
			m.Sets++
		}
	}
	all := make([]Missed, 0, len(by))
	for _, m := range by {
		all = append(all, *m)
	}
	slices.SortFunc(all, func(a, b Missed) int { return cmp.Or(cmp.Compare(b.Sets, a.Sets), strings.Compare(a.Wheel, b.Wheel)) })
	return all
}

// Halves splits the sets in two, every other one of each category, so that misses
// of the first can be fed back and the second say what that was worth to others.
func Halves(sets []Resolved) (first, second []Resolved) {
	seen := map[string]int{}
	for _, s := range sets {
		if seen[s.Category]++; seen[s.Category]%2 == 1 {
			first = append(first, s)
		} else {
			second = append(second, s)
		}
	}
	return first, second
}

// Folds is in how many parts sets are told apart by their names. The constants of the
// choice (those of packages popularity and builder/pypi) may be chosen by what the first
// fold shows, and by nothing of the others.
const Folds = 2

// Fold is the fold of a set, from 1: by the SHA-256 of its name, so that a set added to
// a file moves no other one.
func Fold(id string) int {
	sum := sha256.Sum256([]byte(id))
	return 1 + int(sum[0])%Folds
}
