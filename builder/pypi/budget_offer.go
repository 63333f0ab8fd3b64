package pypi

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"larder/builder"
	"larder/builder/pypi/index"
	"larder/popularity"
	"larder/snapshot"
	"larder/snapshot/pypi"
	"larder/snapshot/pypi/pep440"
)

// expected is what the ranking says of a project; a plain list says its place.
func (s *planner) expected(project string, place int) popularity.Entry {
	if e, ok := s.ranked.Entries[project]; ok && e.Score > 0 {
		return e
	}
	return popularity.Entry{Project: project, Score: popularity.Worth(place)}
}

// leastHits is what a version must expect to be looked at: as much as the newest one
// of the last project that is asked about, or of the 5,000th. Less than that is
// expected of projects that are not asked about at all; without it, each of a
// thousand projects would bring thirty old versions that no budget takes. It is
// reckoned from the project in the middle, since both ends are uneven: the first
// may be a host's own, many times missed, the last what it missed once.
func (s *planner) leastHits() int64 {
	if len(s.ranked.Projects) == 0 {
		return 0
	}
	middle := len(s.ranked.Projects) / 2
	score := s.expected(s.ranked.Projects[middle], middle+1).Score
	last := popularity.Worth(max(5000, len(s.ranked.Projects)))
	return int64(float64(score) * float64(last) / float64(popularity.Worth(middle+1)) / 2)
}

// always is what the version to stock of a project that the operator includes is expected to hit: more than
// any ranking says, so that a budget takes it, with its needs, before all that is only ranked.
const always = most / 1000

// offer makes options of the versions of a ranked project that are worth it for a target; of a pinned
// one, of the pin's alone. The error is why there is none.
func (s *planner) offer(files []index.File, project string, wish builder.Wish) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	target := slices.IndexFunc(s.targets, func(t Target) bool { return t.Tag.String() == wish.Target })
	t, e := s.targets[target], s.expected(project, wish.Place)
	best, err := releases(files, project, t.Tag, t.Python, wish.Pin)
	if err != nil {
		return err
	}
	if wish.Pin != nil {
		best = best[:1]
	}
	s.newest[projectTarget{project, target}] = best[0]
	list := make([]popularity.Release, len(best))
	for i, c := range best {
		list[i] = popularity.Release{Version: c.version.String(), Segments: segments(c.version.String()), Uploaded: c.file.Uploaded, Count: counted(e, c, t.Tag.Python())}
	}
	for _, share := range popularity.Shares(list, e.Score) {
		at := slices.IndexFunc(list, func(r popularity.Release) bool { return r.Version == share.Version })
		if at > 0 && share.Hits < s.floor {
			continue
		}
		option := s.candidate(best[at], target)
		o := s.options[option]
		o.hits += share.Hits
		if at == 0 && e.Always {
			o.hits = always
		}
		o.counted = o.counted || share.Counted
		o.missed = o.missed || missed(e, best[at])
		s.demand(demand{option, target, option, ""})
	}
	return nil
}

// releases returns the best wheel for a target of each version that may be
// stocked, newest version first; with a pin, of its versions.
func releases(files []index.File, project string, t pypi.Tag, python string, pin *snapshot.Pin) ([]candidate, error) {
	fit, err := fitting(files, request{project: project, tag: t, python: python, pin: pin})
	if err != nil {
		return nil, err
	}
	best := map[string]candidate{}
	for _, c := range fit {
		if _, err := snapshot.ParseDigest(c.file.SHA256); err != nil {
			continue
		}
		v := c.version.Canonical()
		if had, ok := best[v]; !ok || better(c, had) > 0 {
			best[v] = c
		}
	}
	if len(best) == 0 {
		return nil, errors.New("the index publishes no SHA-256 for its wheels")
	}
	all := slices.Collect(maps.Values(best))
	slices.SortFunc(all, func(a, b candidate) int { return b.version.Compare(a.version) })
	return all, nil
}

// counted is how often a source counted a version, for the target's Python where
// it tells.
func counted(e popularity.Entry, c candidate, minor string) (n int64) {
	for _, v := range e.Versions {
		if v.Python != "" && v.Python != minor {
			continue
		}
		if other, err := pep440.Parse(v.Version); err == nil && other.Compare(c.version) == 0 {
			n += v.Count
		}
	}
	return n
}

// missed says whether containers of this host had to download a version.
func missed(e popularity.Entry, c candidate) bool {
	return slices.ContainsFunc(e.Missed, func(version string) bool {
		v, err := pep440.Parse(version)
		return err == nil && v.Compare(c.version) == 0
	})
}

// segments are the numbers of a version's release: 1!2.3rc1 is 2, 3.
func segments(version string) (out []int) {
	if _, rest, ok := strings.Cut(version, "!"); ok {
		version = rest
	}
	release := version[:len(version)-len(strings.TrimLeft(version, "0123456789."))]
	for _, part := range strings.Split(release, ".") {
		if n, err := strconv.Atoi(part[:min(len(part), 9)]); err == nil {
			out = append(out, n)
		}
	}
	return out
}
