package builder

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// stocking brings items into the pool: it fetches, checks and unpacks.
type stocking struct {
	cfg      Config
	stage    *snapshot.Stage
	previous *previous
	until    deadline
	log      *log
	start    time.Time
	again    bool // what a snapshot has is made again: nothing else comes in its place

	total int

	mu     sync.Mutex
	unfit  []Unfit // all so far
	chosen int     // of them, those for which another was looked for
}

// stock brings every pick into the pool and makes the layers. A ranked artifact that
// cannot be had is skipped and reported; a locked one fails the build.
func (s *stocking) stock(ctx context.Context, worlds []*world, picks []*Pick) ([]*Item, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil) // and not before the last layer
	var all []*Item
	for len(picks) > 0 {
		var err error
		if picks, err = s.make(ctx, picks); err != nil {
			return nil, err
		}
		items := itemsOf(picks)
		if err := s.pipeline(ctx, cancel, items); err != nil {
			return nil, err
		}
		all = append(all, items...)
		if picks, err = s.instead(ctx, all); err != nil {
			return nil, err
		}
	}
	for _, w := range worlds {
		bundled, err := s.bundled(ctx, w, all)
		if err != nil {
			return nil, err
		}
		all = append(all, bundled...)
	}
	all = join(all)
	s.log.count(picksOf(all))
	return all, nil
}

// pipeline fetches, checks and unpacks items.
func (s *stocking) pipeline(ctx context.Context, cancel context.CancelCauseFunc, items []*Item) error {
	s.total += len(items)

	// One context for both halves: an error in either ends the other. (errgroup's
	// own ends with its Wait, while the unpackers still need theirs.)
	fctx, done := s.until.bound(ctx)
	defer done()
	run := func(ctx context.Context, f func(context.Context, *Item) error, it *Item) {
		if err := f(ctx, it); err != nil {
			cancel(whyEnded(ctx, err)) // the first one is kept
		}
	}
	var fetching, unpacking errgroup.Group
	fetching.SetLimit(s.cfg.Jobs)
	unpacking.SetLimit(runtime.GOMAXPROCS(0))
	// The channel decouples the two: a fetch slot never waits for a free unpacker.
	ready := make(chan *Item, len(items))
	var feeder errgroup.Group
	feeder.Go(func() error {
		for it := range ready {
			unpacking.Go(func() error { run(ctx, s.unpack, it); return nil })
		}
		return unpacking.Wait()
	})
	for _, it := range items {
		fetching.Go(func() error {
			run(fctx, s.fetch, it)
			if !it.lost {
				ready <- it
			}
			return nil
		})
	}
	fetching.Wait()
	s.log.report.Seconds["fetch"] = time.Since(s.start).Seconds()
	close(ready)
	feeder.Wait()
	s.log.report.Seconds["unpack"] = time.Since(s.start).Seconds()
	return context.Cause(ctx)
}

// drop takes out of an item the picks that do not fit their targets. A lock's must.
func (s *stocking) drop(it *Item, unfit []Unfit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range unfit {
		if u.Pick.Locked {
			return u.Err
		}
		it.Picks = slices.DeleteFunc(it.Picks, func(p *Pick) bool { return p == u.Pick })
		s.unfit = append(s.unfit, u)
	}
	it.lost = len(it.Picks) == 0
	return nil
}

// fail decides what the loss of an artifact means: the end of the build when a lock
// names it, a skip when only the ranking does, nothing when nobody asked for it.
func (s *stocking) fail(it *Item, err error) error {
	if HostFault(err) {
		return fmt.Errorf("stock %s: %w", it.Filename, err)
	}
	it.lost = true
	for _, p := range it.Picks {
		if err := s.lose(p, err); err != nil {
			return err
		}
	}
	return nil
}

// lose is fail for one pick.
func (s *stocking) lose(p *Pick, err error) error {
	switch {
	case p.Locked && errors.Is(err, ErrUnreachable):
		return Unreachable(err)
	case p.Locked:
		advice := "a lock is stocked whole or not at all: lock another version, or take the line out"
		if own := (*hinted)(nil); errors.As(err, &own) {
			advice = own.advice
		}
		return &hinted{fmt.Errorf("%w: a lock names %s: %w; nothing was published", ErrRefused, ecosystem.Shown(p.world.Name, p.Project, "==", p.Version), err), advice}
	case !p.Tool: // the target brings a tool of its own
		s.log.skip(p.world.Name, p.Project, p.Version, p.Target, err)
	}
	return nil
}

