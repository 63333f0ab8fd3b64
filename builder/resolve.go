package builder

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"larder/snapshot"
	"larder/snapshot/failpoint"
)

// Resolver is a World that reads locks which name no artifacts (snapshot.Requirements.Unresolved).
type Resolver interface {
	// Resolve finds out what such a lock asks for on a target: its pins, which Choose is then asked for. On the way
	// it may need artifacts: fetch downloads one into the pool by the World's own Fetch.
	Resolve(ctx context.Context, path string, t Target, fetch func(context.Context, Artifact) (snapshot.Object, int64, error)) (*snapshot.Requirements, error)
}

// resolve has the locks that name nothing by themselves say what they ask for.
func resolve(ctx context.Context, worlds []*world, stage *snapshot.Stage, until deadline, log *log) error {
	start := time.Now()
	ctx, done := until.bound(ctx)
	defer done()
	for _, w := range worlds {
		for _, l := range w.locks {
			if !l.Unresolved {
				continue
			}
			if err := l.resolve(ctx, w, stage, log); err != nil {
				return whyEnded(ctx, err)
			}
			log.report.Seconds["resolve"] = time.Since(start).Seconds()
			failpoint.Here("build: lock resolved")
		}
	}
	return nil
}

func (l *lock) resolve(ctx context.Context, w *world, stage *snapshot.Stage, log *log) error {
	r, ok := w.World.(Resolver)
	switch {
	case !ok:
		return fmt.Errorf("%w: %s: it names no artifacts, and nobody can find out which it needs", ErrRefused, l.path)
	case stage == nil:
		return WithHint(fmt.Errorf("%w: what %s needs is known once its files are fetched, and a dry run fetches nothing", ErrRefused, l.path),
			"build without --dry-run: --no-use publishes, and leaves the current snapshot as it is")
	}
	log.begin("resolve")
	found, err := r.Resolve(ctx, l.path, l.target, func(ctx context.Context, a Artifact) (snapshot.Object, int64, error) {
		o, size, err := Download(ctx, w.World, a, stage)
		if err == nil {
			// To stock it finds it there, and calls that reused.
			log.add(size, -size)
			log.step("resolve", 0, a.Filename)
		}
		return o, size, err
	})
	if errors.Is(err, ErrUnreachable) {
		err = Unreachable(err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", l.path, err)
	}
	if len(found.LeftOut) > 0 {
		log.warn(fmt.Sprintf("%s: left out: %s", l.path, strings.Join(found.LeftOut, ", ")))
	}
	found.Unresolved = true
	l.Requirements, l.picks = found, make([]*Pick, len(found.Pins))
	return nil
}
