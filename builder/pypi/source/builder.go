package source

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"larder/builder"
	"larder/builder/pypi/layer"
	"larder/builder/pypi/source/sdist"
	"larder/builder/sandbox"
	"larder/snapshot"
	"larder/snapshot/failpoint"
	"larder/snapshot/pypi"
)

// Config is what a Builder works with.
type Config struct {
	Tag         pypi.Tag          // of the target
	Interpreter layer.Interpreter // of the target, on this host
	Sandbox     Sandbox
	Scratch     string // directory of scratch files
	// Fetch gets the wheel of a build dependency. Without an error, its bytes have the digest.
	Fetch func(ctx context.Context, d Dependency) (r builder.Reader, size int64, err error)
	// Failed is what is remembered of a recipe, nil for nothing.
	Failed func(recipe snapshot.Digest) *Failure
	// System is what machine code is built in; nil: none is. Libraries are those that it may need beside
	// what every container has, by the names that programs ask the loader for, such as libpq.so.5.
	System    *System
	Libraries []string
}

// Sandbox runs one command that nobody trusts: *sandbox.Runner.
type Sandbox interface {
	Run(ctx context.Context, s sandbox.Spec) (*sandbox.Result, error)
}

// Builder makes wheels of sources, for one target. Its methods may be called from any goroutine.
type Builder struct {
	cfg  Config
	dir  string // its own scratch
	seen seen
	root *root // of builds without machine code

	natives  once[*root]        // of builds with machine code
	resolved once[[]Dependency] // what pip chose
	sites    once[string]       // directories of unpacked build dependencies
}

// Open asks the interpreter what builds need of it.
func Open(ctx context.Context, cfg Config) (*Builder, error) {
	found, err := askInterpreter(ctx, cfg.Interpreter)
	if err != nil {
		return nil, err
	}
	pure, err := found.root()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(cfg.Scratch, "source-*")
	if err != nil {
		return nil, err
	}
	return &Builder{cfg: cfg, dir: dir, seen: found, root: pure}, nil
}

// Close removes the Builder's scratch. Wheels that it made stay readable until they are closed.
func (b *Builder) Close() error { return os.RemoveAll(b.dir) }

// Source is a source archive of an index.
type Source struct {
	Project, Version string
	Filename         string
	Digest           snapshot.Digest // as the index published it
	Native           bool            // it may have machine code
	Open             func() (io.ReadCloser, error)
}

// archive is a source in scratch, whose bytes have its digest.
type archive struct {
	source Source
	path   string
	size   int64
	system sdist.System
}

// open copies a source into scratch and reads how it wants to be built.
func (b *Builder) open(ctx context.Context, s Source) (*archive, error) {
	a := &archive{source: s}
	r, err := s.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	f, err := os.CreateTemp(b.dir, "archive-*")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	a.path = f.Name()
	sum := sha256.New()
	a.size, err = io.Copy(io.MultiWriter(f, sum), r)
	if err == nil {
		err = f.Chmod(0o644) // the sandbox's user is another
	}
	if err == nil && snapshot.Digest(sum.Sum(nil)) != s.Digest {
		err = fmt.Errorf("%s: its SHA-256 is %x, not %s", s.Filename, sum.Sum(nil), s.Digest)
	}
	var read *sdist.Source
	if err == nil {
		read, err = sdist.Read(ctx, f, a.size)
	}
	if err != nil {
		a.remove()
		return nil, asFailure(err)
	}
	a.system = read.System
	return a, nil
}

// asFailure makes a Failure of what is the archive's own fault.
func asFailure(err error) error {
	if errors.Is(err, sdist.ErrSource) {
		return fail(BadSource, "%s", err)
	}
	return err
}

func (a *archive) remove() { os.Remove(a.path) }

// Attempt is a recipe that was tried and does not work.
type Attempt struct {
	Recipe  Recipe
	Failure *Failure
}

