package layer

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"larder/builder/wheel/archive"
)

// Compiler turns Python source into bytecode with the target's own interpreter:
// long-lived processes of it, since starting one takes as long as compiling
// twenty files.
//
// The bytes depend on the interpreter, the path and the source only, whatever the
// number of workers, the order, and what a worker compiled before: what comes out of
// marshal is put into a canonical form. For a CPython newer than this program, whose
// code it does not know, that is left out, and with it the promise.
//
// TestCompilerIsDeterministic tries this over the standard library and more.
type Compiler struct {
	interpreter Interpreter
	magic       [4]byte
	cacheTag    string // as in x.cpython-311.pyc
	minor       int    // of Python 3
	program     string // what the workers run
	timeout     time.Duration

	jobs   chan *job
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// job is one source; after done is closed, code or err is set, or neither when
// the source does not compile.
type job struct {
	path   string
	source []byte
	done   chan struct{}
	code   []byte
	err    error
	tries  int
}

//go:embed worker.py
var workerProgram string

const (
	// Sources longer than this get no bytecode. The largest met is 11 MB.
	maxSource = 64 << 20

	// A source takes at most a few seconds (11 MB: 9 s). One that takes this long
	// was made to.
	compileTimeout = 2 * time.Minute

	// Requests sent before their replies are read: enough to never let a worker
	// wait, few enough to share the last files of a build evenly.
	window = 4
)

// NewCompiler starts jobs workers (at least one). Cancelling ctx ends them; so
// does Close.
func NewCompiler(ctx context.Context, in Interpreter, jobs int) (*Compiler, error) {
	return newCompiler(ctx, in, jobs, workerProgram, compileTimeout)
}

func newCompiler(ctx context.Context, in Interpreter, jobs int, program string, timeout time.Duration) (*Compiler, error) {
	ctx, cancel := context.WithCancel(ctx)
	c := &Compiler{interpreter: in, program: program, timeout: timeout, jobs: make(chan *job), ctx: ctx, cancel: cancel}
	// The first one is waited for: it tells whether the interpreter works at all.
	first, err := startWorker(c)
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
	return c, nil
}

// Close ends the workers. Nothing may be compiling.
func (c *Compiler) Close() error {
	c.cancel()
	c.wg.Wait()
	return nil
}

// submit hands a source over; it blocks while all workers are busy.
func (c *Compiler) submit(ctx context.Context, path string, source []byte) (*job, error) {
	j := &job{path: path, source: source, done: make(chan struct{})}
	select {
	case c.jobs <- j:
		return j, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.ctx.Done():
		return nil, c.ctx.Err()
	}
}

func (c *Compiler) wait(ctx context.Context, j *job) ([]byte, error) {
	select {
	case <-j.done:
		return j.code, j.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// cachePath is where the interpreter looks for a source's bytecode
// (importlib.util.cache_from_source).
func (c *Compiler) cachePath(source string) string {
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
	var backlog []*job
	for {
		if w == nil {
			var err error
			if w, err = startWorker(c); err != nil {
				c.refuseAll(backlog, err)
				return
			}
		}
		left, cause := w.serve(c, backlog)
		w.stop()
		w = nil
		if c.ctx.Err() != nil {
			c.refuseAll(left, c.ctx.Err())
			return
		}
		// The first of those without an answer is the one it died of. Once may be
		// bad luck (the kernel short of memory); twice is the source, and what a
		// source crashes here it would crash in pip.
		if len(left) > 0 {
			j := left[0]
			if j.tries++; j.tries == 2 {
				if errors.Is(cause, errCrashed) {
					j.finish(nil, nil)
				} else {
					j.finish(nil, fmt.Errorf("compile %s: %w", archive.Quote(j.path), cause))
				}
				left = left[1:]
			}
		}
		backlog = left
	}
}

// refuseAll fails what this worker has, and all that comes while the compiler is open.
func (c *Compiler) refuseAll(backlog []*job, err error) {
	for _, j := range backlog {
		j.finish(nil, err)
	}
	for {
		select {
		case j := <-c.jobs:
			j.finish(nil, err)
		case <-c.ctx.Done():
			return
		}
	}
}

func (j *job) finish(code []byte, err error) {
	j.code, j.err, j.source = code, err, nil
	close(j.done)
}
