package source

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"larder/builder/pypi/wheel"
)

// site is a directory with build dependencies, as an installer would have made the site-packages of
// the sandbox's environment: modules and .dist-info, whose entry points plugins are found by. Commands,
// headers and data of the wheels are left out.
func (b *Builder) site(ctx context.Context, all []Dependency) (string, error) {
	var key strings.Builder
	for _, d := range all {
		fmt.Fprintln(&key, d.Filename, d.SHA256)
	}
	return b.sites.do(key.String(), func() (string, error) {
		dir, err := os.MkdirTemp(b.dir, "site-*")
		if err != nil {
			return "", err
		}
		if err := b.fill(ctx, dir, all); err != nil {
			os.RemoveAll(dir)
			return "", err
		}
		return dir, os.Chmod(dir, 0o755)
	})
}

// fill unpacks wheels, in the order of the recipe: of two with one file, the later one's stays.
func (b *Builder) fill(ctx context.Context, dir string, all []Dependency) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, d := range all {
		if err := b.fillOne(ctx, root, d); err != nil {
			return fmt.Errorf("unpack %s, which builds a source: %w", d.Filename, err)
		}
	}
	return b.compile(ctx, dir)
}

func (b *Builder) fillOne(ctx context.Context, root *os.Root, d Dependency) error {
	r, size, err := b.cfg.Fetch(ctx, d)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := wheel.Open(r, size, d.Filename)
	if err != nil {
		return err
	}
	for _, f := range w.Files() {
		if place := placeOf(f.Path); place != "" {
			if err := unpackFile(root, w, f, place); err != nil {
				return err
			}
		}
	}
	return nil
}

// placeOf is where a wheel's file goes, "" for nowhere.
func placeOf(name string) string {
	top, rest, _ := strings.Cut(name, "/")
	if !strings.HasSuffix(top, ".data") {
		return name
	}
	if key, below, _ := strings.Cut(rest, "/"); key == "purelib" || key == "platlib" {
		return below
	}
	return ""
}

func unpackFile(root *os.Root, w *wheel.Wheel, f *wheel.File, place string) error {
	if err := root.MkdirAll(path.Dir(place), 0o755); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if f.Exec {
		mode = 0o755
	}
	r, err := w.Open(f)
	if err != nil {
		return err
	}
	defer r.Close()
	to, err := root.OpenFile(place, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, r)
	if closed := to.Close(); err == nil {
		err = closed
	}
	return err
}

const compileTime = 5 * time.Minute

// compile gives the modules their bytecode, which spares each of several runs the time. It reads them
// and runs nothing of them. What does not compile is left to the build.
func (b *Builder) compile(ctx context.Context, dir string) error {
	call, cancel := context.WithTimeout(ctx, compileTime)
	defer cancel()
	cmd := exec.CommandContext(call, b.cfg.Interpreter.Executable, "-I", "-m", "compileall", "-q", "-q",
		"--invalidation-mode", "unchecked-hash", "-s", dir, "-p", b.root.site, filepath.Clean(dir))
	cmd.WaitDelay = time.Second
	_ = cmd.Run() // it ends with 1 where one file does not compile
	return ctx.Err()
}
