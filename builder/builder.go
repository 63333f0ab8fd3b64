package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"larder/builder/pypi/index"
	"larder/popularity"
	"larder/snapshot"
	"larder/snapshot/image"
)

// Errors a caller can tell apart; what they wrap says what, where and what to do.
var (
	ErrRefused     = errors.New("input refused")               // a lock's wheel, or a ranking with nothing to stock
	ErrUnreachable = errors.New("the index cannot be reached") // after all tries; nothing was published
)

// Config says what to build, from where and for whom.
type Config struct {
	Store   *snapshot.Store
	Index   *index.Client
	Targets []Target

	Ranking []string // project names, the most wanted first
	Locks   []string // paths of lock files; each is stocked exactly
	Views   []string // of ViewNames
	Layers  bool     // also unpack the ranked wheels (a lock's always are)

	// Budget bounds what the pool should grow to, in bytes on disk; 0 stocks the
	// newest release of every ranked project and nothing else. With a budget,
	// older versions and what chosen wheels need are stocked too.
	Budget int64
	// Entries is what is known of ranked projects, for a budget: their expected
	// hits and versions. Of one that is not in it only the place counts.
	Entries map[string]popularity.Entry

	// FetchTime is how long the build may wait for the index in all, planning and
	// downloading; 0 is for ever. What came by then is kept for the next build.
	FetchTime time.Duration

	Jobs   int  // downloads at once; 0 means 8
	DryRun bool // plan only: nothing is fetched, nothing published
	Force  bool // publish though more than half of the ranking failed

	Progress func(Event)  // nil for none; called from one goroutine at a time
	Warn     func(string) // one line each; nil for none
}

// Event tells how far a stage is.
type Event struct {
	Stage       string // plan, fetch, unpack, seal, publish
	Done, Total int    // projects, wheels or layers
	Bytes       int64  // fetched so far
	Item        string // the last thing done
}

// Build makes a snapshot of what cfg asks for and makes it current. The report is
// valid, as far as the build came, when the error is not nil too.
func Build(ctx context.Context, cfg Config) (*Report, error) {
	b := newBuild(cfg)
	defer b.close()
	err := b.run(ctx)
	b.report.sortSkips()
	return &b.report, err
}

// build is the state of one run.
type build struct {
	Config
	report Report
	events events

	deadline time.Time // of FetchTime
	stage    *snapshot.Stage
	previous *previous // the current snapshot, to take unchanged things from

	locks []lockPlan
	plan  plan
	pages pageSource
	shelf *shelf // with a budget
}

func newBuild(cfg Config) *build {
	if cfg.Jobs <= 0 {
		cfg.Jobs = 8
	}
	if cfg.Warn == nil {
		cfg.Warn = func(string) {}
	}
	b := &build{Config: cfg, pages: cfg.Index, deadline: time.Now().Add(cfg.FetchTime)}
	b.events.emit = cfg.Progress
	b.report.Seconds = map[string]float64{}
	return b
}

func (b *build) run(ctx context.Context) error {
	var err error
	if b.locks, err = readLocks(b.Locks, b.Targets); err != nil {
		return err
	}
	if len(b.Ranking) == 0 && len(b.locks) == 0 {
		return fmt.Errorf("nothing to stock: the ranking is empty and no lock was given: %w", ErrRefused)
	}
	if !b.DryRun {
		// Taken before the index is asked: a second build should fail at once.
		if b.stage, err = b.Store.Begin(ctx); err != nil {
			return err
		}
	}
	if b.previous, err = openPrevious(b.Store); err != nil {
		b.Warn("nothing is reused from the current snapshot, everything is made again: " + err.Error() + "; larder verify says more")
	}
	if err := b.timed("plan", func() error {
		fctx, done := b.fetching(ctx)
		defer done()
		return whyEnded(fctx, b.makePlan(fctx))
	}); err != nil {
		return err
	}
	if b.DryRun {
		return b.estimate(ctx)
	}
	stocked, err := b.stock(ctx)
	if err != nil {
		return err
	}
	if err := b.guard(); err != nil {
		return err
	}
	var tree *image.Tree
	if err := b.timed("seal", func() error {
		tree, err = b.layOut(ctx, stocked)
		return err
	}); err != nil {
		return err
	}
	return b.timed("publish", func() error {
		id, fresh, err := b.stage.Publish(func(f *os.File) error { return tree.Write(f) }, b.interpreters())
		if err != nil {
			return err
		}
		b.report.Snapshot, b.report.Published = id.String(), fresh
		return nil
	})
}

// fetching bounds what asks the index.
func (b *build) fetching(ctx context.Context) (context.Context, context.CancelFunc) {
	if b.FetchTime == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithDeadlineCause(ctx, b.deadline, &hinted{
		fmt.Errorf("%w in full: fetching took longer than %v; nothing was published", ErrUnreachable, b.FetchTime),
		"what came is kept: build again, or raise timeout in [build] of the configuration",
	})
}

// whyEnded is why a context ended, where that is what an error comes of.
func whyEnded(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// guard refuses to replace a good snapshot by the ruins of an outage.
func (b *build) guard() error {
	failed := len(b.report.Skipped)
	wanted := len(b.Ranking) * len(b.Targets)
	if b.Force || wanted == 0 || failed == 0 && b.Budget > 0 {
		return nil
	}
	if b.report.Wheels == 0 {
		first := b.report.Skipped[0]
		return fmt.Errorf("nothing could be stocked: %d of %d projects failed, first %s: %s: %w", failed, wanted, first.Project, first.Reason, b.failure())
	}
	if unreachable := b.report.unreachable; unreachable*2 > wanted {
		return fmt.Errorf("%d of %d projects could not be fetched; kept the current snapshot: %w", unreachable, wanted, ErrUnreachable)
	}
	return nil
}

// failure is what a build that stocked nothing failed of.
func (b *build) failure() error {
	if b.report.unreachable > 0 {
		return ErrUnreachable
	}
	return ErrRefused
}

// timed runs one stage and notes its wall time.
func (b *build) timed(stage string, f func() error) error {
	start := time.Now()
	err := f()
	b.report.Seconds[stage] = time.Since(start).Seconds()
	return err
}

func (b *build) close() {
	if b.stage != nil {
		b.stage.Close()
	}
	if b.previous != nil {
		b.previous.close()
	}
}

// interpreters tells a later `larder run` which interpreter each target was built
// with on this host. It is kept beside the image, not in it: a path is no input.
func (b *build) interpreters() map[string]string {
	m := map[string]string{}
	for _, t := range b.Targets {
		if t.Interpreter != nil {
			m[t.Tag] = t.Interpreter.Executable
		}
	}
	return m
}
