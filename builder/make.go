package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"larder/snapshot"
	"larder/snapshot/failpoint"
)

// make builds the sources among picks: each such pick becomes one of the artifact that was built, and
// from there on it is as any other. A ranked one that cannot be built is skipped, with its reason, and the
// best artifact that needs no building is looked for in its place.
func (s *stocking) make(ctx context.Context, picks []*Pick) (ready []*Pick, err error) {
	var sources []*Pick
	for _, p := range picks {
		if p.Source {
			sources = append(sources, p)
		} else {
			ready = append(ready, p)
		}
	}
	if len(sources) == 0 {
		return picks, nil
	}
	start := time.Now()
	errs := make([]error, len(sources))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, p := range sources {
		g.Go(func() error {
			errs[i] = s.makeOne(gctx, p)
			s.log.step("make", len(sources), p.Filename)
			if ends(errs[i]) || p.Locked && errs[i] != nil {
				return s.lost(p, errs[i])
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, whyEnded(ctx, err)
	}
	failpoint.Here("build: sources built")
	for i, p := range sources {
		if errs[i] == nil {
			ready = append(ready, p)
		} else if err := s.lost(p, errs[i]); err != nil {
			return nil, err
		}
	}
	s.log.report.Seconds["make"] += time.Since(start).Seconds()
	return ready, nil
}

// lost is what becomes of a source that cannot be built.
func (s *stocking) lost(p *Pick, err error) error {
	switch {
	case HostFault(err):
		return fmt.Errorf("build %s: %w", p.Filename, err)
	case ends(err):
		return err
	}
	if err := s.lose(p, err); err != nil {
		return err
	}
	s.unfit = append(s.unfit, Unfit{Pick: p, Err: err, skipped: true})
	return nil
}

// ends says whether an error is no source's own: it ends the build, whoever wants the source.
func ends(err error) bool {
	var l *late
	return HostFault(err) || errors.As(err, &l)
}

// makeOne builds the source of one pick.
func (s *stocking) makeOne(ctx context.Context, p *Pick) error {
	m, ok := p.world.World.(Maker)
	if !ok {
		return ErrSource
	}
	source, size, err := s.source(ctx, p.world, p.Artifact)
	if err != nil {
		return err
	}
	defer source.Close()
	if err := m.Make(ctx, p, source, s.stage.Put); err != nil {
		return err
	}
	p.Built.Size = size
	if err := p.world.revoked(p); err != nil {
		return err
	}
	return s.stage.Keep(p.Object)
}

// source opens a source in the pool, where it is fetched to, and tells its size.
func (s *stocking) source(ctx context.Context, w *world, a Artifact) (r Reader, size int64, err error) {
	if a.Object != (snapshot.Object{}) {
		size, err := s.stage.Check(a.Object)
		if err == nil {
			s.log.add(0, size)
			r, err = s.stage.Open(a.Object)
			return r, size, err
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, snapshot.ErrDamaged) {
			return nil, 0, err
		}
	}
	if s.cfg.Offline {
		return nil, 0, Silence(errors.New("its source is not in the store, and no index is asked"))
	}
	fctx, done := s.until.bound(ctx)
	defer done()
	o, size, err := Download(fctx, w.World, a, s.stage)
	if err != nil {
		return nil, 0, whyEnded(fctx, err)
	}
	s.log.add(size, 0)
	r, err = s.stage.Open(o)
	return r, size, err
}

// remake builds a built artifact again, by its recipe, and keeps it.
func (s *stocking) remake(ctx context.Context, it *Item) (snapshot.Object, int64, error) {
	r, err := s.cfg.Store.Recipe(it.Built.Recipe)
	if err != nil {
		return snapshot.Object{}, 0, err
	}
	o, size, err := s.follow(ctx, it.world, r)
	if err != nil {
		return o, 0, err
	}
	return o, size, s.stage.Keep(o)
}

// follow builds by a recipe. What comes of it is staged, and is what came of it before.
func (s *stocking) follow(ctx context.Context, w *world, r snapshot.Recipe) (o snapshot.Object, size int64, err error) {
	m, ok := w.World.(Maker)
	if !ok {
		return o, 0, ErrSource
	}
	if r.Result == nil {
		return o, 0, fmt.Errorf("%w: by recipe %s nothing was built: %s", ErrRefused, r.ID().Short(), r.Failure.Detail)
	}
	source, _, err := s.source(ctx, w, m.Source(r))
	if err != nil {
		return o, 0, err
	}
	defer source.Close()
	if o, size, err = m.Remake(ctx, r, source, s.stage.Put); err == nil && o.Digest != r.Result.SHA256 {
		err = &different{r, o.Digest}
	}
	return o, size, err
}

// different: a recipe gave other bytes than it once did.
type different struct {
	recipe snapshot.Recipe
	now    snapshot.Digest
}

func (d *different) Error() string {
	return fmt.Sprintf("recipe %s gives %s of %s, and once gave %s", d.recipe.ID().Short(), d.now, d.recipe.Filename, d.recipe.Result.SHA256)
}

func (d *different) Unwrap() error { return snapshot.ErrDamaged }