// instead chooses again, without them, for the picks that the last run found unfit.
// What has no other is skipped.
func (s *stocking) instead(ctx context.Context, all []*Item) ([]*Pick, error) {
	var picks []*Pick
	for _, u := range s.unfit[s.chosen:] {
		s.chosen++
		again, err := s.another(ctx, u.Pick)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if HostFault(err) {
			return nil, err
		}
		if err == nil {
			err = u.Pick.world.revoked(again)
		}
		have := func(p *Pick) bool { return p.Target == u.Pick.Target && p.Digest == again.Digest }
		if err != nil || slices.ContainsFunc(picksOf(all), have) || slices.ContainsFunc(picks, have) {
			if u.skipped {
				continue
			}
			if err := s.lose(u.Pick, u.Err); err != nil {
				return nil, err
			}
			continue
		}
		picks = append(picks, again)
	}
	return picks, nil
}

// errPinned: an artifact that turned out not to fit has no other.
var errPinned = errors.New("it is pinned to its version")

// another is the next best artifact for an unfit pick's target.
func (s *stocking) another(ctx context.Context, p *Pick) (*Pick, error) {
	if s.again {
		return nil, errors.New("nothing else comes in its place")
	}
	if len(p.world.Entries[p.Project].Pins) > 0 && !p.Tool {
		return nil, errPinned
	}
	w := Wish{Target: p.Target, Without: map[string]bool{}}
	for _, u := range s.unfit {
		if u.Pick.Project == p.Project && u.Pick.Target == p.Target && u.Pick.world == p.world {
			w.Without[u.Pick.Digest] = true
			w.Ready = w.Ready || u.Pick.Source || u.Pick.Built != nil // of the next older source nobody would have more
		}
	}
	choices, err := p.world.Choose(ctx, p.Project, []Wish{w})
	if err != nil {
		return nil, err
	}
	again := choices[0].Pick
	if again != nil {
		again.Tool, again.layered, again.world = p.Tool, p.layered, p.world
	}
	return again, choices[0].Err
}

// bundled stocks the installers that targets bring with them, where no index has one. Only their
// layers are wanted, and the pool does not get the artifacts themselves.
func (s *stocking) bundled(ctx context.Context, w *world, all []*Item) ([]*Item, error) {
	b, ok := w.World.(Bundler)
	if !ok || !w.layersWanted() {
		return nil, nil
	}
	var found []*Item
	for _, t := range w.cfg.Targets {
		if slices.ContainsFunc(picksOf(all), func(p *Pick) bool { return p.Target == t.Tag && p.Project == w.Installer && p.Layer != nil }) {
			continue
		}
		it, err := s.bundledFor(ctx, w, b, t)
		if HostFault(err) {
			return nil, err
		}
		if err != nil {
			s.log.warn(fmt.Sprintf("no %s for private environments of %s: the index has none, and %v", w.Installer, t.Tag, err))
			continue
		}
		found = append(found, it)
	}
	return found, nil
}

func (s *stocking) bundledFor(ctx context.Context, w *world, b Bundler, t Target) (*Item, error) {
	pick, r, err := b.Bundled(ctx, t)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if err := w.revoked(pick); err != nil {
		return nil, err
	}
	pick.Tool, pick.layered, pick.world = true, true, w
	it := itemsOf([]*Pick{pick})[0]
	if pick.Layer, err = s.oldLayer(pick); err != nil {
		return nil, err
	}
	it.Known = pick.Layer != nil
	_, err = w.Unpack(ctx, it, r, s.stage.Put)
	return it, err
}

// itemsOf groups picks by artifact, largest first so that the last download is not the longest.
func itemsOf(picks []*Pick) []*Item {
	byDigest := map[string]*Item{}
	var items []*Item
	for _, p := range picks {
		key := p.world.Name + " " + p.key()
		it := byDigest[key]
		if it == nil {
			it = &Item{Artifact: p.Artifact, world: p.world, made: map[string]made{}}
			byDigest[key] = it
			items = append(items, it)
		}
		it.Picks, p.item = append(it.Picks, p), it
	}
	slices.SortStableFunc(items, func(a, b *Item) int { return int(max(-1, min(1, b.Size-a.Size))) })
	return items
}

// join drops what was lost, sorts the rest by project, and makes one of the items of one artifact.
func join(items []*Item) []*Item {
	items = slices.DeleteFunc(items, func(it *Item) bool { return it.lost })
	slices.SortStableFunc(items, func(a, b *Item) int {
		return strings.Compare(a.world.Name+"\x00"+a.Project+"\x00"+a.key(), b.world.Name+"\x00"+b.Project+"\x00"+b.key())
	})
	joined := items[:0]
	for _, it := range items {
		if n := len(joined); n > 0 && joined[n-1].world == it.world && joined[n-1].key() == it.key() {
			joined[n-1].Picks = append(joined[n-1].Picks, it.Picks...)
			continue
		}
		joined = append(joined, it)
	}
	return joined
}

// picksOf are the picks of items that are not lost.
func picksOf(items []*Item) (picks []*Pick) {
	for _, it := range items {
		if !it.lost {
			picks = append(picks, it.Picks...)
		}
	}
	return picks
}
