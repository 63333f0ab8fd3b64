package image

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/erofs/go-erofs"
	"golang.org/x/sys/unix"

	"larder/snapshot"
)

// Image is an open image over its pool: an fs.FS with the files' contents, without a mount.
// It trusts the image's bytes to be what its id says (check them first where that is in doubt)
// and never panics on bytes that are not. Any number of goroutines may use one.
type Image struct {
	fsys    fs.FS
	file    *os.File
	objects string
}

// Open opens the image at path over the pool at objects.
func Open(path, objects string) (*Image, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open image: %w", err)
	}
	fsys, err := erofs.Open(&windows{r: f})
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open image %q: %w: %w", path, snapshot.ErrDamaged, err)
	}
	return &Image{fsys: fsys, file: f, objects: objects}, nil
}

// OpenSnapshot opens the image of a snapshot of s.
func OpenSnapshot(s *snapshot.Store, id snapshot.ID) (*Image, error) {
	return Open(s.ImagePath(id), s.ObjectsDir())
}

// Close lets the image go: an open one cannot be collected.
func (i *Image) Close() error { return i.file.Close() }

// Open implements fs.FS; links are followed inside the image.
func (i *Image) Open(name string) (f fs.File, err error) {
	defer guard("open", name, &err)
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	info, err := i.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return i.openDir(name, info)
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	if info.Size() == 0 {
		return &content{info: info}, nil
	}
	o, err := objectOf(info)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	p := filepath.Join(i.objects, o.Path())
	of, err := os.OpenFile(p, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("object %s is missing: %w", o, snapshot.ErrDamaged)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &content{File: of, info: info}, nil
}

// content is a file of the image, read from the pool.
type content struct {
	*os.File
	info fs.FileInfo
}

func (c *content) Stat() (fs.FileInfo, error) { return c.info, nil }

func (c *content) Read(b []byte) (int, error) {
	if c.File == nil {
		return 0, io.EOF
	}
	return c.File.Read(b)
}

func (c *content) Close() error {
	if c.File == nil {
		return nil
	}
	return c.File.Close()
}

// directory is an open directory of an image.
type directory struct {
	info fs.FileInfo
	list []fs.DirEntry
}

func (i *Image) openDir(name string, info fs.FileInfo) (fs.File, error) {
	list, err := i.ReadDir(name)
	return &directory{info, list}, err
}

func (d *directory) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *directory) Close() error               { return nil }

func (d *directory) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.Name(), Err: errors.New("is a directory")}
}

func (d *directory) ReadDir(n int) ([]fs.DirEntry, error) {
	if n > 0 && len(d.list) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(d.list) {
		n = len(d.list)
	}
	list := d.list[:n]
	d.list = d.list[n:]
	return list, nil
}

// inode is a FileInfo of the EROFS reader with the mode Go programs expect: the reader leaves the
// type bits of the disk format in it.
type inode struct {
	fs.FileInfo
	mode fs.FileMode
}

func (n inode) Mode() fs.FileMode { return n.mode }

func fixMode(info fs.FileInfo, err error) (fs.FileInfo, error) {
	if err != nil {
		return nil, err
	}
	st, ok := info.Sys().(*erofs.Stat)
	if !ok {
		return nil, fmt.Errorf("read inode: %w", snapshot.ErrDamaged)
	}
	return inode{info, st.Mode}, nil
}

// dirEntry is a DirEntry of the EROFS reader whose Info has the right mode.
type dirEntry struct {
	fs.DirEntry
}

func (d dirEntry) Info() (info fs.FileInfo, err error) {
	defer guard("stat", d.Name(), &err)
	return fixMode(d.DirEntry.Info())
}

func (d dirEntry) String() string { return fs.FormatDirEntry(d) }

// ReadDir implements fs.ReadDirFS.
func (i *Image) ReadDir(name string) (list []fs.DirEntry, err error) {
	defer guard("read directory", name, &err)
	list, err = fs.ReadDir(i.fsys, name)
	for n, e := range list {
		list[n] = dirEntry{e}
	}
	return list, err
}

// Stat implements fs.StatFS.
func (i *Image) Stat(name string) (info fs.FileInfo, err error) {
	defer guard("stat", name, &err)
	return fixMode(fs.Stat(i.fsys, name))
}

// Lstat and ReadLink implement fs.ReadLinkFS.
func (i *Image) Lstat(name string) (info fs.FileInfo, err error) {
	defer guard("stat", name, &err)
	return fixMode(fs.Lstat(i.fsys, name))
}

func (i *Image) ReadLink(name string) (target string, err error) {
	defer guard("read link", name, &err)
	return fs.ReadLink(i.fsys, name)
}

// IsDir says whether a directory is at name; false without an error: nothing is there.
func (i *Image) IsDir(name string) (bool, error) {
	info, err := i.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, snapshot.ErrDamaged) {
		return false, nil
	}
	return err == nil && info.IsDir(), err
}

// Object returns the object and size of the file at name; ok is false for anything that has no
// object: directories, links, empty files, names that are not there.
func (i *Image) Object(name string) (o snapshot.Object, size int64, ok bool) {
	info, err := i.Lstat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return snapshot.Object{}, 0, false
	}
	o, err = objectOf(info)
	return o, info.Size(), err == nil
}

// objectOf reads which object a file's bytes are.
func objectOf(info fs.FileInfo) (snapshot.Object, error) {
	st, ok := info.Sys().(*erofs.Stat)
	if !ok {
		return snapshot.Object{}, fmt.Errorf("read inode: %w", snapshot.ErrDamaged)
	}
	o, err := snapshot.ParseObject(strings.TrimPrefix(st.Xattrs[xattrRedirect], "/"))
	if err != nil {
		return o, fmt.Errorf("%w: %w", snapshot.ErrDamaged, err)
	}
	return o, nil
}

// guard turns a panic of the reader over damaged bytes into an error that says so.
func guard(op, name string, err *error) {
	if v := recover(); v != nil {
		*err = &fs.PathError{Op: op, Path: name, Err: fmt.Errorf("%w: %v", snapshot.ErrDamaged, v)}
	}
}
