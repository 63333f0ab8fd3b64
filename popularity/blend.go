package popularity

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// ErrConfig is a blend that was configured so that it cannot mean anything.
var ErrConfig = errors.New("ranking configuration")

// Part is one ranking of a blend. Weight says what its first place is worth
// against the first places of the others; 0 leaves the part out.
type Part struct {
	Name    string
	Weight  float64
	Ranking Ranking
}

// steady is what a rank counts from. Counts of different sources cannot be compared,
// ranks can; 60 is the usual choice for such a sum (Cormack, Clarke and Buettcher, 2009).
const steady = 60

// Worth is what a place, from 1, is worth in a source of weight 1: it falls with the power
// 3/2 of the rank, counted from steady. What real projects ask for does: of the 470
// requirements of the first fold of the requirement sets (package simulate) 2.8 name a
// project for each rank up to 30, 1.5 up to 100, 0.5 up to 300, 0.1 up to 1,000, 0.03 up
// to 3,000 and 0.002 beyond, which are powers of 1.5 to 1.6 all along. A tail worth more
// than that crowds out older versions of what many use, so that to read more of a ranking
// would be worse than to read less.
func Worth(place int) int64 {
	from := float64(steady + place)
	return int64(unit / from / math.Sqrt(from/(steady+1)))
}

// evidence is the count from which a place is worth all it can be. A thing that
// was counted once, by one container, is an anecdote; public counts are in the
// thousands at least.
const evidence = 10

// unit is the score of a place worth 1, so that scores are whole numbers, far down too.
const unit = 100_000_000_000

// Blend makes one ranking of several kinds of source: public months, a host's
// own misses, an operator's list. A project's score is the sum of what its
// places are worth; unlike in [Merge], one source is enough to be in.
//
// What the rules include comes first, in their order, whatever the sources say; what they
// exclude comes not at all.
//
// Who can make a source count things once cannot steer the blend by it: a place
// that rests on less than ten counts is worth that many tenths, and places with
// the same count are all worth what the last of them is, so that a thousand names
// counted once each are a thousand last places, not the first thousand. Versions are added up over the sources,
// each weighed like its ranks. All errors are [ErrConfig], but that of rules that leave
// nothing, which is [ErrRefused].
func Blend(parts []Part, rules Rules) (Ranking, error) {
	if _, _, err := rules.Check(); err != nil {
		return Ranking{}, err
	}
	if err := checkWeights(parts); err != nil {
		return Ranking{}, err
	}
	var blended Ranking
	index := map[string]int{}
	entry := func(project string) *Entry {
		i, ok := index[project]
		if !ok {
			i = len(blended.Entries)
			index[project] = i
			blended.Entries = append(blended.Entries, Entry{Project: project})
		}
		return &blended.Entries[i]
	}
	for _, p := range parts {
		if p.Weight == 0 {
			continue // off
		}
		blended.Origins = append(blended.Origins, p.Ranking.Origins...)
		last := lastPlaces(p.Ranking.Entries)
		for i, e := range p.Ranking.Entries {
			b := entry(e.Project)
			worth := int64(p.Weight * float64(Worth(last[i])))
			if e.Count > 0 && e.Count < evidence {
				worth = worth * e.Count / evidence
			}
			b.Score += worth
			b.Count = max(b.Count, e.Count)
			b.Places = append(append(b.Places, Place{p.Name, e.Rank}), e.Places...)
			b.Versions = append(b.Versions, weighed(e.Versions, worth)...)
			if p.Name == Misses {
				b.Missed = append(b.Missed, versionsOf(e.Versions)...)
			}
		}
	}
	for _, project := range rules.Named() {
		entry(project).Pins = rules.Pins(project)
	}
	first := map[string]int{}
	for i := range blended.Entries {
		b := &blended.Entries[i]
		by, place, ok := rules.Included(b.Project)
		if !ok {
			continue
		}
		first[b.Project], b.Always = place, true
		b.Places = append(b.Places, Place{by.List, place})
		b.Score = max(b.Score, Worth(1)) // worth at least a first place
	}
	blended.Entries = slices.DeleteFunc(blended.Entries, func(e Entry) bool {
		_, out := rules.Excluded(e.Project)
		return out
	})
	if len(blended.Entries) == 0 && len(rules.Exclude) > 0 && len(index) > 0 {
		return Ranking{}, Refuse("blend", "what is excluded leaves nothing of it", "take names out of exclude, or include some")
	}
	rank(blended.Entries, first)
	return blended, nil
}

// rank orders the entries, those included first, and numbers them.
func rank(entries []Entry, first map[string]int) {
	order := func(e Entry) int {
		if i := first[e.Project]; i > 0 {
			return i
		}
		return math.MaxInt
	}
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(b.Score, a.Score), strings.Compare(a.Project, b.Project))
	})
	for i := range entries {
		e := &entries[i]
		e.Rank, e.Versions = i+1, sumVersions(e.Versions)
	}
}

// lastPlaces gives each entry the rank of the last one with its count; without
// counts, its own.
func lastPlaces(entries []Entry) []int {
	last := make([]int, len(entries))
	for i := len(entries) - 1; i >= 0; i-- {
		last[i] = entries[i].Rank
		if i+1 < len(entries) && entries[i].Count > 0 && entries[i].Count == entries[i+1].Count {
			last[i] = last[i+1]
		}
	}
	return last
}

// weighed turns version counts into parts of what their project's place is
// worth: a hundred misses and a million downloads are then of one unit.
func weighed(versions []Version, worth int64) []Version {
	var total int64
	for _, v := range versions {
		total += v.Count
	}
	if total == 0 { // a list names them, and counts nothing
		versions = slices.Clone(versions)
		for i := range versions {
			versions[i].Count = 1
		}
		total = int64(len(versions))
	}
	var out []Version
	for _, v := range versions {
		if share := int64(float64(worth) * (float64(v.Count) / float64(total))); share > 0 {
			v.Count = share
			out = append(out, v)
		}
	}
	return out
}

// versionsOf are the versions that were counted, for whatever Python.
func versionsOf(counted []Version) (versions []string) {
	for _, v := range counted {
		if v.Version != "" && !slices.Contains(versions, v.Version) {
			versions = append(versions, v.Version)
		}
	}
	return versions
}

func checkWeights(parts []Part) error {
	some := len(parts) == 0
	for _, p := range parts {
		if !(p.Weight >= 0 && p.Weight <= 1e6) { // written so that NaN is wrong too
			return fmt.Errorf("%w: weight %v of %s is not between 0 and 1000000", ErrConfig, p.Weight, printable(p.Name))
		}
		some = some || p.Weight > 0
	}
	if !some {
		return fmt.Errorf("%w: all weights are 0: give one source a weight of 1", ErrConfig)
	}
	return nil
}
