package image

import (
	"io"
	"io/fs"
	"path"

	"larder/snapshot"
)

// Put stores one file's content, as Stage does. It may be called from several goroutines.
type Put = func(r io.Reader, exec bool) (snapshot.Object, int64, error)

// Import puts the files of a directory tree into the pool and lists everything in it, as Walk does:
// files, links and empty directories too. A file that anybody may execute is 0755, every other is
// 0644; owners and times are not taken over, since when a tree was made is no part of it. Anything
// else, such as a pipe, is ErrRefused.
func Import(fsys fs.FS, put Put) ([]Entry, error) {
	entries := []Entry{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		e := Entry{Path: name, Mode: fs.ModeDir | 0o755, MTime: snapshot.Epoch}
		switch {
		case d.IsDir():
		case d.Type() == fs.ModeSymlink:
			e.Mode = fs.ModeSymlink | 0o777
			e.Target, err = fs.ReadLink(fsys, name)
		case d.Type().IsRegular():
			err = importFile(fsys, d, put, &e)
		default:
			err = refuse(name, "it is not a file, link or directory")
		}
		entries = append(entries, e)
		return err
	})
	return entries, err
}

func importFile(fsys fs.FS, d fs.DirEntry, put Put, e *Entry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	e.Mode = 0o644
	if info.Mode()&0o111 != 0 {
		e.Mode = 0o755
	}
	f, err := fsys.Open(e.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	e.Object, e.Size, err = put(f, e.Mode == 0o755)
	if e.Size == 0 {
		e.Object = snapshot.Object{}
	}
	return err
}

// Place adds what Import or Walk listed below dir.
func (t *Tree) Place(dir string, entries []Entry) error {
	for _, e := range entries {
		var err error
		name := path.Join(dir, e.Path)
		switch {
		case e.Mode.IsDir():
			err = t.Dir(name)
		case e.Mode&fs.ModeSymlink != 0:
			err = t.Symlink(name, e.Target)
		default:
			err = t.File(name, e.Object, e.Size, e.MTime)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
