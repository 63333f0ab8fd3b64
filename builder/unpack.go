package builder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"runtime"
	"slices"
	"strings"

	"larder/builder/memory"
	"larder/builder/pypi/layer"
	"larder/builder/pypi/wheel"
	"larder/snapshot"
)

// unpack checks the archive and makes what the snapshot wants of it.
func (s *stocking) unpack(ctx context.Context, j *stockJob) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	err := s.unpackAll(ctx, j)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.mu.Lock()
	s.unpacked++
	s.events.send(Event{Stage: "unpack", Done: s.unpacked, Total: s.total, Bytes: s.report.FetchedBytes, Item: j.picks[0].file.Filename})
	s.mu.Unlock()
	if err != nil {
		return s.fail(j, err)
	}
	return nil
}

func (s *stocking) unpackAll(ctx context.Context, j *stockJob) error {
	if j.reused {
		return nil
	}
	f := j.picks[0].file
	giveBack, err := memory.TakeReader(ctx, wheel.Memory(j.out[0].size))
	if err != nil {
		return err
	}
	defer giveBack()
	r, err := s.stage.Open(j.out[0].body)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := wheel.Open(r, j.out[0].size, f.Filename)
	if err != nil {
		return err
	}
	if err := s.dropUnfit(j, w.Metadata.RequiresPython); err != nil || len(j.out) == 0 {
		return err
	}
	read := j.known // by the build that first stocked it
	for i := range j.out {
		had := j.out[i].layer != nil
		if err := s.makeLayer(ctx, w, &j.out[i]); err != nil {
			return err
		}
		read = read || !had && j.out[i].layer != nil
	}
	if !read {
		// Making a layer reads every byte against its checksum; so does this.
		if err := w.Verify(); err != nil {
			return err
		}
	}
	if err := s.takeMetadata(j, w); err != nil {
		return err
	}
	return s.makeOldEntry(j, io.NewSectionReader(r, 0, j.out[0].size))
}

// takeMetadata takes the wheel's METADATA, for the views that serve it.
func (s *stocking) takeMetadata(j *stockJob, w *wheel.Wheel) error {
	at := slices.IndexFunc(w.Files(), func(f *wheel.File) bool { return f.Name == w.DistInfo+"/METADATA" })
	if at < 0 {
		return nil // Open refuses such a wheel
	}
	r, err := w.Open(w.Files()[at])
	if err != nil {
		return err
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if s.shelf != nil {
		s.shelf.memory.put(j.picks[0].file.SHA256, w.Metadata.RequiresDist, true)
	}
	own, served := snapshot.Sum(text), int64(0)
	if s.metadataServed(j.picks[0].file, own) {
		if _, err := s.stage.PutBytes(text, false); err != nil {
			return err
		}
		served = int64(len(text))
	}
	j.setMetadata(own, served)
	return nil
}

// layerID names the layer of a pick: the first 12 hexadecimal digits of a digest
// over all that decides its content. A new way of making layers gets a new first
// line, so that no older layer is taken for one of its own.
func (b *build) layerID(p pick) string {
	t := b.Targets[p.target]
	python := t.Python
	if t.Interpreter == nil {
		python = "no bytecode"
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{layer.Format, t.Tag, python, p.file.SHA256}, "\n")))
	return hex.EncodeToString(sum[:6])
}

// layerWanted says whether a pick gets a layer.
func (b *build) layerWanted(p pick) bool { return b.Layers || p.locked || p.tool }

// makeLayer installs the wheel for one target, into the pool, unless that was done before.
func (s *stocking) makeLayer(ctx context.Context, w *wheel.Wheel, out *stocked) error {
	if !s.layerWanted(out.pick) || out.layer != nil {
		return nil
	}
	compiler, err := s.compiler(ctx, out.target)
	if err != nil {
		return err
	}
	files, err := layer.Build(ctx, w, s.Targets[out.target].Target, compiler, s.put)
	if err != nil {
		return err
	}
	out.layer = &builtLayer{id: s.layerID(out.pick), files: files}
	return nil
}

// put stages one file of a layer.
func (s *stocking) put(r io.Reader, exec bool) (snapshot.Object, int64, error) {
	w, err := s.stage.NewObject()
	if err != nil {
		return snapshot.Object{}, 0, err
	}
	defer w.Abort()
	if _, err := io.Copy(w, r); err != nil {
		return snapshot.Object{}, 0, err
	}
	return w.Commit(exec)
}

// compiler returns the target's compiler, started when first needed; nil when the
// target has no interpreter on this host.
func (s *stocking) compiler(ctx context.Context, target int) (*layer.Compiler, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.compilers[target]; ok {
		return c, nil
	}
	in := s.Targets[target].Interpreter
	if in == nil {
		s.Warn("no " + s.Targets[target].Tag + " interpreter on this host: its layers have no bytecode")
		s.compilers[target] = nil
		return nil, nil
	}
	// The targets share what the interpreters of a build may use.
	c, err := layer.NewCompiler(ctx, *in, min(runtime.GOMAXPROCS(0), memory.MaxWorkers/len(s.Targets)))
	if err != nil {
		return nil, err
	}
	s.compilers[target] = c
	return c, nil
}

func (s *stocking) closeCompilers() {
	for _, c := range s.compilers {
		if c != nil {
			c.Close()
		}
	}
}

// warn is Warn for the pipeline's goroutines.
func (s *stocking) warn(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Warn(line)
}
