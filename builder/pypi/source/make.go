package source

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"larder/builder/memory"
	"larder/builder/pypi/source/canonical"
	"larder/builder/pypi/wheel"
	"larder/snapshot"
	"larder/snapshot/failpoint"
	"larder/snapshot/pypi/pep440"
	"larder/snapshot/pypi/pep508"
)

// Wheel is what two builds agreed on, in canonical form. It is read like a file, and gone once it is
// closed.
type Wheel struct {
	*os.File
	Recipe   Recipe
	Filename string
	Digest   snapshot.Digest
	Size     int64
	Kind     string // snapshot.Pure or snapshot.Native

	files []canonical.File
}

// Close removes the wheel.
func (w *Wheel) Close() error {
	return errors.Join(w.File.Close(), os.Remove(w.File.Name()))
}

// make builds twice and compares.
func (b *Builder) make(ctx context.Context, a *archive, r Recipe) (*Wheel, error) {
	first, err := b.build(ctx, a, r, 0)
	if err != nil {
		return nil, err
	}
	failpoint.Here("source: built once")
	second, err := b.build(ctx, a, r, 1)
	if err != nil {
		first.Close()
		return nil, err
	}
	defer second.Close()
	if differ := difference(first, second); differ != "" {
		first.Close()
		return nil, fail(NotRepeatable, "two builds differ in %s", differ)
	}
	return first, nil
}

// difference names the first file that differs, "" for none.
func difference(a, b *Wheel) string {
	if a.Filename != b.Filename {
		return fmt.Sprintf("the wheel's name, %s and %s", a.Filename, b.Filename)
	}
	if a.Digest == b.Digest {
		return ""
	}
	for i := range max(len(a.files), len(b.files)) {
		switch {
		case i >= len(a.files):
			return wheel.Quote(b.files[i].Path)
		case i >= len(b.files) || a.files[i].Path < b.files[i].Path:
			return wheel.Quote(a.files[i].Path)
		case a.files[i] != b.files[i]:
			return wheel.Quote(b.files[i].Path)
		}
	}
	return "their bytes"
}

// build builds once.
func (b *Builder) build(ctx context.Context, a *archive, r Recipe, vary int) (*Wheel, error) {
	result, err := b.run(ctx, a, r, buildHook, vary)
	if err != nil {
		return nil, err
	}
	defer result.Close()
	name, err := theWheel(result.Output)
	if err != nil {
		return nil, err
	}
	f, size, err := openRegular(result.Output, name)
	if err != nil {
		return nil, fail(BadWheel, "%s is no regular file", line(name))
	}
	defer f.Close()
	giveBack, err := memory.TakeReader(ctx, wheel.Memory(size))
	if err != nil {
		return nil, err
	}
	defer giveBack()
	w, err := wheel.Open(f, size, name)
	if err != nil {
		return nil, refused(err)
	}
	checked, err := b.check(w, r, a.source)
	if err != nil {
		return nil, err
	}
	out, err := b.write(w, checked.changed)
	if err != nil {
		return nil, refused(err)
	}
	out.Recipe, out.Filename, out.Kind = r, checked.filename, checked.kind
	return out, nil
}

// refused makes a Failure of what package wheel does not take.
func refused(err error) error {
	if r := (*wheel.Refusal)(nil); errors.As(err, &r) {
		return fail(BadWheel, "%s", r)
	}
	return err
}

// theWheel is the one file in a build's output. What else is there belongs to no wheel, and a back end
// that leaves it does something that is not asked for.
func theWheel(out *os.Root) (string, error) {
	dir, err := out.Open(".")
	if err != nil {
		return "", err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(3)
	if err != nil && err != io.EOF {
		return "", err
	}
	slices.Sort(names)
	switch {
	case len(names) == 0:
		return "", fail(BadWheel, "it made no wheel")
	case len(names) > 1:
		return "", fail(BadWheel, "it made more than one file, %s and %s", line(names[0]), line(names[1]))
	}
	return names[0], nil
}

// openRegular opens a regular file of a hostile directory: no link, no pipe that would block.
func openRegular(out *os.Root, name string) (*os.File, int64, error) {
	if info, err := out.Lstat(name); err != nil || !info.Mode().IsRegular() {
		return nil, 0, errors.Join(err, fs.ErrInvalid)
	}
	f, err := out.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, 0, errors.Join(err, fs.ErrInvalid)
	}
	return f, info.Size(), nil
}

// check says what a wheel becomes, if it is of the source, for the target, and without what its recipe
// refuses.
func (b *Builder) check(w *wheel.Wheel, r Recipe, s Source) (*outcome, error) {
	if w.Name.Project != pep508.Normalize(s.Project) || !sameVersion(w.Name.Version, s.Version) {
		return nil, fail(WrongName, "it made %s of %s %s", w.Filename, s.Project, s.Version)
	}
	universal := slices.Equal(w.Name.ABI, []string{"none"}) && slices.Equal(w.Name.Platform, []string{"any"})
	if r.Kind == snapshot.Pure && !universal {
		return nil, fail(MachineCode, "it made %s, which is for some machines only", w.Filename)
	}
	var code []*wheel.File
	for _, f := range w.Files() {
		elf, err := isELF(w, f)
		if err != nil {
			return nil, refused(err)
		}
		if elf {
			code = append(code, f)
		}
	}
	switch {
	case r.Kind == snapshot.Native && (!universal || len(code) > 0):
		return b.retag(w, r, code)
	case len(code) > 0:
		return nil, fail(MachineCode, "%s in %s is machine code", wheel.Quote(code[0].Path), w.Filename)
	}
	if _, ok := b.cfg.Tag.Rank(w.Name.Python, w.Name.ABI, w.Name.Platform); !ok {
		return nil, fail(WrongTarget, "it made %s, which %s does not take", w.Filename, b.cfg.Tag)
	}
	return &outcome{filename: w.Filename, kind: snapshot.Pure}, nil
}

func sameVersion(a, b string) bool {
	v, err := pep440.Parse(a)
	if err != nil {
		return a == b
	}
	u, err := pep440.Parse(b)
	return err == nil && v.Compare(u) == 0
}

func isELF(w *wheel.Wheel, f *wheel.File) (bool, error) {
	r, err := w.Open(f)
	if err != nil {
		return false, err
	}
	defer r.Close()
	head := make([]byte, 4)
	n, err := io.ReadFull(r, head)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return strings.HasPrefix(string(head[:n]), "\x7fELF"), err
}

// write puts the canonical form into scratch. Reading the wheel for it checks all of it.
func (b *Builder) write(w *wheel.Wheel, changed map[string][]byte) (_ *Wheel, err error) {
	f, err := os.CreateTemp(b.dir, "wheel-*")
	if err != nil {
		return nil, err
	}
	out := &Wheel{File: f}
	defer func() {
		if err != nil {
			out.Close()
		}
	}()
	sum := sha256.New()
	if out.files, err = canonical.Write(w, changed, io.MultiWriter(f, sum)); err != nil {
		return nil, err
	}
	sum.Sum(out.Digest[:0])
	if out.Size, err = f.Seek(0, io.SeekCurrent); err != nil {
		return nil, err
	}
	_, err = f.Seek(0, io.SeekStart)
	return out, err
}
