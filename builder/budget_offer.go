package builder

import (
	"errors"
	"slices"
	"strings"

	"larder/builder/pypi/index"
	"larder/popularity"
	"larder/snapshot/pypi/pep440"
	"larder/snapshot/pypi/tags"
)

// expected is what the ranking says of a project; a plain list says its place.
func (b *build) expected(project string, place int) popularity.Entry {
	if e, ok := b.Entries[project]; ok && e.Score > 0 {
		return e
	}
	return popularity.Entry{Project: project, Score: 1_000_000_000 / int64(60+place)}
}

// floor is what a version must expect to be looked at: as much as the newest one
// of the last project that is asked about, or of the 5,000th. Less than that is
// expected of projects that are not asked about at all; without it, each of a
// thousand projects would bring thirty old versions that no budget takes. It is
// reckoned from the project in the middle, since both ends are uneven: the first
// may be a host's own, many times missed, the last what it missed once.
func (b *build) floor() int64 {
	if len(b.Ranking) == 0 {
		return 0
	}
	middle := len(b.Ranking) / 2
	score := b.expected(b.Ranking[middle], middle+1).Score
	return score / int64(60+max(5000, len(b.Ranking))) * int64(61+middle) / 2
}

// offer makes options of the versions of a ranked project that are worth it. It
// returns the targets that nothing fits, with the reason.
func (s *shelf) offer(page *index.Project, e popularity.Entry, floor int64) map[int]error {
	failed := map[int]error{}
	for target, t := range s.Targets {
		best, err := releases(page.Files, e.Project, t.Target, t.Python)
		if err != nil {
			failed[target] = err
			continue
		}
		s.newest[projectTarget{e.Project, target}] = best[0]
		list := make([]popularity.Release, len(best))
		for i, c := range best {
			list[i] = popularity.Release{Version: c.version.String(), Segments: segments(c.version.String()), Count: counted(e, c, t.Target.Python())}
		}
		for _, share := range popularity.Shares(list, e.Score) {
			at := slices.IndexFunc(list, func(r popularity.Release) bool { return r.Version == share.Version })
			if at > 0 && share.Hits < floor {
				continue
			}
			place := s.put(pick{candidate: best[at], project: e.Project, target: target})
			o := s.options[place]
			o.hits += share.Hits
			o.counted = o.counted || share.Counted
			s.demand(demand{place, target, place, ""})
		}
	}
	return failed
}

// releases returns the best wheel for a target of each version that may be
// stocked, newest version first.
func releases(files []index.File, project string, t tags.Target, python string) ([]candidate, error) {
	interpreter, err := pep440.Parse(python)
	if err != nil {
		return nil, err
	}
	best := map[string]candidate{}
	var no reasons
	for _, f := range files {
		c, why := consider(f, project, t, interpreter, nil)
		if why == "" && f.SHA256 == "" {
			why = "hash"
		}
		if why != "" {
			no.add(c.version, why)
			continue
		}
		v := c.version.Canonical()
		if had, ok := best[v]; !ok || better(c, had) > 0 {
			best[v] = c
		}
	}
	if len(best) == 0 {
		if no.count["hash"] > 0 {
			return nil, errors.New("the index publishes no SHA-256 for its wheels")
		}
		return nil, no.err(t, nil)
	}
	all := make([]candidate, 0, len(best))
	for _, c := range best {
		all = append(all, c)
	}
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

// segments are the numbers of a version's release: 1!2.3rc1 is 2, 3.
func segments(version string) []int {
	if _, rest, ok := strings.Cut(version, "!"); ok {
		version = rest
	}
	var out []int
	n, digits := 0, 0
	for i := 0; i <= len(version); i++ {
		switch {
		case i < len(version) && '0' <= version[i] && version[i] <= '9':
			if digits++; digits < 10 {
				n = n*10 + int(version[i]-'0')
			}
		case digits == 0:
			return out
		default:
			out = append(out, n)
			n, digits = 0, 0
			if i < len(version) && version[i] != '.' {
				return out
			}
		}
	}
	return out
}
