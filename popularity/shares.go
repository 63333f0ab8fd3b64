package popularity

import (
	"cmp"
	"slices"
)

// The bounds on the versions of one project that the rule names. The fifteenth earlier
// series expects a hundred and fiftieth of the hits, and so on down.
const (
	maxSeries  = 15 // earlier ones
	patched    = 8  // series, the newest included, whose older patches count
	maxPatches = 8  // older ones of a series
	maxShares  = 100
)

// Release is one version that could be stocked.
type Release struct {
	Version   string
	Segments  []int // of the release: 1.26.4rc1 is 1, 26, 4
	Pre       bool  // pre-release or development release
	Withdrawn bool  // yanked
	Uploaded  int64 // Unix time; 0 when nobody tells
	Count     int64 // how often a source counted it; 0 when none did
}

// Share is one version worth stocking and the hits it can expect.
type Share struct {
	Version string `json:"version"`
	Hits    int64  `json:"hits"`
	Counted bool   `json:"counted"` // by a source, not by the rule for earlier series
}

// Shares divides a project's hits among its releases, which are given newest
// first in the order of PEP 440. The newest comes first, then the others by
// hits; those that can expect none are left out.
func Shares(newestFirst []Release, hits int64) []Share {
	releases := slices.DeleteFunc(slices.Clone(newestFirst), func(r Release) bool { return r.Pre || r.Withdrawn })
	if len(releases) == 0 || hits <= 0 {
		return nil
	}
	half := hits - hits/2
	shares := append([]Share{{releases[0].Version, half, releases[0].Count > 0}}, earlier(releases, hits)...)
	rest := shares[1:]
	if len(rest) > 0 && rest[0].Version == shares[0].Version { // counted among the others, too
		shares[0].Hits += rest[0].Hits
		rest = slices.Delete(rest, 0, 1)
	}
	rest = slices.DeleteFunc(rest, func(s Share) bool { return s.Hits == 0 })
	// Stable, so that equals stay newest first.
	slices.SortStableFunc(rest, func(a, b Share) int { return cmp.Compare(b.Hits, a.Hits) })
	return shares[:1+min(len(rest), maxShares)]
}

// earlier divides the half that is not the newest's, newest first.
func earlier(releases []Release, hits int64) []Share {
	var total int64
	for _, r := range releases {
		total += max(0, r.Count)
	}
	rule := bySeries
	if !slices.ContainsFunc(releases, func(r Release) bool { return r.Uploaded == 0 }) {
		rule = byDate
	}
	if total == 0 {
		return rule(releases, hits)
	}
	ruled := rule(releases, hits/ruleBesideCounts)
	var shares []Share
	for _, r := range releases {
		s := Share{Version: r.Version}
		if r.Count > 0 {
			s.Hits, s.Counted = int64(float64(hits*3/8)*(float64(r.Count)/float64(total))), true
		}
		if len(ruled) > 0 && ruled[0].Version == r.Version {
			s.Hits += ruled[0].Hits
			ruled = ruled[1:]
		}
		if s.Hits > 0 {
			shares = append(shares, s)
		}
	}
	return shares
}

// ruleBesideCounts is the part of the rule's hits that stays where there are
// counts: one container that missed one odd version must not drive out all the
// others.
const ruleBesideCounts = 4

// byDate is the rule for versions that nobody counted, where the index tells when each was uploaded: a pin
// names what was the newest on the day that it was written, and of the days before, half as many count for
// each half-life further back. So the older versions share a half of the hits by the time for which each was
// the newest. The days count from the upload of the newest version, not from today: the same pages give the same
// shares.
func byDate(releases []Release, hits int64) []Share {
	age := func(uploaded int64) int64 { return releases[0].Uploaded - uploaded }
	lives := make([]int64, len(releases))
	var all int64
	until := releases[0].Uploaded
	for i, r := range releases[1:] {
		lives[i+1] = max(0, left(age(until))-left(age(r.Uploaded)))
		all += lives[i+1]
		until = min(until, r.Uploaded)
	}
	var shares []Share
	for i, r := range releases {
		if lives[i] > 0 {
			shares = append(shares, Share{r.Version, int64(float64(hits/2) * (float64(lives[i]) / float64(all))), false})
		}
	}
	return shares
}

// halfLife, in seconds, is two years. On the pins it was chosen by, one and four do nearly as well.
const halfLife = 2 * 365 * 24 * 3600

// left is what is left of 2^30 pins after so many seconds: half of them after each half-life, and a straight
// line between. Whole numbers, so that it is the same on any machine.
func left(seconds int64) int64 {
	seconds = max(0, seconds)
	if seconds/halfLife >= 30 {
		return 0
	}
	whole := int64(1) << 30 >> (seconds / halfLife)
	return whole - whole/2*(seconds%halfLife)/halfLife
}

// bySeries is the rule where nobody tells when a version was uploaded: the newest of the k-th earlier
// series expects a tenth of the hits divided by k, the j-th older patch of a series a part of
// that divided by the square of j. For its older patches the newest series counts as an earlier one:
// a quarter of all pins are to it.
func bySeries(releases []Release, hits int64) []Share {
	var shares []Share
	series, patch, newest := int64(0), int64(0), hits/10
	for i, r := range releases[1:] {
		// Newest first: the first of a series is its newest.
		if !sameSeries(releases[i], r) {
			if series++; series > maxSeries {
				break
			}
			patch, newest = 0, hits/(10*series)
			shares = append(shares, Share{r.Version, newest, false})
			continue
		}
		if patch++; patch <= maxPatches && series < patched {
			shares = append(shares, Share{r.Version, newest * olderPercent / (100 * patch * patch), false})
		}
	}
	return shares
}

// olderPercent is what the first older patch of a series expects of what its newest does.
const olderPercent = 23

// sameSeries compares the first two segments: 1.26.4 and 1.26 are of one
// series, 2026.4.1 and 2026.5 of two.
func sameSeries(a, b Release) bool {
	return segment(a, 0) == segment(b, 0) && segment(a, 1) == segment(b, 1)
}

func segment(r Release, i int) int {
	if i < len(r.Segments) {
		return r.Segments[i]
	}
	return 0
}
