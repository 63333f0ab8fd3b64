package builder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// plan finds out what the indexes have of what is wanted.
func plan(ctx context.Context, worlds []*world, previous *previous, stage *snapshot.Stage, until deadline, log *log) ([]*Pick, error) {
	ctx, done := until.bound(ctx)
	defer done()
	var all []*Pick
	for _, w := range worlds {
		p := &planner{world: w, previous: previous, log: log, wants: w.wants()}
		if err := p.ask(ctx); err != nil {
			return nil, whyEnded(ctx, err)
		}
		picks := p.picks
		if w.budgeted() {
			var err error
			if picks, err = p.fit(ctx, stage); err != nil {
				return nil, whyEnded(ctx, err)
			}
		}
		for _, pick := range merge(picks) {
			if err := w.revoked(pick); err != nil { // a budget took it
				log.skip(w.Name, pick.Project, pick.Version, pick.Target, err)
				continue
			}
			pick.layered = w.cfg.Layers != NoLayers && !pick.Packed || pick.Locked || pick.Tool
			pick.layered = pick.layered && (pick.LayerID != "" || pick.Source)
			pick.world = w
			all = append(all, pick)
		}
	}
	log.count(all)
	return all, nil
}

// planner asks one ecosystem's index about every project.
type planner struct {
	world    *world
	previous *previous
	log      *log
	wants    []*want

	mu               sync.Mutex
	picks            []*Pick
	missing          []missing
	answered, silent int // projects
}

