package builder

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"larder/builder/pypi/index"
	"larder/builder/pypi/wheel"
	"larder/popularity/budget"
	"larder/snapshot"
	"larder/snapshot/pypi/pep508"
)

// lookUp reads the metadata of the wheels that are asked about.
func (s *shelf) lookUp(ctx context.Context) error {
	var todo []*option
	for _, d := range s.demands {
		if o := s.options[d.of]; !o.known && !o.tried {
			o.tried = true
			todo = append(todo, o)
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(s.Jobs, needsAtOnce))
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
func (s *shelf) requiresOf(ctx context.Context, f index.File) (lines []string, known bool, err error) {
	if lines, ok := s.memory.get(f.SHA256); ok {
		return lines, true, nil
	}
	s.mu.Lock()
	ask := f.Metadata || s.silent < maxSilent
	s.mu.Unlock()
	if ask {
		raw, err := s.pages.FetchMetadata(ctx, f)
		if ctx.Err() != nil {
			return nil, false, ctx.Err()
		}
		s.mu.Lock()
		switch {
		case err == nil:
			s.silent = 0
		case errors.Is(err, index.ErrUnreachable):
			s.lost++
		case !f.Metadata:
			s.silent++
		}
		lost := s.lost
		s.mu.Unlock()
		if lost > maxLost {
			return nil, false, unreachable(err)
		}
		if err == nil {
			lines := wheel.ParseMetadata(raw).RequiresDist
			s.memory.put(f.SHA256, lines, f.MetadataSHA256 != "")
			return lines, true, nil
		}
	}
	return s.fromWheel(f)
}

// fromWheel reads the requirements from a wheel in the pool, whose bytes are compared
// with its digest first: what is learned of them is remembered for ever.
func (s *shelf) fromWheel(f index.File) (lines []string, known bool, err error) {
	d, err := snapshot.ParseDigest(f.SHA256)
	if err != nil || s.Store == nil {
		return nil, false, nil
	}
	o := snapshot.Object{Digest: d}
	if _, err := s.Store.CheckObject(o); err != nil {
		return nil, false, nil // not there, or damaged: the wheel is asked again once it is chosen
	}
	body, err := s.Store.OpenObject(o)
	if err != nil {
		return nil, false, nil
	}
	defer body.Close()
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

// learn fetches chosen wheels whose requirements nobody could tell: they are about
// to be stocked anyway. A dry run fetches nothing.
func (s *shelf) learn(ctx context.Context, choice budget.Choice) (learned bool, err error) {
	if s.DryRun || s.stage == nil {
		return false, nil
	}
	if s.rounds++; s.rounds > needsByOrder {
		return false, nil
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(s.Jobs)
	fetch := &stocking{build: s.build}
	for _, i := range choice.Wheels {
		o := s.options[i]
		if o.known || !o.tried {
			continue
		}
		d, err := snapshot.ParseDigest(o.file().SHA256)
		if err != nil {
			continue
		}
		g.Go(func() error {
			size, err := fetch.download(gctx, o.file(), snapshot.Object{Digest: d})
			if err != nil {
				if gctx.Err() != nil || hostFault(err) {
					return err
				}
				return nil // skipped and named when it is stocked
			}
			lines, known, err := s.fromWheel(o.file())
			if known {
				o.requires, o.known = parseRequires(lines), true
				s.mu.Lock()
				learned = true
				// Stocking it will find it there, and call that reused.
				s.report.FetchedBytes += size
				s.report.ReusedBytes -= size
				s.mu.Unlock()
			}
			return err
		})
	}
	err = g.Wait()
	return learned, err
}
