package bytecode

import (
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"larder/builder/memory"
	"larder/builder/pypi/wheel"
)

// Compiler is a set of processes of one interpreter.
type Compiler struct {
	executable string
	magic      [4]byte
	cacheTag   string // as in x.cpython-311.pyc
	minor      int    // of Python 3
	program    string // what the workers run
	timeout    time.Duration
	allowed    allowance // of a large source

	jobs   chan *Job // sources of a small allowance
	large  chan *Job
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// Job is one source on its way.
type Job struct {
	path   string
	source []byte
	done   chan struct{} // closed when the rest is set
	code   []byte
	err    error
	tries  int
}

//go:embed worker.py
var workerProgram string

// allowance is what a source may cost. One that takes more has no bytecode, on every
// host alike: it was made to, and Python would not get far with it either.
type allowance struct {
	memory int64 // bytes of the interpreter's data
	code   int   // bytes that come out
}

// Sources of every kind were tried on 3.9 and 3.12: the interpreter takes up to 650
// bytes and makes up to 3 for each of the source's. Putting the code in its canonical
// form takes up to 30 times its size, and belongs to the same part of the budget.
var (
	small = allowance{memory: memory.Worker - 64<<20, code: 2 << 20}
	large = allowance{memory: memory.Source - 1<<30, code: 32 << 20}
)

// smallSource is the length of the longest source that has the small allowance.
const smallSource = 192 << 10

// MaxSource is the length of the longest source worth submitting. The largest of
// real wheels is 11 MB.
const MaxSource = 64 << 20

const (
	// A source takes at most a few seconds (11 MB: 9 s). One that takes this long
	// was made to.
	compileTimeout = 2 * time.Minute

	// Requests sent before their replies are read: enough to never let a worker
	// wait, few enough to share the last files of a build evenly.
	window = 4
)

// New starts jobs processes (at least one; [memory.MaxWorkers] fit the budget of a
// build) of the interpreter. Cancelling ctx ends them; so does Close.
func New(ctx context.Context, executable string, jobs int) (*Compiler, error) {
	return start(ctx, executable, jobs, workerProgram, compileTimeout)
}

func start(ctx context.Context, executable string, jobs int, program string, timeout time.Duration) (*Compiler, error) {
	ctx, cancel := context.WithCancel(ctx)
	c := &Compiler{executable: executable, program: program, timeout: timeout, allowed: large, jobs: make(chan *Job), large: make(chan *Job), ctx: ctx, cancel: cancel}
	// The first one is waited for: it tells whether the interpreter works at all.
	first, err := startWorker(c, small)
	if err != nil {
		cancel()
		return nil, err
	}
	c.magic, c.cacheTag = first.magic, first.cacheTag
	c.minor = first.minor
	for i := range max(jobs, 1) {
		w := first
		if i > 0 {
			w = nil
		}
		c.wg.Go(func() { c.run(w) })
	}
	c.wg.Go(c.runLarge)
	return c, nil
}

// Close ends the workers. Nothing may be compiling.
func (c *Compiler) Close() {
	c.cancel()
	c.wg.Wait()
}

// Submit hands a source over; it blocks while all workers are busy. The path is what
// tracebacks show until Python has imported the code once.
func (c *Compiler) Submit(ctx context.Context, path string, source []byte) (*Job, error) {
	j := &Job{path: path, source: source, done: make(chan struct{})}
	to := c.jobs
	if len(source) > smallSource {
		to = c.large
	}
	select {
	case to <- j:
		return j, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.ctx.Done():
		return nil, c.ctx.Err()
	}
}

// Wait returns the marshalled code, nil when the source does not compile.
func (j *Job) Wait(ctx context.Context) ([]byte, error) {
	select {
	case <-j.done:
		return j.code, j.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Header is what stands before the code in a .pyc that counts while its source has
// this time and size (PEP 552: magic, flags 0, time, size).
func (c *Compiler) Header(mtime, size int64) []byte {
	b := append([]byte(nil), c.magic[:]...)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(mtime))
	return binary.LittleEndian.AppendUint32(b, uint32(size))
}

// CachePath is where the interpreter looks for a source's bytecode
// (importlib.util.cache_from_source).
func (c *Compiler) CachePath(source string) string {
	dir, base := path.Split(source)
	stem := strings.TrimSuffix(base, ".py")
	if stem == "" {
		stem = "py"
	}
	return dir + "__pycache__/" + stem + "." + c.cacheTag + ".pyc"
}

// run keeps one worker process going until the compiler is closed, replacing it
// when it dies.
func (c *Compiler) run(w *worker) {
	var backlog []*Job
	for {
		if w == nil {
			var err error
			if w, err = startWorker(c, small); err != nil {
				c.refuseAll(backlog, c.jobs, err)
				return
			}
		}
		left, cause := w.serve(c, backlog)
		w.stop()
		w = nil
		if c.ctx.Err() != nil {
			c.refuseAll(left, c.jobs, c.ctx.Err())
			return
		}
		// The first of those without an answer is the one it died of.
		if len(left) > 0 && !left[0].again(cause) {
			left = left[1:]
		}
		backlog = left
	}
}

// runLarge compiles the large sources, each in a process of its own: what one has used
// stays with it.
func (c *Compiler) runLarge() {
	for {
		select {
		case j := <-c.large:
			if err := c.compileLarge(j); err != nil {
				c.refuseAll([]*Job{j}, c.large, err)
				return
			}
		case <-c.ctx.Done():
			return
		}
	}
}

func (c *Compiler) compileLarge(j *Job) error {
	giveBack, err := memory.TakeSource(c.ctx)
	if err != nil {
		return err
	}
	defer giveBack()
	for {
		w, err := startWorker(c, c.allowed)
		if err != nil {
			return err
		}
		sent := make(chan *Job, 1)
		sent <- j
		close(sent)
		// A send that fails shows as a reply that does not come.
		_ = w.send(j)
		left := w.receive(sent, c.timeout)
		cause := w.cause()
		switch {
		case len(left) == 0:
			return nil
		case c.ctx.Err() != nil:
			return c.ctx.Err()
		case !j.again(cause):
			return nil
		}
	}
}

// again says whether a job that a worker died of is worth another try, else settles
// it. Once may be bad luck (the kernel short of memory); twice is the source, and what
// a source crashes here it would crash in pip.
func (j *Job) again(cause error) bool {
	if j.tries++; j.tries < 2 {
		return true
	}
	if errors.Is(cause, errCrashed) {
		j.finish(nil, nil)
	} else {
		j.finish(nil, fmt.Errorf("compile %s: %w", wheel.Quote(j.path), cause))
	}
	return false
}

// refuseAll fails what this worker has, and all that comes while the compiler is open.
func (c *Compiler) refuseAll(backlog []*Job, coming <-chan *Job, err error) {
	for _, j := range backlog {
		j.finish(nil, err)
	}
	for {
		select {
		case j := <-coming:
			j.finish(nil, err)
		case <-c.ctx.Done():
			return
		}
	}
}

func (j *Job) finish(code []byte, err error) {
	j.code, j.err, j.source = code, err, nil
	close(j.done)
}
