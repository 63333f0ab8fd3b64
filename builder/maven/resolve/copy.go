package resolve

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// copyProject copies a project into a directory, for the sandbox's user to read, and says how many bytes of
// a disk it may need.
func copyProject(ctx context.Context, pom, to string, limit int64) (int64, error) {
	if err := os.Chmod(to, 0o755); err != nil {
		return 0, err
	}
	from, err := os.OpenRoot(filepath.Dir(pom))
	if err != nil {
		return 0, err
	}
	defer from.Close()
	target, err := os.OpenRoot(to)
	if err != nil {
		return 0, err
	}
	defer target.Close()
	c := &copying{from: from, to: target, left: limit}
	if filepath.Base(pom) != projectFile {
		err = c.file(filepath.Base(pom), 0o644)
		return limit - c.left, err
	}
	err = fs.WalkDir(from.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case name == ".":
			return nil
		case d.IsDir() && c.isOutput(name):
			return fs.SkipDir
		}
		return c.entry(name, d)
	})
	var f *Failure
	if errors.As(err, &f) {
		err = at(pom, f)
	}
	return limit - c.left, err
}

// projectFile is the name by which a POM says that it lies in its project.
const projectFile = "pom.xml"

type copying struct {
	from, to *os.Root
	left     int64
}

// isOutput: what an earlier build left.
func (c *copying) isOutput(dir string) bool {
	if path.Base(dir) != "target" {
		return false
	}
	_, err := c.from.Lstat(path.Join(path.Dir(dir), projectFile))
	return err == nil
}

// entry copies one; what is no directory, file or link (a socket, say) is nothing that a project consists of.
func (c *copying) entry(name string, d fs.DirEntry) error {
	switch d.Type() {
	case fs.ModeDir:
		if err := c.take(0); err != nil {
			return err
		}
		return c.to.Mkdir(name, 0o755)
	case fs.ModeSymlink: // wherever it leads to, in the sandbox
		text, err := c.from.Readlink(name)
		if err == nil {
			err = c.take(0)
		}
		if err == nil {
			err = c.to.Symlink(text, name)
		}
		return err
	case 0:
		info, err := d.Info()
		if err != nil {
			return err
		}
		return c.file(name, 0o644|info.Mode()&0o111)
	}
	return nil
}

func (c *copying) file(name string, mode fs.FileMode) error {
	in, err := c.from.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := c.to.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, io.LimitReader(in, c.left+1))
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	return c.take(n)
}

// take takes the space of something with so many bytes.
func (c *copying) take(n int64) error {
	const block = 4 << 10
	if c.left -= max(n, block); c.left < 0 {
		c.left = 0
		return fail(Limit, "the directory it lies in has more than a project has")
	}
	return nil
}
