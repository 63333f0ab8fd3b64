package source

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

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
		return dir, nil
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
	// The sandbox's user is another, whatever this program's umask.
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = root.Chmod(name, 0o755)
		}
		return err
	})
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
	if _, err = io.Copy(to, r); err == nil {
		err = to.Chmod(mode)
	}
	if closed := to.Close(); err == nil {
		err = closed
	}
	return err
}
