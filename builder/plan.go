package builder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"larder/builder/pypi/index"
	"larder/snapshot/pypi/lock"
	"larder/snapshot/pypi/pep508"
)

// pick is a wheel to stock for one target.
type pick struct {
	candidate
	project string
	target  int  // of Config.Targets
	locked  bool // a lock names it: it gets a layer, and to miss it fails the build
	tool    bool // pip, for private environments: wanted by nobody by name
}

// plan is what the index was found to have of what is wanted.
type plan struct {
	picks []pick // by target, project and wheel; no wheel twice for a target
}

// lockPlan is one lock as each target reads it.
type lockPlan struct {
	path string
	pins []*lock.Lock // by target
}

// readLocks reads every lock for every target: markers may differ.
func readLocks(paths []string, targets []Target) ([]lockPlan, error) {
	var plans []lockPlan
	for _, path := range paths {
		p := lockPlan{path: path}
		for _, t := range targets {
			l, err := lock.Read(path, t.Markers)
			if err != nil {
				return nil, err
			}
			p.pins = append(p.pins, l)
		}
		plans = append(plans, p)
	}
	return plans, nil
}

// want is what the build asks of one project.
type want struct {
	project string
	ranked  bool
	place   int // in the ranking, from 1
	tool    bool
	pins    []targetPin
}

type targetPin struct {
	target int
	pin    *lock.Pin
	lock   string // its path
	digest string // of all its pins for the target
}

// wants gathers what the ranking and the locks ask for, by project, so that each
// index page is read once.
func (b *build) wants() []*want {
	byName := map[string]*want{}
	var all []*want
	get := func(project string) *want {
		project = pep508.Normalize(project)
		if byName[project] == nil {
			byName[project] = &want{project: project}
			all = append(all, byName[project])
		}
		return byName[project]
	}
	for _, l := range b.locks {
		for target, pins := range l.pins {
			digest := pins.Digest()
			for i := range pins.Pins {
				pin := &pins.Pins[i]
				w := get(pin.Name)
				w.pins = append(w.pins, targetPin{target, pin, l.path, digest})
			}
		}
	}
	for i, project := range b.Ranking {
		w := get(project)
		if !w.ranked {
			w.ranked, w.place = true, i+1
		}
	}
	if b.layersWanted() {
		get("pip").tool = true
	}
	return all
}

func (b *build) layersWanted() bool { return b.Layers || len(b.Locks) > 0 }

