package popularity

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Ranking is a list of projects, best first, and where it comes from.
type Ranking struct {
	Origins []Origin `json:"origins"`
	Entries []Entry  `json:"entries"`
}

// Entry is one project. Rank begins at 1 and has no gaps. Count is 0 when the
// source has none: a plain list says only the order.
type Entry struct {
	Project  string    `json:"project"`
	Rank     int       `json:"rank"`
	Count    int64     `json:"count,omitempty"`
	Versions []Version `json:"versions,omitempty"`
	Missed   []string  `json:"missed,omitempty"` // versions that containers of this host had to download
	// Score is what the project is ranked by after [Blend]; 0 before. It serves
	// as the hits a project expects.
	Score int64 `json:"score,omitempty"`
	// Places are the project's ranks in what was merged or blended: each part of
	// a blend, followed by the months it was merged from.
	Places []Place `json:"places,omitempty"`
	// Always says that the operator's rules include it, Pins at which versions, if not at the newest.
	Always bool     `json:"always,omitempty"`
	Pins   []string `json:"pins,omitempty"`
}

// Misses is the source of what containers of this host had to download.
const Misses = "misses"

// Place is a project's rank in one source.
type Place struct {
	Source string `json:"source"`
	Rank   int    `json:"rank"`
}

// Version is how often one version of a project was counted, for one Python
// minor ("3.11"; empty when the source does not tell). Most counted first.
type Version struct {
	Version string `json:"version"`
	Python  string `json:"python,omitempty"`
	Count   int64  `json:"count"`
	File    string `json:"file,omitempty"` // of a miss: which of the version's
}

// Origin is one source of a ranking.
type Origin struct {
	Source   string    `json:"source"`           // path, or address without credentials and query
	Updated  time.Time `json:"updated,omitzero"` // what the source says of itself
	Fetched  time.Time `json:"fetched,omitzero"` // when the answer came from the network
	Stale    bool      `json:"stale,omitempty"`  // an earlier answer, kept because there is no usable new one
	Projects int       `json:"projects"`
}

// Top returns the ranking cut after its first n entries; n <= 0 means all.
func (r Ranking) Top(n int) Ranking {
	if n > 0 && n < len(r.Entries) {
		r.Entries = r.Entries[:n:n]
	}
	return r
}

// Stocked are the first top projects, and all that the operator's rules include.
func (r Ranking) Stocked(top int) []Entry {
	for top < len(r.Entries) && r.Entries[top].Always {
		top++
	}
	return r.Top(top).Entries
}

// Candidates are what a budget chooses from: what is stocked without one, and whatever this
// host missed, however far down that is.
func (r Ranking) Candidates(top int) []Entry {
	entries := slices.Clone(r.Stocked(top))
	for _, e := range r.Entries[len(entries):] {
		if slices.ContainsFunc(e.Places, func(p Place) bool { return p.Source == Misses }) {
			entries = append(entries, e)
		}
	}
	return entries
}

// Merge makes one ranking of several months of one. Each project is ranked by
// the median of its ranks; where it is absent it counts as behind everything.
// It must be in more than half of the rankings. Of an even number the median is
// the mean of the middle two. Equal medians are ordered by the sum of the ranks
// where present, then by name. The count is the median of the counts, absent
// being 0, so a one-month spike does not raise it either.
//
// A single ranking comes back as it is. Versions are those of the last ranking
// given that has any for the project: version counts age quickly.
func Merge(rankings ...Ranking) Ranking {
	if len(rankings) == 1 {
		return rankings[0]
	}
	var merged Ranking
	all := map[string]*seen{}
	for _, r := range rankings {
		merged.Origins = append(merged.Origins, r.Origins...)
		for _, e := range r.Entries {
			s := all[e.Project]
			if s == nil {
				s = &seen{}
				all[e.Project] = s
			}
			s.ranks = append(s.ranks, e.Rank)
			s.places = append(s.places, Place{r.name(), e.Rank})
			s.counts = append(s.counts, e.Count)
			if len(e.Versions) > 0 {
				s.versions = e.Versions
			}
		}
	}
	n := len(rankings)
	var places []place
	for project, s := range all {
		if len(s.ranks) <= n/2 {
			continue
		}
		places = append(places, s.place(project, n))
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.median, b.median), cmp.Compare(a.sum, b.sum), strings.Compare(a.entry.Project, b.entry.Project))
	})
	merged.Entries = make([]Entry, len(places))
	for i, p := range places {
		p.entry.Rank = i + 1
		merged.Entries[i] = p.entry
	}
	return merged
}

// seen is one project in several rankings.
type seen struct {
	ranks    []int
	places   []Place
	counts   []int64
	versions []Version
}

// place is where a merged ranking has a project.
type place struct {
	median, sum int // median in halves, so that a mean of two stays whole
	entry       Entry
}

// place is the middle of a project's ranks and counts in n rankings, more than half of
// which have it. The absent ones sort behind, so that both middle places, (n-1)/2 and
// n/2, are among the present.
func (s *seen) place(project string, n int) place {
	slices.Sort(s.ranks)
	p := place{median: s.ranks[(n-1)/2] + s.ranks[n/2], entry: Entry{Project: project, Versions: s.versions, Places: s.places}}
	for _, rank := range s.ranks {
		p.sum += rank
	}
	s.counts = append(s.counts, make([]int64, n-len(s.counts))...)
	slices.Sort(s.counts)
	low, high := s.counts[(n-1)/2], s.counts[n/2]
	p.entry.Count = low + (high-low)/2
	return p
}

// name is how a place names the ranking: by its first source.
func (r Ranking) name() string {
	if len(r.Origins) == 0 {
		return "ranking"
	}
	return r.Origins[0].Source
}
