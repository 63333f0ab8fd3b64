package image

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"larder/snapshot"
)

// Entry is one name of an image.
type Entry struct {
	Path   string // without a leading slash; "" is the root
	Mode   fs.FileMode
	Size   int64
	MTime  int64
	Object snapshot.Object // of a file that is not empty
	Target string          // of a link
}

// Walk calls fn for every name below root and root itself ("" for all), parents first, sorted.
// fn may return fs.SkipDir and fs.SkipAll. A damaged image ends in ErrDamaged after work that is
// linear in its size, whatever its directories contain.
func (i *Image) Walk(root string, fn func(Entry) error) (err error) {
	defer guard("walk", root, &err)
	start := root
	if start == "" {
		start = "."
	}
	info, err := i.Lstat(start)
	if err != nil {
		return err
	}
	size, err := i.file.Stat()
	if err != nil {
		return err
	}
	w := walker{image: i, fn: fn, left: size.Size()}
	err = w.walk(root, info)
	if err == fs.SkipAll || err == fs.SkipDir {
		return nil
	}
	return err
}

// walker is one Walk.
type walker struct {
	image *Image
	fn    func(Entry) error
	left  int64 // bytes of directories that still fit the image: each is in it once
}

func (w *walker) walk(name string, info fs.FileInfo) error {
	if len(name) > maxPath {
		return fmt.Errorf("walk: a path is longer than %d bytes: %w", maxPath, snapshot.ErrDamaged)
	}
	e := Entry{Path: name, Mode: info.Mode(), Size: info.Size(), MTime: info.ModTime().Unix()}
	var err error
	switch {
	case info.Mode().IsDir():
		e.Size = 0
	case info.Mode().IsRegular() && info.Size() > 0:
		if e.Object, err = objectOf(info); err != nil {
			return fmt.Errorf("walk %q: %w", name, err)
		}
	case info.Mode()&fs.ModeSymlink != 0:
		if e.Target, err = fs.ReadLink(w.image.fsys, name); err != nil {
			return err
		}
	}
	if err := w.fn(e); err != nil || !info.Mode().IsDir() {
		return err
	}
	dir := name
	if dir == "" {
		dir = "."
	}
	// Directories that contain each other, or share their blocks, soon exceed the image.
	if info.Size() < 0 || info.Size() > w.left {
		return fmt.Errorf("walk %.200q: its directories are larger than the image: %w", name, snapshot.ErrDamaged)
	}
	w.left -= info.Size()
	list, err := w.image.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("walk %q: %w: %w", name, snapshot.ErrDamaged, err)
	}
	for _, de := range list {
		if de.Name() == "" || strings.Contains(de.Name(), "/") {
			return fmt.Errorf("walk %.200q: the name %.80q in it: %w", name, de.Name(), snapshot.ErrDamaged)
		}
		info, err := de.Info()
		if err != nil {
			return fmt.Errorf("walk %q: %w: %w", name, snapshot.ErrDamaged, err)
		}
		if err := w.walk(path.Join(name, de.Name()), info); err == fs.SkipDir {
			if info.IsDir() {
				continue
			}
			break // the rest of this directory, as fs.WalkDir has it
		} else if err != nil {
			return err
		}
	}
	return nil
}
