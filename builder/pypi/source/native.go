package source

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"larder/builder/pypi/source/manylinux"
	"larder/builder/pypi/wheel"
	"larder/builder/sandbox"
	"larder/snapshot"
)

// Where things are in the sandbox of a build with machine code.
const (
	commandsDir = prefix + "/commands" // of the build dependencies
	sharedDir   = prefix + "/shared"   // libraries of the interpreter's that the system has not
)

// nativeEnvironment is what builds with machine code see: the system's programs too.
var nativeEnvironment = func() map[string]string {
	e := maps.Clone(environment)
	e["PATH"] = strings.Join([]string{prefix + "/bin", commandsDir, "/usr/bin", "/bin"}, ":")
	e["LD_LIBRARY_PATH"] = sharedDir
	return e
}()

// lacks says why this Builder makes no machine code, "" where it does.
func (b *Builder) lacks() string {
	switch _, glibc := b.cfg.Tag.Glibc(); {
	case !glibc:
		return "machine code is built for glibc only, and " + b.cfg.Tag.String() + " has another C library"
	case b.cfg.System == nil:
		return "machine code is built in a root file system with a compiler, and sdists_root in [build] names none"
	}
	return ""
}

// kindOf is the kind of the recipes of a source: machine code is made only where it may be, and can be.
func (b *Builder) kindOf(ctx context.Context, s Source) (string, error) {
	if !s.Native || b.lacks() != "" {
		return snapshot.Pure, nil
	}
	_, err := b.native(ctx)
	return snapshot.Native, err
}

// explain adds to a failure for want of machine code why there is none.
func (b *Builder) explain(s Source, err error) error {
	var f *Failure
	if why := b.lacks(); s.Native && why != "" && errors.As(err, &f) && slices.Contains([]string{MissingProgram, MissingHeader, MachineCode}, f.Reason) {
		return fail(f.Reason, "%s; %s", f.Detail, why)
	}
	return err
}

// rootOf is what builds by a kind of recipe see, and its name in the recipe.
func (b *Builder) rootOf(ctx context.Context, kind string) (*root, error) {
	if kind == snapshot.Pure {
		return b.root, nil
	}
	return b.native(ctx)
}

// native is the root of builds with machine code. A *Failure says what it lacks.
func (b *Builder) native(ctx context.Context) (*root, error) {
	return b.natives.do("", func() (*root, error) {
		if err := b.cfg.System.open(); err != nil {
			return nil, fmt.Errorf("sdists_root: %w", err)
		}
		r, err := b.cfg.System.root(b.seen)
		if err != nil {
			return nil, err
		}
		// Paths and options of the interpreter stand in what it compiles.
		r.name = fmt.Sprintf("%s, at %s, compiled as %s; system %s", RootFormat, b.seen.Prefix, b.seen.Compiled, b.cfg.System.digest)
		return r, b.try(ctx, r)
	})
}

// probe says which interpreter runs, and whether its headers are there.
const probe = `import os, platform, sysconfig; print(platform.python_version(), os.path.exists(sysconfig.get_config_h_filename()))`

// try runs the interpreter in the system.
func (b *Builder) try(ctx context.Context, r *root) error {
	result, err := b.cfg.Sandbox.Run(ctx, sandbox.Spec{
		Args: []string{r.python, "-I", "-c", probe}, Dir: "/build", Mounts: r.mounts, Env: variables(nativeEnvironment),
		Files: map[string][]byte{prefix + "/pyvenv.cfg": r.config},
	})
	if err != nil {
		return err
	}
	defer result.Close()
	said := lastLines(result.Log)
	version, headers := "", false
	if len(said) > 0 {
		_, _ = fmt.Sscan(said[0], &version, &headers)
	}
	switch want := b.cfg.Interpreter.Version; {
	case result.Status != 0 || len(said) == 0:
		return fail(MissingProgram, "Python %s does not run in sdists_root: %s", want, strings.Join(said[:min(1, len(said))], ""))
	case version != want:
		return fail(MissingProgram, "%s in sdists_root is Python %s, and the target's is %s", b.seen.Executable, version, want)
	case !headers:
		return fail(MissingHeader, "Python %s has no headers, as %s in %s", want, "Python.h", strings.Join(b.seen.Include, ", "))
	}
	return nil
}

// outcome is what a wheel becomes by what is in it.
type outcome struct {
	filename, kind string
	changed        map[string][]byte
}

// retag checks machine code, and says which platform it is for.
func (b *Builder) retag(w *wheel.Wheel, r Recipe, code []*wheel.File) (*outcome, error) {
	machine := b.cfg.Tag.Machine()
	for _, p := range w.Name.Platform {
		if p != "any" && !strings.HasSuffix(p, "_"+machine) {
			return nil, fail(WrongTarget, "it made %s, which is not for %s", w.Filename, machine)
		}
	}
	glibc := 0
	for _, f := range code {
		n, err := b.needs(w, f)
		if err != nil {
			return nil, err
		}
		if !n.For(machine) {
			return nil, fail(WrongTarget, "%s in %s is for %s, not for %s", wheel.Quote(f.Path), w.Filename, n.Machine(), machine)
		}
		for _, library := range n.Libraries {
			if !manylinux.Allowed(library) && !slices.Contains(r.Libraries, library) && !holds(w, library) {
				return nil, fail(ForeignLibrary, "%s in %s needs %s, which not every container has; where yours have it, name it in sdists_libraries", wheel.Quote(f.Path), w.Filename, line(library))
			}
		}
		glibc = max(glibc, n.Glibc)
	}
	if have, _ := b.cfg.Tag.Glibc(); glibc > have {
		return nil, fail(WrongTarget, "what it made needs glibc 2.%d, and %s has 2.%d: sdists_root is newer than the target", glibc, b.cfg.Tag, have)
	}
	platform := b.cfg.Tag.Platform(glibc)
	o := &outcome{filename: manylinux.Rename(w.Filename, platform), kind: snapshot.Native}
	name := w.DistInfo + "/WHEEL"
	at := slices.IndexFunc(w.Files(), func(f *wheel.File) bool { return f.Path == name })
	text, err := content(w, w.Files()[at])
	if err != nil {
		return nil, refused(err)
	}
	o.changed = map[string][]byte{name: []byte(manylinux.Retag(string(text), platform))}
	if _, ok := b.cfg.Tag.Rank(w.Name.Python, w.Name.ABI, []string{platform}); !ok {
		return nil, fail(WrongTarget, "it made %s, which %s does not take", w.Filename, b.cfg.Tag)
	}
	return o, nil
}

// holds says whether a shared library is in the wheel.
func holds(w *wheel.Wheel, library string) bool {
	return slices.ContainsFunc(w.Files(), func(f *wheel.File) bool { return path.Base(f.Path) == library })
}

// needs reads an ELF file of a wheel.
func (b *Builder) needs(w *wheel.Wheel, f *wheel.File) (*manylinux.Needs, error) {
	r, err := w.Open(f)
	if err != nil {
		return nil, refused(err)
	}
	defer r.Close()
	to, err := os.CreateTemp(b.dir, "code-*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(to.Name())
	defer to.Close()
	if _, err := io.Copy(to, r); err != nil {
		return nil, refused(err)
	}
	n, err := manylinux.Read(to)
	if err != nil {
		return nil, fail(BadWheel, "%s in %s %s", wheel.Quote(f.Path), w.Filename, err)
	}
	return n, nil
}

func content(w *wheel.Wheel, f *wheel.File) ([]byte, error) {
	r, err := w.Open(f)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}
