package image

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

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
	info, err := fs.Stat(i.fsys, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return i.fsys.Open(name)
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

// ReadDir implements fs.ReadDirFS.
func (i *Image) ReadDir(name string) (list []fs.DirEntry, err error) {
	defer guard("read directory", name, &err)
	return fs.ReadDir(i.fsys, name)
}

// Stat implements fs.StatFS.
func (i *Image) Stat(name string) (info fs.FileInfo, err error) {
	defer guard("stat", name, &err)
	return fs.Stat(i.fsys, name)
}

// Lstat and ReadLink implement fs.ReadLinkFS.
func (i *Image) Lstat(name string) (info fs.FileInfo, err error) {
	defer guard("stat", name, &err)
	return fs.Lstat(i.fsys, name)
}

func (i *Image) ReadLink(name string) (target string, err error) {
	defer guard("read link", name, &err)
	return fs.ReadLink(i.fsys, name)
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
	info, err := fs.Lstat(i.fsys, start)
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
		return fmt.Errorf("walk %q: deeper than %d directories: %w", name[:80], maxDepth, snapshot.ErrDamaged)
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
	list, err := fs.ReadDir(i.fsys, dir)
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

// CopyFrom adds what is at src in an open image to the same place of the tree, so that a layer
// made before is not made again.
func (t *Tree) CopyFrom(img *Image, src string) error {
	return img.Walk(src, func(e Entry) error {
		switch {
		case e.Path == "":
			return nil
		case e.Mode.IsDir():
			return t.Dir(e.Path)
		case e.Mode&fs.ModeSymlink != 0:
			return t.Symlink(e.Path, e.Target)
		case e.Mode.IsRegular():
			o := e.Object
			o.Exec = e.Mode&0o111 != 0
			return t.File(e.Path, o, e.Size, e.MTime)
		}
		return refuse(e.Path, "it is not a file, link or directory")
	})
}

// guard turns a panic of the reader over damaged bytes into an error that says so.
func guard(op, name string, err *error) {
	if v := recover(); v != nil {
		*err = &fs.PathError{Op: op, Path: name, Err: fmt.Errorf("%w: %v", snapshot.ErrDamaged, v)}
	}
}

// windows is an io.ReaderAt that reads ahead: the reader above asks for a few bytes an inode, and
// neighbours in the image are neighbours in a walk.
type windows struct {
	r    io.ReaderAt
	mu   sync.Mutex
	win  [8]window
	next int
}

type window struct {
	off int64
	buf []byte
	n   int
}

const windowSize = 64 << 10

func (w *windows) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || len(p) > windowSize/2 {
		return w.r.ReadAt(p, off)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.win {
		win := &w.win[i]
		if off >= win.off && off+int64(len(p)) <= win.off+int64(win.n) {
			return copy(p, win.buf[off-win.off:]), nil
		}
	}
	win := &w.win[w.next]
	w.next = (w.next + 1) % len(w.win)
	if win.buf == nil {
		win.buf = make([]byte, windowSize)
	}
	win.n, win.off = 0, off&^4095
	n, err := w.r.ReadAt(win.buf, win.off)
	if err != nil && err != io.EOF {
		return 0, err
	}
	win.n = n
	if skip := int(off - win.off); skip < n {
		n = copy(p, win.buf[skip:n])
	} else {
		n = 0
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
