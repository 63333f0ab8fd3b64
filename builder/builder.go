package builder

import (
	"context"
	"fmt"
	"os"
	"time"

	"larder/popularity"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/failpoint"
)

// jobs is about as many downloads at once as the quickest installers have (15): of small ones most is waiting.
const jobs = 16

// Config says what to build, from where and for whom.
type Config struct {
	Store      *snapshot.Store
	Ecosystems []Ecosystem // nil: those registered
	Targets    []Target

	Ranked map[string]Ranked // by ecosystem: what is stocked without a lock
	Locks  []string          // paths of lock files; each is stocked exactly
	Views  []string          // of ViewNames
	Layers Layers            // which of the ranked artifacts are unpacked, too (a lock's always are)

	// Programs are the paths of the programs that write a view, by its name; none: those on PATH.
	Programs map[string][]string

	// Builds says which artifacts may be built from sources of a project, where the index has none that
	// fits; nil: none.
	Builds func(project string) snapshot.Built
	// BuildRoot is the directory of a root file system that machine code is built in, "" for none; such
	// code may need BuildLibraries, by the names of shared libraries, beside those that any container has.
	BuildRoot      string
	BuildLibraries []string

	// FetchTime is how long the build may wait for the index in all, planning and
	// downloading; 0 is for ever. What came by then is kept for the next build.
	FetchTime time.Duration

	Jobs      int    // downloads at once; 0 means 16
	Offline   bool   // no index is asked: what is in the store has to do
	DryRun    bool   // plan only: nothing is fetched, nothing published
	Force     bool   // publish though more than half of the ranking failed
	NoUse     bool   // publish, and leave current as it is
	UserAgent string // told to indexes

	Read    func(done, total int64) // of a repair: the bytes that were checked; nil for none
	denials []snapshot.Denial       // of the store

	Progress func(Event)  // nil for none; called from one goroutine at a time
	Warn     func(string) // one line each; nil for none; called from one goroutine at a time
}

// Ranked is what a build wants of one ecosystem beside what locks name.
type Ranked struct {
	Projects []string // the most wanted first
	// Budget bounds what the pool should grow to for them and for the ecosystem's locks, in bytes on disk; 0
	// stocks the newest release of every project and nothing else. With a budget other versions are
	// stocked too, and what chosen artifacts need, as far as the ecosystem is a [Budgeter].
	Budget int64
	// Entries is what is known of the projects, for a budget: their expected
	// hits and versions. Of one that is not in it only the place counts. Pins of an entry hold with
	// and without a budget.
	Entries map[string]popularity.Entry
	// Excluded says that a project is stocked for locks only, though others need it; nil: none is.
	Excluded func(project string) bool
}

// budgeted says whether a budget chooses.
func (r Ranked) budgeted() bool { return r.Budget > 0 && len(r.Projects) > 0 }

// builds says what may be built from a project's sources.
func (c Config) builds(project string) snapshot.Built {
	if c.Builds == nil {
		return snapshot.NoBuilt
	}
	return c.Builds(project)
}

// Event tells how far a stage is.
type Event struct {
	Stage       string // resolve, plan, make, fetch, unpack, ask, fill, seal, publish
	Done, Total int    // projects or artifacts; 0 of 0 where a stage begins that has no parts
	Bytes       int64  // fetched so far
	Item        string // the last thing done
}

// Build makes a snapshot of what cfg asks for and makes it current, unless another one is held or
// cfg says not to. The report is valid, as far as the build came, when the error is not nil too.
func Build(ctx context.Context, cfg Config) (*Report, error) {
	if cfg.Jobs <= 0 {
		cfg.Jobs = jobs
	}
	if cfg.Ecosystems == nil {
		cfg.Ecosystems = registered
	}
	log := newLog(cfg)
	cfg.Warn = log.warn // from any goroutine
	err := build(ctx, cfg, log)
	log.report.sortSkips()
	return &log.report, err
}