func (p *planner) ask(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(p.world.cfg.Jobs, 16))
	for _, w := range p.wants {
		g.Go(func() error {
			choices, known := p.known(w)
			var err error
			if !known {
				wishes := make([]Wish, len(w.wishes))
				for i := range wishes {
					wishes[i] = w.wishes[i].Wish
				}
				choices, err = p.world.Choose(ctx, w.project, wishes)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return p.answer(w, choices, known, err)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if len(p.missing) > 0 {
		return lockMissing(p.missing)
	}
	return nil
}

// answer notes what the index said of a project, or what was known without it.
func (p *planner) answer(w *want, choices []Choice, known bool, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log.step("plan", len(p.wants), w.project)
	switch {
	case HostFault(err):
		return err
	case errors.Is(err, ErrUnreachable):
		p.silent++
		locked := slices.ContainsFunc(w.wishes, func(x wish) bool { return x.lock != nil })
		if locked || p.answered == 0 && p.silent >= min(3, len(p.wants)) {
			return Unreachable(err)
		}
	case !known:
		p.answered++
	}
	if err != nil {
		choices = slices.Repeat([]Choice{{Err: err}}, len(w.wishes))
	}
	p.take(w, choices)
	return nil
}

// take sorts choices into picks, pins that cannot be met, and skips.
func (p *planner) take(w *want, choices []Choice) {
	for i, c := range choices {
		x := w.wishes[i]
		if err := p.world.denied(c); err != nil {
			c = Choice{Err: err}
		}
		switch {
		case c.Err != nil && x.lock != nil:
			p.missing = append(p.missing, missing{x, c.Err})
		case c.Err != nil && x.Place > 0 && !x.missed:
			p.log.skip(p.world.Name, w.project, x.version(), x.Target, c.Err)
		case c.Pick == nil:
		case x.lock != nil:
			x.lock.picks[x.pin] = c.Pick
			c.Pick.Locked = true
			if len(x.Pin.Digests) == 0 && len(x.Pin.Spellings) > 0 && !strings.ContainsAny(x.Pin.Version, "/\x00") {
				c.Pick.Names = append(c.Pick.Names, x.Pin.Version)
			}
			p.picks = append(p.picks, c.Pick)
		default:
			for _, pick := range append([]*Pick{c.Pick}, c.With...) {
				pick.Tool, pick.place, pick.missed = x.tool, x.Place, x.missed
				p.picks = append(p.picks, pick)
			}
		}
	}
}

// known answers a want without the index, when it can: every wish is a lock's whose pin names
// digests, and that the previous snapshot has whole. What such a lock asked for then, it asks for
// now; a pin without digests may mean another artifact since.
func (p *planner) known(w *want) ([]Choice, bool) {
	var choices []Choice
	for _, x := range w.wishes {
		if x.lock == nil || len(x.Pin.Digests)+len(x.Pin.Sources) == 0 {
			return nil, false
		}
		row, ok := p.previous.pinned(x.Target, x.lock.Digest, x.Pin)
		if !ok || row.Signed {
			return nil, false // only the index knows the rest of its URL
		}
		if row.Built != nil && !slices.Contains(p.world.cfg.builds(w.project).Kinds(), row.Built.Kind) {
			return nil, false // that is no longer wanted
		}
		pick, err := p.world.Known(row, x.Target)
		if err != nil {
			return nil, false
		}
		choices = append(choices, Choice{Pick: pick})
	}
	return choices, true
}

// fit lets a budget choose among what is ranked.
func (p *planner) fit(ctx context.Context, stage *snapshot.Stage) ([]*Pick, error) {
	b, ok := p.world.World.(Budgeter)
	if !ok {
		sizes, ok := p.world.World.(Estimator)
		if !ok {
			return nil, fmt.Errorf("%w: %s knows no budgets", ErrBudget, p.world.Name)
		}
		picks, report, err := p.fitInOrder(ctx, sizes)
		p.log.budget(p.world.Name, report)
		return picks, err
	}
	var fetch func(context.Context, Artifact) error
	if stage != nil {
		fetch = func(ctx context.Context, a Artifact) error {
			o, size, err := Download(ctx, p.world.World, a, stage)
			if err == nil {
				err = stage.Keep(o) // it is read in the pool
			}
			if err == nil {
				// Stocking it will find it there, and call that reused.
				p.log.add(size, -size)
			}
			return err
		}
	}
	picks, report, err := b.Fit(ctx, p.picks, fetch)
	p.log.budget(p.world.Name, report)
	return picks, err
}

// merge orders picks and makes one of those of one layer.
func merge(picks []*Pick) []*Pick {
	slices.SortStableFunc(picks, func(a, b *Pick) int {
		return strings.Compare(a.Target+"\x00"+a.Project+"\x00"+a.Digest+a.LayerID, b.Target+"\x00"+b.Project+"\x00"+b.Digest+b.LayerID)
	})
	merged := picks[:0]
	for _, next := range picks {
		if n := len(merged); n > 0 && merged[n-1].Target == next.Target && merged[n-1].Digest == next.Digest && merged[n-1].LayerID == next.LayerID {
			last := merged[n-1]
			last.Locked = last.Locked || next.Locked
			last.Tool = last.Tool && next.Tool
			last.Packed = last.Packed && next.Packed
			last.Names = append(last.Names, next.Names...)
			next.merged = last
			continue
		}
		merged = append(merged, next)
	}
	return merged
}

// missing is a pin of a lock that cannot be met.
type missing struct {
	wish
	why error
}

// lockMissing is the refusal of a build whose locks ask for what is not there.
func lockMissing(all []missing) error {
	slices.SortFunc(all, func(a, b missing) int {
		return strings.Compare(a.lock.path+"\x00"+a.Pin.Name+"\x00"+a.Target, b.lock.path+"\x00"+b.Pin.Name+"\x00"+b.Target)
	})
	var lines []string
	for i, m := range all {
		if i == 3 {
			lines = append(lines, fmt.Sprintf("and %d more", len(all)-i))
			break
		}
		where := m.lock.path
		if m.Pin.File != "" {
			where = m.Pin.File
		}
		if m.Pin.Line > 0 {
			where = fmt.Sprintf("%s:%d", where, m.Pin.Line)
		}
		lines = append(lines, fmt.Sprintf("%s: %s for %s: %v", where, ecosystem.Shown(m.lock.target.Ecosystem, m.Pin.Name, "==", m.Pin.Version), m.Target, m.why))
	}
	advice := "a lock is stocked whole or not at all: lock again for this target, or take the line out"
	if slices.ContainsFunc(all, func(m missing) bool { return errors.Is(m.why, ErrSource) }) {
		advice = "larder build --sdists pure builds sources that need no compiler"
	}
	return &hinted{fmt.Errorf("%w: %s; nothing was published", ErrRefused, strings.Join(lines, "; ")), advice}
}
