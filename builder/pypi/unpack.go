package pypi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"slices"

	"larder/builder"
	"larder/builder/memory"
	"larder/builder/pypi/index"
	"larder/builder/pypi/layer"
	"larder/builder/pypi/view"
	"larder/builder/pypi/wheel"
	"larder/snapshot"
	"larder/snapshot/image"
	"larder/snapshot/pypi"
	"larder/snapshot/pypi/pep440"
)

func (w *world) Reuse(it *builder.Item, row snapshot.ManifestArtifact) bool {
	detail, err := pypi.WheelOf(row)
	if err != nil || detail.MetadataSHA256.IsZero() {
		return false
	}
	v := w.newWheel(it, detail.MetadataSHA256)
	if object, _ := view.Metadata(w.cfg.Views); object && v.Metadata {
		v.MetadataSize, err = w.stage.Check(snapshot.Object{Digest: v.MetadataSHA256})
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) { // it need not be an object: a view of old pips only has it inside an entry
				w.cfg.Warn(fmt.Sprintf("METADATA of %s is taken from the wheel again: %v", it.Filename, err))
			}
			return false
		}
	}
	it.Parts, it.Detail = v, v.Detail()
	return true
}

// newWheel is what views serve of an item whose METADATA has that digest. It stands for what the
// index serves beside the wheel only where the index has such a file, and under no other hash. The
// index's bytes are never taken: without a hash anybody could have written them, and with one they
// are the wheel's or not what pip would install.
func (w *world) newWheel(it *builder.Item, metadata snapshot.Digest) *view.Wheel {
	f := it.Own.(index.File)
	return &view.Wheel{Wheel: pypi.Wheel{
		RequiresPython: f.RequiresPython, MetadataSHA256: metadata,
		Metadata: it.Built == nil && f.Metadata && (f.MetadataSHA256 == "" || f.MetadataSHA256 == metadata.String()),
	}, Pythons: w.pythons(it.Filename)}
}

// pythons are those of all targets that accept a wheel by its name, also of those for which another
// one was chosen: a lock of theirs may name this one.
func (w *world) pythons(filename string) []string {
	name, err := wheel.ParseName(filename)
	if err != nil {
		return nil // Open refuses it
	}
	var all []string
	for _, t := range w.targets {
		if _, ok := t.Tag.Rank(name.Python, name.ABI, name.Platform); ok {
			all = append(all, t.Tag.Python())
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (w *world) Unpack(ctx context.Context, it *builder.Item, r builder.Reader, put builder.Put) ([]builder.Unfit, error) {
	giveBack, err := memory.TakeReader(ctx, wheel.Memory(it.Size))
	if err != nil {
		return nil, err
	}
	defer giveBack()
	x, err := wheel.Open(r, it.Size, it.Filename)
	if err != nil {
		return nil, err
	}
	unfit, err := w.unfit(it, x.Metadata.RequiresPython)
	if err != nil || len(unfit) == len(it.Picks) {
		return unfit, err
	}
	read := it.Known // by the build that first stocked it
	for _, p := range it.Unmade() {
		if slices.ContainsFunc(unfit, func(u builder.Unfit) bool { return u.Pick == p }) {
			continue
		}
		if p.Layer, err = w.layer(ctx, x, w.targets[p.Target], put); err != nil {
			return nil, err
		}
		read = true
	}
	if !read {
		// Making a layer reads every byte against its checksum; so does this.
		if err := x.Verify(); err != nil {
			return nil, err
		}
	}
	return unfit, w.takeMetadata(it, x)
}

// unfit are the picks whose target's Python METADATA does not allow: an index need not say so on
// its page. pip looks there too.
func (w *world) unfit(it *builder.Item, requires string) ([]builder.Unfit, error) {
	var unfit []builder.Unfit
	for _, p := range it.Picks {
		t := w.targets[p.Target]
		python, err := pep440.Parse(t.Python)
		if err != nil {
			return nil, fmt.Errorf("version %q of the interpreter: %w", t.Python, err)
		}
		if !allows(requires, python) && it.URL != "" {
			unfit = append(unfit, builder.Unfit{Pick: p, Err: fmt.Errorf("%s needs Python %.80q by its METADATA, %s has %s", it.Filename, requires, t.Tag, t.Python)})
		}
	}
	return unfit, nil
}

// layer installs a wheel for one target into the pool.
func (w *world) layer(ctx context.Context, x *wheel.Wheel, t Target, put builder.Put) ([]image.Entry, error) {
	compiler, err := w.compiler(ctx, t)
	if err != nil {
		return nil, err
	}
	files, err := layer.Build(ctx, x, t.Tag, compiler, put)
	entries := make([]image.Entry, len(files))
	for i, f := range files {
		entries[i] = image.Entry{Path: f.Path, Object: f.Object, Size: f.Size, MTime: f.MTime}
	}
	return entries, err
}

// compiler returns the target's compiler, started when first needed; nil when the
// target has no interpreter on this host.
func (w *world) compiler(ctx context.Context, t Target) (*layer.Compiler, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, ok := w.compilers[t.Tag]
	if ok {
		return c, nil
	}
	if t.Interpreter == nil {
		w.cfg.Warn("no " + t.Tag.String() + " interpreter on this host: its layers have no bytecode")
	} else {
		// The targets share what the interpreters of a build may use.
		var err error
		if c, err = layer.NewCompiler(ctx, *t.Interpreter, min(runtime.GOMAXPROCS(0), memory.MaxWorkers/len(w.targets))); err != nil {
			return nil, err
		}
	}
	w.compilers[t.Tag] = c
	return c, nil
}

// takeMetadata takes the wheel's METADATA, for the views that serve it.
func (w *world) takeMetadata(it *builder.Item, x *wheel.Wheel) error {
	at := slices.IndexFunc(x.Files(), func(f *wheel.File) bool { return f.Name == x.DistInfo+"/METADATA" })
	if at < 0 || it.URL == "" {
		return nil // Open refuses such a wheel; no view has what no index offers
	}
	r, err := x.Open(x.Files()[at])
	if err != nil {
		return err
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if w.planner != nil {
		w.planner.memory.put(it.Digest, x.Metadata.RequiresDist, true)
	}
	v := w.newWheel(it, snapshot.Sum(text))
	if v.Metadata {
		v.MetadataSize = int64(len(text))
		object, asText := view.Metadata(w.cfg.Views)
		if asText {
			v.MetadataText = text
		}
		if object {
			if _, err := w.stage.PutBytes(text, false); err != nil {
				return err
			}
		}
	}
	it.Parts, it.Detail = v, v.Detail()
	return nil
}
