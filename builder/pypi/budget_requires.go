package pypi

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sync/errgroup"

	"larder/builder"
	"larder/builder/pypi/index"
	"larder/builder/pypi/wheel"
	"larder/snapshot"
	"larder/snapshot/pypi/pep508"
)

// lookUp reads the metadata of the wheels that are asked about.
func (s *planner) lookUp(ctx context.Context) error {
	var todo []*option
	for _, d := range s.demands {
		if o := s.options[d.of]; !o.known && !o.tried {
			o.tried = true
			todo = append(todo, o)
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(s.cfg.Jobs, needsAtOnce))
	for _, o := range todo {
		g.Go(func() error {
			lines, known, err := s.requiresOf(gctx, o.file())
			if err != nil || !known {
				return err
			}
			o.requires, o.known = parseRequires(lines), true
			return nil
		})
	}
	return g.Wait()
}

// requiresOf finds a wheel's Requires-Dist: remembered, beside it on the index, or
// in the wheel when the store has it.
func (s *planner) requiresOf(ctx context.Context, f index.File) (lines []string, known bool, err error) {
	if lines, ok := s.memory.get(f.SHA256); ok {
		return lines, true, nil
	}
	s.mu.Lock()
	ask := f.Metadata || s.silent < maxSilent
	s.mu.Unlock()
	if ask {
		lines, err := s.pages.Requires(ctx, f)
		if ctx.Err() != nil {
			return nil, false, ctx.Err()
		}
		s.mu.Lock()
		switch {
		case err == nil:
			s.silent = 0
		case errors.Is(err, index.ErrUnreachable):
			s.unanswered++
		case !f.Metadata:
			s.silent++
		}
		lost := s.unanswered
		s.mu.Unlock()
		if lost > maxUnanswered {
			return nil, false, builder.Unreachable(err)
		}
		if err == nil {
			s.memory.put(f.SHA256, lines, f.MetadataSHA256 != "")
			return lines, true, nil
		}
	}
	return s.fromWheel(f)
}

// fromWheel reads the requirements from a wheel in the pool, whose bytes are compared
// with its digest first: what is learned of them is remembered for ever.
func (s *planner) fromWheel(f index.File) (lines []string, known bool, err error) {
	body, err := s.stored(f)
	if err != nil {
		return nil, false, nil // not there, or damaged: the wheel is asked again once it is chosen
	}
	defer body.Close()
	if _, err := s.cfg.Store.CheckObject(objectOf(f)); err != nil {
		return nil, false, nil
	}
	st, err := body.Stat()
	if err != nil {
		return nil, false, nil
	}
	w, err := wheel.Open(body, st.Size(), f.Filename)
	if err != nil {
		return nil, true, nil // it will be skipped, with this reason, when it is unpacked
	}
	s.memory.put(f.SHA256, w.Metadata.RequiresDist, true)
	return w.Metadata.RequiresDist, true, nil
}

// parseRequires reads the lines that can be met from an index; pip ignores none of
// the others, so a wheel with such a line fails to install whatever is stocked.
func parseRequires(lines []string) []requirement {
	var out []requirement
	for _, line := range lines[:min(len(lines), maxRequires)] {
		r, err := pep508.ParseRequirement(line)
		if err != nil || r.URL != "" || !pep508.ValidName(r.Name) {
			continue
		}
		out = append(out, requirement{r, pep508.Normalize(r.Name)})
	}
	return out
}

// objectOf is a wheel's in the pool.
func objectOf(f index.File) snapshot.Object {
	digest, _ := snapshot.ParseDigest(f.SHA256) // releases has read it
	return snapshot.Object{Digest: digest}
}

// stored opens a wheel in the pool. Its bytes are not looked at.
func (s *planner) stored(f index.File) (*os.File, error) {
	if s.cfg.Store == nil {
		return nil, fs.ErrNotExist
	}
	return s.cfg.Store.OpenObject(objectOf(f))
}

// learn fetches chosen wheels whose requirements nobody could tell: they are about
// to be stocked anyway.
func (s *planner) learn(ctx context.Context, choice budgetChoice, fetch fetchFunc) (learned bool, err error) {
	if s.rounds++; fetch == nil || s.rounds > needsByOrder {
		return false, nil
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(s.cfg.Jobs)
	for _, i := range s.wheelsOf(choice) {
		o := s.options[i]
		if o.known || !o.tried {
			continue
		}
		g.Go(func() error {
			if err := fetch(gctx, o.picks[0].Artifact); err != nil {
				if gctx.Err() != nil || builder.HostFault(err) {
					return err
				}
				return nil // skipped and named when it is stocked
			}
			lines, known, err := s.fromWheel(o.file())
			if known {
				o.requires, o.known = parseRequires(lines), true
				s.mu.Lock()
				learned = true
				s.mu.Unlock()
			}
			return err
		})
	}
	err = g.Wait()
	return learned, err
}