// build is the way of everything: from the locks down to publish.
func build(ctx context.Context, cfg Config, log *log) error {
	deadline := deadline{time.Now().Add(cfg.FetchTime), cfg.FetchTime}
	worlds, err := readLocks(cfg)
	if err != nil {
		return err
	}
	denials, err := cfg.Store.Denials()
	if err != nil {
		return err
	}
	for _, w := range worlds {
		w.cfg.denials = denials
	}
	fillings := openFillings(ctx, cfg, worlds)
	for _, f := range fillings {
		if f.missing != nil {
			return f.missing // a view that is named is wanted
		}
	}
	var stage *snapshot.Stage
	if !cfg.DryRun {
		// Taken before the index is asked: a second build should fail at once.
		if stage, err = cfg.Store.Begin(ctx); err != nil {
			return err
		}
		defer stage.Close()
		stage.LeaveCurrent = cfg.NoUse
	}
	previous, err := openPrevious(cfg.Store, cfg.Ecosystems)
	if err != nil {
		cfg.Warn("nothing is reused from the current snapshot, everything is made again: " + err.Error() + "; larder verify says more")
	}
	defer previous.close()
	for _, w := range worlds {
		if w.World, err = w.Open(ctx, w.cfg, stage); err != nil {
			return err
		}
		defer w.Close()
	}
	if err := resolve(ctx, worlds, stage, deadline, log); err != nil {
		return err
	}
	var picks []*Pick
	if err := log.timed("plan", func() error {
		picks, err = plan(ctx, worlds, previous, stage, deadline, log)
		return err
	}); err != nil {
		return err
	}
	failpoint.Here("build: planned")
	if cfg.DryRun {
		if err := estimate(ctx, cfg, picks, log); err != nil {
			return err
		}
		log.report.Changes = previous.changes(planned(worlds, picks, previous))
		return nil
	}
	s := &stocking{cfg: cfg, stage: stage, previous: previous, until: deadline, log: log, start: time.Now()}
	items, err := s.stock(ctx, worlds, picks)
	if err != nil {
		return err
	}
	for _, w := range worlds {
		if k, ok := w.World.(Keeper); ok {
			if err := k.Keep(); err != nil {
				return err
			}
		}
	}
	failpoint.Here("build: stocked")
	if err := guard(cfg, &log.report); err != nil {
		return err
	}
	if err := s.answers(ctx, worlds, items); err != nil {
		return err
	}
	var fills []filled
	if len(fillings) > 0 {
		if err := log.timed("fill", func() (err error) { fills, err = s.fill(ctx, fillings, items); return err }); err != nil {
			return err
		}
	}
	return seal(ctx, cfg, worlds, items, fills, previous, stage, log)
}

// seal lays the image out and publishes it.
func seal(ctx context.Context, cfg Config, worlds []*world, items []*Item, fills []filled, previous *previous, stage *snapshot.Stage, log *log) error {
	r := &log.report
	l := newLayout(stage)
	if err := log.timed("seal", func() error { return l.layOut(ctx, cfg, worlds, items, fills, log) }); err != nil {
		return err
	}
	failpoint.Here("build: laid out")
	r.Changes = previous.changes(&l.manifest)
	r.Objects, r.Bytes = l.tree.Objects()
	return log.timed("publish", func() error {
		log.begin("publish")
		id, fresh, err := stage.Publish(func(f *os.File) error { return l.tree.Write(f) }, programs(cfg.Targets))
		if err != nil {
			return err
		}
		r.Snapshot, r.Published, r.CheckedBytes = id.String(), fresh, stage.Hashed()
		return r.place(cfg.Store, id)
	})
}

// guard refuses to replace a good snapshot by the ruins of an outage.
func guard(cfg Config, r *Report) error {
	wanted, unreachable := map[string]int{}, 0
	all := 0
	for _, t := range cfg.Targets {
		n := len(cfg.Ranked[t.Ecosystem].Projects)
		wanted[t.Ecosystem] += n
		all += n
	}
	for _, n := range r.unreachable {
		unreachable += n
	}
	if failed := len(r.Skipped); !cfg.Force && r.Wheels == 0 && failed > 0 {
		kind := ErrRefused
		if unreachable > 0 {
			kind = ErrUnreachable
		}
		first := r.Skipped[0]
		return fmt.Errorf("nothing could be stocked: %d of %d projects failed, first %s: %s: %w", failed, all, ecosystem.Shown(first.Ecosystem, first.Project, "", ""), first.Reason, kind)
	}
	for _, e := range cfg.Ecosystems { // the outage of one index is hidden by no other
		if n := r.unreachable[e.Name]; !cfg.Force && n*2 > wanted[e.Name] {
			return fmt.Errorf("%d of %d projects could not be fetched; kept the current snapshot: %w", n, wanted[e.Name], ErrUnreachable)
		}
	}
	return nil
}

// programs tells a later `larder run` which interpreter each target was built
// with on this host. It is kept beside the image, not in it: a path is no input.
func programs(targets []Target) map[string]string {
	m := map[string]string{}
	for _, t := range targets {
		if t.Program != "" {
			m[t.Tag] = t.Program
		}
	}
	return m
}

// deadline bounds what asks an index.
type deadline struct {
	at    time.Time
	after time.Duration // 0 is none
}

// late is the end of what asks an index, by a deadline.
type late struct{ after time.Duration }

func (l *late) Error() string {
	return fmt.Sprintf("%v in full: fetching took longer than %v; nothing was published", ErrUnreachable, l.after)
}

func (l *late) Unwrap() error { return ErrUnreachable }

// bound is ctx until the deadline.
func (d deadline) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if d.after == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithDeadlineCause(ctx, d.at, &hinted{&late{d.after},
		"what came is kept: build again, or raise timeout in [build] of the configuration",
	})
}
