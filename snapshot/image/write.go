package image

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/erofs/go-erofs"

	"larder/snapshot"
)

// The extended attributes that make overlayfs take a file's bytes from the data-only layer.
const (
	xattrMetacopy = "trusted.overlay.metacopy"
	xattrRedirect = "trusted.overlay.redirect"
)

// Write writes the tree as a metadata-only EROFS image. The same tree gives the same bytes, on
// any machine, in whatever order it was filled. Nothing may be added afterwards.
func (t *Tree) Write(w io.WriteSeeker) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	// A fixed build time also makes inodes with that time 32 bytes instead of 64.
	ew := erofs.Create(w, erofs.WithBuildTime(snapshot.Epoch, 0))
	src := &source{root: t.root}
	err := ew.CopyFrom(src, erofs.MetadataOnly())
	if err == nil && len(src.held) > 0 {
		// Once more, for what the image holds itself and the directories on the way.
		err = ew.CopyFrom(&source{root: t.root, only: src.held})
	}
	if err != nil {
		return fmt.Errorf("write image: %w", err)
	}
	if err := ew.Close(); err != nil {
		return fmt.Errorf("write image: %w", err)
	}
	return nil
}

// source shows a tree to go-erofs. It implements what fs.WalkDir and CopyFrom ask for and no more.
type source struct {
	root *node
	held []string // paths that were left out: files whose bytes the image holds
	only []string // what is shown, and the directories on the way; nil: all but what held gets

	// Scratch for one entry at a time.
	stat erofs.Stat
	path []byte
	hole [1]erofs.DataRange
}

// Open is only asked for what an image holds.
func (s *source) Open(name string) (fs.File, error) {
	n := s.find(name)
	if n.data == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	return &held{entry{n, s}, bytes.NewReader(n.data)}, nil
}

// held is an open file whose bytes the image holds.
type held struct {
	entry
	*bytes.Reader
}

func (h *held) Stat() (fs.FileInfo, error) { return &h.entry, nil }
func (h *held) Size() int64                { return h.entry.Size() }
func (h *held) Close() error               { return nil }

// find returns the node at a path that ReadDir has shown.
func (s *source) find(name string) *node {
	n := s.root
	for part := range strings.SplitSeq(name, "/") {
		n = n.children[part]
	}
	return n
}

// shows says whether an entry is part of this pass.
func (s *source) shows(path string, n *node) bool {
	if s.only != nil {
		return slices.ContainsFunc(s.only, func(held string) bool { return held == path || n.isDir() && strings.HasPrefix(held, path+"/") })
	}
	if n.data != nil {
		s.held = append(s.held, path)
	}
	return n.data == nil
}

func (s *source) Stat(name string) (fs.FileInfo, error) {
	if name != "." {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return &entry{n: s.root, src: s}, nil
}

func (s *source) ReadDir(name string) ([]fs.DirEntry, error) {
	d, below := s.root, ""
	if name != "." {
		d, below = s.find(name), name+"/"
	}
	names := make([]string, 0, len(d.children))
	for name, n := range d.children {
		if s.shows(below+name, n) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	list := make([]fs.DirEntry, len(names))
	entries := make([]entry, len(names))
	for i, name := range names {
		entries[i] = entry{n: d.children[name], src: s}
		list[i] = &entries[i]
	}
	return list, nil
}

func (s *source) ReadLink(name string) (string, error) {
	return s.find(name).target, nil
}

// entry is a node as fs.DirEntry and fs.FileInfo.
type entry struct {
	n   *node
	src *source
}

func (e *entry) Name() string               { return e.n.name }
func (e *entry) IsDir() bool                { return e.n.isDir() }
func (e *entry) Type() fs.FileMode          { return e.Mode().Type() }
func (e *entry) Info() (fs.FileInfo, error) { return e, nil }
func (e *entry) Size() int64                { return e.n.size }
func (e *entry) ModTime() time.Time         { return time.Unix(e.n.mtime, 0) }

func (e *entry) Mode() fs.FileMode {
	switch {
	case e.n.isDir():
		return fs.ModeDir | 0o755
	case e.n.isLink():
		return fs.ModeSymlink | 0o777
	case e.n.object.Exec:
		return 0o755
	default:
		return 0o644
	}
}

// Sys is read at once and never kept by CopyFrom, so one Stat serves all entries; only what it
// points to must be new.
func (e *entry) Sys() any {
	st := &e.src.stat
	*st = erofs.Stat{Mtime: uint64(e.n.mtime), Nlink: 1}
	switch {
	case e.n.isDir():
		st.Nlink = 2
		for _, c := range e.n.children {
			if c.isDir() {
				st.Nlink++
			}
		}
	case e.n.isLink() || e.n.size == 0 || e.n.data != nil:
	default:
		e.src.path = e.n.object.AppendPath(append(e.src.path[:0], '/'))
		st.Xattrs = map[string]string{
			xattrMetacopy: "",
			xattrRedirect: string(e.src.path),
		}
	}
	return st
}

// DataRange says that the image holds none of a file's bytes.
func (e *entry) DataRange() []erofs.DataRange {
	e.src.hole[0] = erofs.DataRange{Offset: -1, Size: e.n.size}
	return e.src.hole[:]
}
