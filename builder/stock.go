package builder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"larder/builder/pypi/layer"
	"larder/snapshot"
)

// stocked is a pick whose wheel is in the pool.
type stocked struct {
	pick
	body     snapshot.Object // the wheel file
	size     int64
	oldEntry *snapshot.Object // the wheel as pip < 23.3 keeps it
	oldSize  int64
	layer    *builtLayer

	ownMetadata  snapshot.Digest // of the wheel's METADATA
	metadataSize int64           // of METADATA, an object then, when a view serves it; else 0
}

// builtLayer is a wheel as installed for one target.
type builtLayer struct {
	id    string
	files []layer.File
}

// stockJob is one wheel file and all the picks of it.
type stockJob struct {
	picks  []pick
	out    []stocked
	known  bool // the previous snapshot has this wheel
	served bool // and a view with its bytes
	reused bool // and all else that is wanted of it: nothing is made
}

// stocking is the state of the pipeline that fetches, checks and unpacks.
type stocking struct {
	*build
	mu        sync.Mutex
	compilers map[int]*layer.Compiler // by target
	start     time.Time
	fetched   int
	unpacked  int
	total     int
	unfit     []unfit // all so far
	chosen    int     // of them, those for which another was looked for
}

// stock brings every picked wheel into the pool and makes the layers. Ranked
// wheels that cannot be had are skipped and reported; a locked one fails the build.
func (b *build) stock(ctx context.Context) ([]stocked, error) {
	s := &stocking{build: b, compilers: map[int]*layer.Compiler{}, start: time.Now()}
	defer s.closeCompilers()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil) // and not before the last layer: the compilers live as long
	var all []stocked
	for picks := b.plan.picks; len(picks) > 0; {
		jobs := s.jobs(picks)
		if err := s.pipeline(ctx, cancel, jobs); err != nil {
			return nil, err
		}
		for _, j := range jobs {
			all = append(all, j.out...)
		}
		var err error
		if picks, err = s.instead(ctx, all); err != nil {
			return nil, err
		}
	}
	pips, err := s.bundledPips(ctx, all)
	if err != nil {
		return nil, err
	}
	all = append(all, pips...)
	slices.SortFunc(all, func(a, b stocked) int {
		if a.target != b.target {
			return a.target - b.target
		}
		return bytes.Compare([]byte(a.project+"\x00"+a.file.SHA256), []byte(b.project+"\x00"+b.file.SHA256))
	})
	b.recount(all)
	return all, nil
}

// pipeline fetches, checks and unpacks the wheels of the jobs.
func (s *stocking) pipeline(ctx context.Context, cancel context.CancelCauseFunc, jobs []*stockJob) error {
	s.total += len(jobs)

	// One context for both halves: an error in either ends the other. (errgroup's
	// own ends with its Wait, while the unpackers still need theirs.)
	fctx, done := s.fetching(ctx)
	defer done()
	run := func(ctx context.Context, f func(context.Context, *stockJob) error, j *stockJob) {
		if err := f(ctx, j); err != nil {
			cancel(whyEnded(ctx, err)) // the first one is kept
		}
	}
	var fetching, unpacking errgroup.Group
	fetching.SetLimit(s.Jobs)
	unpacking.SetLimit(runtime.GOMAXPROCS(0))
	// The channel decouples the two: a fetch slot never waits for a free unpacker.
	ready := make(chan *stockJob, len(jobs))
	var feeder errgroup.Group
	feeder.Go(func() error {
		for j := range ready {
			unpacking.Go(func() error { run(ctx, s.unpack, j); return nil })
		}
		return unpacking.Wait()
	})
	for _, j := range jobs {
		fetching.Go(func() error {
			run(fctx, s.fetch, j)
			if j.out != nil {
				ready <- j
			}
			return nil
		})
	}
	fetching.Wait()
	s.report.Seconds["fetch"] = time.Since(s.start).Seconds()
	close(ready)
	feeder.Wait()
	s.report.Seconds["unpack"] = time.Since(s.start).Seconds()
	return context.Cause(ctx)
}

// jobs groups the picks by wheel file, largest first so that the last download is
// not the longest.
func (s *stocking) jobs(picks []pick) []*stockJob {
	bySHA := map[string]*stockJob{}
	var jobs []*stockJob
	for _, p := range picks {
		j := bySHA[p.file.SHA256]
		if j == nil {
			j = &stockJob{}
			bySHA[p.file.SHA256] = j
			jobs = append(jobs, j)
		}
		j.picks = append(j.picks, p)
	}
	slices.SortStableFunc(jobs, func(a, b *stockJob) int {
		return int(max(-1, min(1, b.picks[0].file.Size-a.picks[0].file.Size)))
	})
	return jobs
}

// fail decides what the loss of a wheel means: the end of the build when a lock
// names it, a skip when only the ranking does, nothing when nobody asked for it.
func (s *stocking) fail(j *stockJob, err error) error {
	if hostFault(err) {
		return fmt.Errorf("stock %s: %w", j.picks[0].file.Filename, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	j.out = nil
	for _, p := range j.picks {
		if err := s.lose(p, err); err != nil {
			return err
		}
	}
	return nil
}

// lose is fail for one pick. The caller holds mu.
func (s *stocking) lose(p pick, err error) error {
	switch {
	case p.locked && isSilence(err):
		return unreachable(err)
	case p.locked:
		return &hinted{
			fmt.Errorf("%w: a lock names %s==%s: %w; nothing was published", ErrRefused, p.project, p.version, err),
			"a lock is stocked whole or not at all: lock another version, or take the line out",
		}
	case p.tool: // the interpreter has one
	default:
		s.skip(p.project, p.version.String(), p.target, err)
	}
	return nil
}

// hostFault says whether an error is the host's. Then no wheel and no project is to
// blame: the build fails rather than skip it.
func hostFault(err error) bool {
	return errors.Is(err, snapshot.ErrSpace) || errors.Is(err, snapshot.ErrHost) || snapshot.HostFault(err) != 0
}

// recount sets the report's figures from what is really there.
func (b *build) recount(all []stocked) {
	wheels := map[string]bool{}
	b.report.Layers = 0
	for _, s := range all {
		if s.tool {
			continue
		}
		wheels[s.file.SHA256] = true
		if s.layer != nil {
			b.report.Layers++
		}
	}
	b.report.Wheels = len(wheels)
}
