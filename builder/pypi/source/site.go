package source

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"larder/builder/memory"
	"larder/builder/pypi/wheel"
)

// The directories of a site.
const (
	modules  = "modules"
	commands = "commands"
)

// site is a directory with build dependencies: modules, as an installer would have made the site-packages
// of the sandbox's environment, with .dist-info, whose entry points plugins are found by; and commands,
// for builds with machine code. Headers and data of the wheels are left out.
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
	for _, name := range []string{modules, commands} {
		if err := root.Mkdir(name, 0o755); err != nil {
			return err
		}
	}
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
	giveBack, err := memory.TakeReader(ctx, wheel.Memory(size))
	if err != nil {
		return err
	}
	defer giveBack()
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
	for _, c := range w.EntryPoints.Console {
		if err := writeCommand(root, c.Command, commandOf(c)); err != nil {
			return err
		}
	}
	return nil
}

// commandOf is the program of an entry point, as installers write it.
func commandOf(c wheel.EntryPoint) []byte {
	first, _, _ := strings.Cut(c.Func, ".")
	return fmt.Appendf(nil, "%s\nimport sys\nfrom %s import %s\nif __name__ == \"__main__\":\n    sys.exit(%s())\n", shebang, c.Module, first, c.Func)
}

// shebang is the first line of programs in Python.
const shebang = "#!" + prefix + "/bin/python3"

func writeCommand(root *os.Root, name string, text []byte) error {
	place := path.Join(commands, name)
	if err := root.WriteFile(place, text, 0o755); err != nil {
		return err
	}
	return root.Chmod(place, 0o755)
}

// placeOf is where a wheel's file goes, "" for nowhere.
func placeOf(name string) string {
	top, rest, _ := strings.Cut(name, "/")
	if !strings.HasSuffix(top, ".data") {
		return path.Join(modules, name)
	}
	switch key, below, _ := strings.Cut(rest, "/"); key {
	case "purelib", "platlib":
		return path.Join(modules, below)
	case "scripts":
		return path.Join(commands, below)
	}
	return ""
}

func unpackFile(root *os.Root, w *wheel.Wheel, f *wheel.File, place string) error {
	if err := root.MkdirAll(path.Dir(place), 0o755); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	script := strings.HasPrefix(place, commands+"/")
	if f.Exec || script {
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
	from := io.Reader(r)
	if script {
		from = interpreted(r)
	}
	if _, err = io.Copy(to, from); err == nil {
		err = to.Chmod(mode)
	}
	if closed := to.Close(); err == nil {
		err = closed
	}
	return err
}

// interpreted is a script whose first line names the sandbox's interpreter, where it names a Python without
// a path, as wheels do. Anything else is as it is.
func interpreted(r io.Reader) io.Reader {
	const any = "#!python"
	head := make([]byte, len(any))
	n, err := io.ReadFull(r, head)
	if err == nil && string(head) == any {
		head = []byte(shebang)
		n = len(head)
	}
	return io.MultiReader(bytes.NewReader(head[:n]), r)
}
