package builder

import (
	"context"
	"fmt"
	"slices"

	"larder/builder/pypi/index"
	"larder/snapshot/pypi/pep440"
)

// allows says whether a Requires-Python allows an interpreter. As for pip, one that
// cannot be read is no reason to refuse.
func allows(requires string, python pep440.Version) bool {
	spec, err := pep440.ParseSpecifiers(requires)
	return requires == "" || err != nil || spec.Contains(python, true)
}

// unfit is a pick that turned out not to be for its target's Python.
type unfit struct {
	pick
	err error
}

// maxUnfit is how many wheels of a project are looked into for a target whose Python
// they do not allow. Each has to be fetched to know.
const maxUnfit = 10

// dropUnfit takes the picks out of a job whose target's Python the wheel's METADATA
// does not allow: an index need not say so on its page. pip looks there too.
func (s *stocking) dropUnfit(j *stockJob, requires string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var fit []stocked
	for _, out := range j.out {
		t := s.Targets[out.target]
		python, err := pep440.Parse(t.Python)
		if err != nil {
			return fmt.Errorf("version %q of the interpreter: %w", t.Python, err)
		}
		if allows(requires, python) {
			fit = append(fit, out)
			continue
		}
		err = fmt.Errorf("%s needs Python %.80q by its METADATA, %s has %s", out.file.Filename, requires, t.Tag, t.Python)
		if !out.locked {
			s.unfit = append(s.unfit, unfit{out.pick, err})
		} else if err := s.lose(out.pick, err); err != nil {
			return err
		}
	}
	j.out = fit
	return nil
}

// instead chooses again, without them, for the picks that the last run found unfit:
// as pip goes on to an older release. What has no other is skipped.
func (s *stocking) instead(ctx context.Context, all []stocked) ([]pick, error) {
	var picks []pick
	for _, u := range s.unfit[s.chosen:] {
		s.chosen++
		again, err := s.another(ctx, u.pick)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if hostFault(err) {
			return nil, err
		}
		have := func(p pick) bool { return p.target == u.target && p.file.SHA256 == again.file.SHA256 }
		if err != nil || slices.ContainsFunc(all, func(o stocked) bool { return have(o.pick) }) || slices.ContainsFunc(picks, have) {
			if err := s.lose(u.pick, u.err); err != nil {
				return nil, err
			}
			continue
		}
		picks = append(picks, again)
	}
	return picks, nil
}

// another is the next best wheel for an unfit pick's target.
func (s *stocking) another(ctx context.Context, p pick) (pick, error) {
	page, err := s.pages.Project(ctx, p.project)
	if err != nil {
		return pick{}, err
	}
	tried := map[string]bool{}
	for _, u := range s.unfit {
		if u.project == p.project && u.target == p.target {
			tried[u.file.SHA256] = true
		}
	}
	if len(tried) >= maxUnfit {
		return pick{}, fmt.Errorf("%d wheels of %s need another Python", len(tried), p.project)
	}
	left := slices.DeleteFunc(slices.Clone(page.Files), func(f index.File) bool { return f.SHA256 == "" || tried[f.SHA256] })
	t := s.Targets[p.target]
	p.candidate, err = choose(left, p.project, t.Target, t.Python, nil)
	return p, err
}