// rungs are what is tried one after the other where setuptools builds: older releases of it took what
// newer ones refuse. 81 lacks pkg_resources' last users' interfaces and 58 lacks use_2to3; what builds a
// wheel was part of project wheel in the time of the last.
var rungs = [][]string{nil, {"setuptools<81"}, {"setuptools<58", "wheel<0.46"}}

// climbable are the failures that an older setuptools may mend. Old sources fetch one where they do not
// find what they need of it.
var climbable = []string{BuildFailed, MissingRequirement, NeedsNetwork}

// Build makes the wheel of a source by the first recipe that works. What it returns besides are those
// that were tried before and do not: they need not be tried again. The error of a source that cannot be
// built is the *Failure of the first recipe.
func (b *Builder) Build(ctx context.Context, s Source) (_ *Wheel, _ []Attempt, err error) {
	defer func() { err = unlessOver(ctx, err) }()
	a, err := b.open(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	defer a.remove()
	kind, err := b.kindOf(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	ladder := rungs[:1]
	if a.system.Setuptools() {
		ladder = rungs
	}
	c := &climb{Builder: b, archive: a, kind: kind, failed: map[snapshot.Digest]bool{}}
	var first error
	for _, constraints := range ladder {
		w, err := c.step(ctx, constraints)
		var f *Failure
		if err == nil || !errors.As(err, &f) {
			return w, c.attempts, err
		}
		if first == nil {
			first = err
		}
		if !slices.Contains(climbable, f.Reason) {
			break // another setuptools mends nothing
		}
	}
	return nil, c.attempts, b.explain(s, first)
}

// climb is the state of one Build.
type climb struct {
	*Builder
	*archive
	kind     string // of its recipes
	attempts []Attempt
	failed   map[snapshot.Digest]bool // recipes
}

// step tries one rung.
func (c *climb) step(ctx context.Context, constraints []string) (*Wheel, error) {
	requires, err := c.resolve(ctx, c.system.Requires, constraints)
	if err != nil {
		return nil, err
	}
	recipe, err := c.recipe(ctx, c.archive, c.kind, requires)
	if err != nil {
		return nil, err
	}
	var more []string
	if err := c.attempt(ctx, recipe, func() (err error) {
		more, err = c.ask(ctx, c.archive, recipe)
		return err
	}); err != nil {
		return nil, err
	}
	if len(more) > 0 {
		if recipe.Requires, err = c.resolve(ctx, append(append([]string{}, c.system.Requires...), more...), constraints); err != nil {
			return nil, err
		}
	}
	failpoint.Here("source: recipe planned")
	var w *Wheel
	err = c.attempt(ctx, recipe, func() (err error) {
		w, err = c.make(ctx, c.archive, recipe)
		return err
	})
	return w, err
}

// attempt runs what a recipe decides, unless it is known to fail, and keeps what of it failed.
func (c *climb) attempt(ctx context.Context, recipe Recipe, run func() error) error {
	id := recipe.ID()
	if c.cfg.Failed != nil {
		if f := c.cfg.Failed(id); f != nil {
			return f
		}
	}
	if c.failed[id] {
		return fail(BuildFailed, "its build was tried with these build requirements already")
	}
	err := unlessOver(ctx, run())
	var f *Failure
	if errors.As(err, &f) {
		c.failed[id] = true
		c.attempts = append(c.attempts, Attempt{recipe, f})
	}
	return err
}

// unlessOver is an error, unless the context is over: then what is returned may be why, such as the
// failure of another source that ended all that were being built. It says nothing of this one.
func unlessOver(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// Make makes the wheel of a source by a recipe, which asks no index for anything but what it names. The
// error is a *Failure, ErrRecipe, or the host's.
func (b *Builder) Make(ctx context.Context, s Source, r Recipe) (_ *Wheel, err error) {
	defer func() { err = unlessOver(ctx, err) }()
	if err := b.fits(ctx, r, s); err != nil {
		return nil, err
	}
	a, err := b.open(ctx, s)
	if err != nil {
		return nil, err
	}
	defer a.remove()
	return b.make(ctx, a, r)
}
