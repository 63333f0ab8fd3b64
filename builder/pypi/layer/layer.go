package layer

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"larder/builder/pypi/layer/bytecode"
	"larder/builder/pypi/wheel"
	"larder/snapshot"
	"larder/snapshot/pypi"
)

// Format names what Build makes of a wheel. It changes whenever the same wheel and
// target give another layer, so that older layers are not taken for new ones.
const Format = "larder layer 2"

// Day is the time of what has no content to take one from: 2000-01-01 UTC.
const Day = 946684800

// MTime is the modification time of a file with the given content: Day and a number
// of seconds (up to 2^29, 17 years) from the first four bytes of its digest. Python
// takes bytecode for current while the time and size of the source are the ones it
// was made from; so two sources that differ must differ in time, though one may
// replace the other in a container's upper without anything being "newer".
func MTime(d snapshot.Digest) int64 {
	return Day + int64(binary.BigEndian.Uint32(d[:4])%(1<<29))
}

// File is one file of a layer.
type File struct {
	Path   string // below the environment's prefix
	Object snapshot.Object
	Size   int64
	MTime  int64
}

// Put stores one file's content. It may be called from several goroutines.
type Put = func(r io.Reader, exec bool) (snapshot.Object, int64, error)

// Compiler makes the bytecode of layers.
type Compiler = bytecode.Compiler

// NewCompiler starts a Compiler of the target's interpreter, with that many processes.
func NewCompiler(ctx context.Context, in Interpreter, jobs int) (*Compiler, error) {
	return bytecode.New(ctx, in.Executable, jobs)
}