// makePlan asks the index for every project and chooses.
func (b *build) makePlan(ctx context.Context) error {
	wants := b.wants()
	floor := int64(0)
	if b.Budget > 0 && len(b.Ranking) > 0 {
		b.shelf, floor = newShelf(b), b.floor()
	}
	var mu sync.Mutex
	var answered, silent, done int
	var missing []missingPin
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(b.Jobs, 16))
	for _, w := range wants {
		g.Go(func() error {
			if picks, ok := b.previous.picksOf(w, b.Targets); ok {
				mu.Lock()
				defer mu.Unlock()
				b.plan.picks = append(b.plan.picks, picks...)
				done++
				return nil
			}
			page, err := b.pages.Project(gctx, w.project)
			mu.Lock()
			defer mu.Unlock()
			done++
			b.events.send(Event{Stage: "plan", Done: done, Total: len(wants), Item: w.project})
			switch {
			case gctx.Err() != nil:
				return gctx.Err()
			case hostFault(err):
				return err
			case isSilence(err):
				silent++
				if len(w.pins) > 0 || answered == 0 && silent >= min(3, len(wants)) {
					return unreachable(err)
				}
			default:
				answered++
			}
			missing = append(missing, b.pickFrom(page, err, w, floor)...)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if len(missing) > 0 {
		return lockMissing(missing)
	}
	if b.shelf != nil {
		if err := b.shelf.fit(ctx); err != nil {
			return err
		}
	}
	b.plan.normalise()
	b.count()
	return nil
}

// pickFrom chooses from one project's page for every target that wants it, and
// returns the pins that cannot be met.
func (b *build) pickFrom(page *index.Project, pageErr error, w *want, floor int64) (missing []missingPin) {
	find := func(target int, pin *lock.Pin) (pick, error) {
		if pageErr != nil {
			return pick{}, pageErr
		}
		t := b.Targets[target]
		c, err := choose(page.Files, w.project, t.Target, t.Python, pin)
		if err == nil && c.file.SHA256 == "" {
			err = fmt.Errorf("the index publishes no SHA-256 for %s", c.file.Filename)
		}
		return pick{candidate: c, project: w.project, target: target}, err
	}
	for _, p := range w.pins {
		got, err := find(p.target, p.pin)
		if err != nil {
			missing = append(missing, missingPin{p, b.Targets[p.target].Tag, err})
			continue
		}
		got.locked = true
		b.plan.picks = append(b.plan.picks, got)
	}
	if !w.ranked && !w.tool {
		return missing
	}
	if w.ranked && b.shelf != nil && pageErr == nil {
		for target, err := range b.shelf.offer(page, b.expected(w.project, w.place), floor) {
			b.skip(w.project, "", target, err)
		}
		if !w.tool {
			return missing
		}
	}
	for target := range b.Targets {
		got, err := find(target, nil)
		if err == nil {
			got.tool = !w.ranked || b.shelf != nil
			b.plan.picks = append(b.plan.picks, got)
		} else if w.ranked && (b.shelf == nil || pageErr != nil) {
			b.skip(w.project, "", target, err)
		}
	}
	return missing
}

// skip notes a ranked project that cannot be had. The caller serialises.
func (b *build) skip(project, version string, target int, err error) {
	s := Skip{Project: project, Version: version, Reason: err.Error()}
	if len(b.Targets) > 1 {
		s.Target = b.Targets[target].Tag
	}
	if isSilence(err) {
		b.report.unreachable++
	}
	b.report.Skipped = append(b.report.Skipped, s)
}

// normalise orders the picks and merges those of one wheel for one target.
func (p *plan) normalise() {
	slices.SortFunc(p.picks, func(a, b pick) int {
		if a.target != b.target {
			return a.target - b.target
		}
		return strings.Compare(a.project+"\x00"+a.file.SHA256, b.project+"\x00"+b.file.SHA256)
	})
	merged := p.picks[:0]
	for _, next := range p.picks {
		if n := len(merged); n > 0 && merged[n-1].target == next.target && merged[n-1].file.SHA256 == next.file.SHA256 {
			merged[n-1].locked = merged[n-1].locked || next.locked
			merged[n-1].tool = merged[n-1].tool && next.tool
			continue
		}
		merged = append(merged, next)
	}
	p.picks = merged
}

// count notes how many distinct wheels the plan has.
func (b *build) count() {
	wheels := map[string]bool{}
	for _, p := range b.plan.picks {
		if !p.tool {
			wheels[p.file.SHA256] = true
		}
	}
	b.report.Wheels = len(wheels)
}

// missingPin is a line of a lock that cannot be met.
type missingPin struct {
	targetPin
	tag string
	why error
}

// lockMissing is the refusal of a build whose locks ask for what is not there.
func lockMissing(missing []missingPin) error {
	slices.SortFunc(missing, func(a, b missingPin) int {
		return strings.Compare(a.lock+"\x00"+a.pin.Name+"\x00"+a.tag, b.lock+"\x00"+b.pin.Name+"\x00"+b.tag)
	})
	var lines []string
	for i, m := range missing {
		if i == 3 {
			lines = append(lines, fmt.Sprintf("and %d more", len(missing)-i))
			break
		}
		where := m.lock
		if m.pin.File != "" {
			where = m.pin.File
		}
		if m.pin.Line > 0 {
			where = fmt.Sprintf("%s:%d", where, m.pin.Line)
		}
		lines = append(lines, fmt.Sprintf("%s: %s==%s for %s: %v", where, m.pin.Name, m.pin.Version, m.tag, m.why))
	}
	return &hinted{
		fmt.Errorf("%w: %s; nothing was published", ErrRefused, strings.Join(lines, "; ")),
		"a lock is stocked whole or not at all: lock again for this target, or take the line out",
	}
}

// isSilence says whether an error is the index's, not the project's: no answer, or
// something that is no index page (an error page with status 200, a login form).
func isSilence(err error) bool {
	return errors.Is(err, index.ErrUnreachable) || errors.Is(err, index.ErrPage)
}

// unreachable marks an error as the index's silence.
func unreachable(err error) error { return fmt.Errorf("%w: %w", ErrUnreachable, err) }
