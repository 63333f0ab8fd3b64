package image

import (
	"fmt"
	"io/fs"
	"path"

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
// fn may return fs.SkipDir and fs.SkipAll.
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
	err = i.walk(root, info, fn, 0)
	if err == fs.SkipAll || err == fs.SkipDir {
		return nil
	}
	return err
}

// maxDepth stops a damaged image whose directories contain each other.
const maxDepth = 2048

func (i *Image) walk(name string, info fs.FileInfo, fn func(Entry) error, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("walk: deeper than %d directories: %w", maxDepth, snapshot.ErrDamaged)
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
		if e.Target, err = fs.ReadLink(i.fsys, name); err != nil {
			return err
		}
	}
	if err := fn(e); err != nil || !info.Mode().IsDir() {
		return err
	}
	dir := name
	if dir == "" {
		dir = "."
	}
	list, err := i.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("walk %q: %w: %w", name, snapshot.ErrDamaged, err)
	}
	for _, de := range list {
		info, err := de.Info()
		if err != nil {
			return fmt.Errorf("walk %q: %w: %w", name, snapshot.ErrDamaged, err)
		}
		if err := i.walk(path.Join(name, de.Name()), info, fn, depth+1); err == fs.SkipDir {
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