// Build makes the layer of a wheel for a target: it hands every file's content to
// put and returns their list, sorted by path. A nil compiler means that the
// target's interpreter is not at hand: the layer has no bytecode, and Python
// compiles as it imports.
//
// Errors: wheel.ErrRefused when the content is not what the archive declares or
// two files would need one path; put's and the compiler's own. What was put before
// an error is the caller's to drop.
func Build(ctx context.Context, w *wheel.Wheel, target pypi.Tag, compiler *Compiler, put Put) ([]File, error) {
	b := &build{ctx: ctx, w: w, compiler: compiler, put: put, files: map[string]File{}, changed: map[string]string{}}
	b.scheme(target)
	b.commands = commands(w.EntryPoints, target.Python())
	if err := b.planFiles(); err != nil {
		return nil, err
	}
	if err := b.unpack(); err != nil {
		return nil, err
	}
	if err := b.generate(); err != nil {
		return nil, err
	}
	files := make([]File, 0, len(b.files))
	for _, f := range b.files {
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files, nil
}

// build is the state of one Build. The words are pip's (operations/install/wheel.py).
type build struct {
	ctx      context.Context
	w        *wheel.Wheel
	compiler *Compiler
	put      Put

	lib      string            // the directory that RECORD's paths are relative to
	dirs     map[string]string // .data's keys -> directories
	commands []wheel.EntryPoint

	plan      []planned
	taken     map[string]string // path -> the entry that is a file there
	parents   map[string]bool   // paths that are directories
	files     map[string]File   // by path: what is in the layer
	changed   map[string]string // paths as RECORD has them -> paths, of files that are not the wheel's byte for byte
	generated []string          // paths of what pip writes itself
	bytecode  []File            // filled by collect
}

// smallFile is what is read into memory as a whole; larger files are streamed,
// unless they are sources.
const smallFile = 1 << 20

// unpack puts the wheel's files, and the bytecode of its sources while the next
// ones are read.
func (b *build) unpack() error {
	sources := make(chan source, 16)
	g, ctx := errgroup.WithContext(b.ctx)
	g.Go(func() error { return b.collect(ctx, sources) })
	g.Go(func() error {
		defer close(sources)
		for _, p := range b.plan {
			if err := b.unpackOne(ctx, p, sources); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// source is a file that is being compiled.
type source struct {
	path  string
	mtime int64
	size  int64
	job   *bytecode.Job
}

func (b *build) unpackOne(ctx context.Context, p planned, sources chan<- source) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r, err := b.w.Open(p.file)
	if err != nil {
		return err
	}
	defer r.Close()
	compile := b.compiler != nil && strings.HasSuffix(p.path, ".py") && p.file.Size <= bytecode.MaxSource
	switch {
	case !p.kept:
		// Not in the layer, but its content must be what the archive declares.
		_, err := io.Copy(io.Discard, r)
		return err
	case p.script && p.file.Size > bytecode.MaxSource:
		return b.refuse(p.file.Name, "is a script of more than %d bytes", bytecode.MaxSource)
	case !compile && !p.script && p.file.Size > smallFile:
		_, err := b.keep(p.path, r, p.file.Exec)
		return err
	}
	text, err := readAll(r, p.file.Size)
	if err != nil {
		return err
	}
	if p.script {
		if rewritten, ok := rewriteScript(text); ok {
			text = rewritten
			b.changed[b.relative(p.path)] = p.path
		}
	}
	o, err := b.keep(p.path, bytes.NewReader(text), p.file.Exec)
	if err != nil {
		return err
	}
	if !compile || !b.bytecodeFits(p.path) {
		return nil
	}
	job, err := b.compiler.Submit(ctx, p.path, text)
	if err != nil {
		return err
	}
	select {
	case sources <- source{p.path, MTime(o.Digest), int64(len(text)), job}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// readAll reads a file of the given declared size without trusting it with more
// than smallFile bytes of memory ahead of what is there.
func readAll(r io.Reader, size int64) ([]byte, error) {
	var buf bytes.Buffer
	buf.Grow(int(min(size, smallFile)) + bytes.MinRead)
	_, err := buf.ReadFrom(r)
	return buf.Bytes(), err
}

// keep puts one file of the layer.
func (b *build) keep(path string, r io.Reader, exec bool) (snapshot.Object, error) {
	o, size, err := b.put(r, exec)
	if err == nil {
		b.files[path] = File{path, o, size, MTime(o.Digest)}
	}
	return o, err
}

// bytecodeFits says whether there is room for a source's bytecode: a wheel may have
// a file where its directory would be, or its name may be too long for the one that
// Python gives the bytecode while it writes it. pip goes on without it.
func (b *build) bytecodeFits(source string) bool {
	const maxName, temporary = 255, len(".140737353904496") // importlib adds an address
	pyc := b.compiler.CachePath(source)
	return len(path.Base(pyc))+temporary <= maxName && b.taken[path.Dir(pyc)] == "" && !b.parents[pyc]
}

// collect puts the bytecode, in the order of the sources. What does not compile has
// none, and no row in RECORD: as pip leaves it.
func (b *build) collect(ctx context.Context, sources <-chan source) error {
	for s := range sources {
		code, err := s.job.Wait(ctx)
		if err != nil {
			return err
		}
		if code == nil {
			continue
		}
		pyc := b.compiler.CachePath(s.path)
		o, size, err := b.put(io.MultiReader(bytes.NewReader(b.compiler.Header(s.mtime, s.size)), bytes.NewReader(code)), false)
		if err != nil {
			return err
		}
		b.bytecode = append(b.bytecode, File{pyc, o, size, MTime(o.Digest)})
	}
	return nil
}

// generate adds what pip writes itself: the entry points' scripts, INSTALLER and
// RECORD.
func (b *build) generate() error {
	for _, f := range b.bytecode {
		b.files[f.Path] = f
	}
	for _, p := range b.commands {
		path := b.dirs["scripts"] + "/" + p.Command
		if err := b.write(path, wrapper(p), true); err != nil {
			return err
		}
		b.generated = append(b.generated, path)
	}
	installer := b.info() + "INSTALLER"
	if err := b.write(installer, []byte("pip\n"), false); err != nil {
		return err
	}
	b.generated = append(b.generated, installer)
	return b.write(b.info()+"RECORD", b.record(), false)
}

// info is the .dist-info directory in the layer, with its slash.
func (b *build) info() string { return b.lib + "/" + b.w.DistInfo + "/" }

func (b *build) write(path string, content []byte, exec bool) error {
	_, err := b.keep(path, bytes.NewReader(content), exec)
	return err
}

func (b *build) refuse(entry, format string, args ...any) error {
	return &wheel.Refusal{File: b.w.Filename, Entry: entry, Rule: fmt.Sprintf(format, args...)}
}
