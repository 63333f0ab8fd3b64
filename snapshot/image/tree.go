package image

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"

	"larder/snapshot"
)

const (
	maxName   = 255  // NAME_MAX
	maxPath   = 4000 // PATH_MAX is 4096, and a snapshot is mounted somewhere
	maxTarget = 4095
)

// ErrRefused is wrapped by every refusal of a Tree.
var ErrRefused = errors.New("refused")

// Tree is what goes into an image: names, in memory. Entries may be added in any order and from
// any goroutine; what is written is sorted. Directories are implied by what is in them.
type Tree struct {
	mu   sync.Mutex
	root *node
	// Entries come mostly one directory at a time.
	lastDir string
	last    *node
}

// node is one entry. A file's node may stand in several directories: Merge shares, never copies.
type node struct {
	name     string
	children map[string]*node // of a directory, not nil
	target   string           // of a link, not empty
	object   snapshot.Object  // of a file
	size     int64
	data     []byte // of a file whose bytes the image holds itself
	mtime    int64
	sealed   bool // a directory that stands in two places: nothing is added below
}

func (n *node) isDir() bool  { return n.children != nil }
func (n *node) isLink() bool { return n.target != "" }

func newDir(name string) *node {
	return &node{name: name, children: map[string]*node{}, mtime: snapshot.Epoch}
}

// NewTree returns an empty tree.
func NewTree() *Tree {
	return &Tree{root: newDir("")}
}

// File adds a file: mode 0644, or 0755 when the object is executable. An empty file (size 0) needs
// no object in the pool. mtime is in seconds.
func (t *Tree) File(path string, o snapshot.Object, size, mtime int64) error {
	if size < 0 || mtime < 0 || mtime > math.MaxUint32 {
		return refuse(path, fmt.Sprintf("size %d or time %d is impossible", size, mtime))
	}
	return t.add(path, &node{object: o, size: size, mtime: mtime})
}

// Symlink adds a link at path.
func (t *Tree) Symlink(path, target string) error {
	if target == "" || len(target) > maxTarget || strings.IndexByte(target, 0) >= 0 {
		return refuse(path, "its link target is empty, too long or holds NUL")
	}
	return t.add(path, &node{target: target, mtime: snapshot.Epoch})
}

// Dir adds a directory, 0755 with a fixed time; one that is there already is no error.
func (t *Tree) Dir(path string) error {
	if err := checkPath(path); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := t.dir(path)
	return err
}

func (t *Tree) add(path string, n *node) error {
	if err := checkPath(path); err != nil {
		return err
	}
	dir, name := split(path)
	n.name = name
	t.mu.Lock()
	defer t.mu.Unlock()
	parent, err := t.dir(dir)
	if err != nil {
		return err
	}
	if _, ok := parent.children[name]; ok {
		return refuse(path, "it is there twice")
	}
	if parent.sealed {
		return refuse(path, "its directory is part of a merged environment")
	}
	parent.children[name] = n
	return nil
}

// dir returns the directory at path, making what is missing.
func (t *Tree) dir(path string) (*node, error) {
	if path == "" {
		return t.root, nil
	}
	if t.last != nil && path == t.lastDir {
		return t.last, nil
	}
	d := t.root
	for rest := path; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		next := d.children[name]
		switch {
		case next == nil && d.sealed:
			return nil, refuse(path, "its directory is part of a merged environment")
		case next == nil:
			next = newDir(name)
			d.children[name] = next
		case !next.isDir():
			return nil, refuse(path, "a part of it is a file or link and not a directory")
		case d.sealed:
			next.sealed = true // everything below stands in two places as well
		}
		d = next
	}
	t.lastDir, t.last = path, d
	return d, nil
}

func (t *Tree) find(path string) *node {
	n := t.root
	for rest := path; rest != "" && n != nil; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		n = n.children[name]
	}
	return n
}

// Merge makes the directory dst of several others that are in the tree already, topmost first, as
// an overlay of them would look: directories are joined, the first owner of any other name wins,
// and below a name that is not a directory nothing shows through. Costs no copy: files and whole
// directories that one source owns alone stand in both places, and take no more entries after.
func (t *Tree) Merge(dst string, srcs []string) error {
	if err := checkPath(dst); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	dirs := make([]*node, 0, len(srcs))
	for _, src := range srcs {
		d := t.find(src)
		if d == nil || !d.isDir() || src == "" {
			return refuse(dst, fmt.Sprintf("its part %q is no directory of this tree", src))
		}
		dirs = append(dirs, d)
	}
	if len(dirs) == 0 {
		return refuse(dst, "it has no parts")
	}
	parentPath, name := split(dst)
	parent, err := t.dir(parentPath)
	if err != nil {
		return err
	}
	if _, ok := parent.children[name]; ok {
		return refuse(dst, "it is there twice")
	}
	if parent.sealed {
		return refuse(dst, "its directory is part of a merged environment")
	}
	d := merge(name, dirs)
	if d == dirs[0] { // one part: the same directory under another name
		c := *d
		c.name = name
		d = &c
	}
	parent.children[name] = d
	return nil
}

// merge joins directories, topmost first.
func merge(name string, dirs []*node) *node {
	if len(dirs) == 1 {
		dirs[0].sealed = true
		return dirs[0]
	}
	d := newDir(name)
	d.sealed = true
	for i, top := range dirs {
		for name, n := range top.children {
			if d.children[name] != nil {
				continue
			}
			if !n.isDir() {
				d.children[name] = n
				continue
			}
			same := []*node{n}
			for _, below := range dirs[i+1:] {
				b := below.children[name]
				if b == nil {
					continue
				}
				if !b.isDir() {
					break
				}
				same = append(same, b)
			}
			d.children[name] = merge(name, same)
		}
	}
	return d
}

// Only is a tree with some directories of this one, at their paths, and nothing else. The two share them: nothing
// is added below from here on.
func (t *Tree) Only(paths ...string) (*Tree, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	only := NewTree()
	for _, path := range paths {
		d := t.find(path)
		if path == "" || d == nil || !d.isDir() {
			return nil, refuse(path, "it is no directory of this tree")
		}
		parentPath, name := split(path)
		parent, err := only.dir(parentPath)
		if err != nil {
			return nil, err
		}
		d.sealed = true
		parent.children[name] = d
	}
	return only, nil
}

// Len is the number of files and links, as a reader of the image would count them.
func (t *Tree) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return count(t.root)
}

func count(d *node) int {
	n := 0
	for _, c := range d.children {
		if c.isDir() {
			n += count(c)
		} else {
			n++
		}
	}
	return n
}

func split(path string) (dir, name string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return "", path
}

// checkPath takes only canonical relative paths: there is one spelling of every name.
func checkPath(path string) error {
	if path == "" || len(path) > maxPath {
		return refuse(path, "a path is 1 to 4000 bytes long")
	}
	for rest, more := path, true; more; {
		var name string
		name, rest, more = strings.Cut(rest, "/")
		switch {
		case name == "" || name == "." || name == "..":
			return refuse(path, `an empty part, "." or ".." in it`)
		case len(name) > maxName:
			return refuse(path, "a name in it is longer than 255 bytes")
		case strings.IndexByte(name, 0) >= 0:
			return refuse(path, "NUL in it")
		}
	}
	return nil
}

func refuse(path, why string) error {
	if len(path) > 200 {
		path = path[:200] + "…"
	}
	return fmt.Errorf("add %q to image: %s: %w", path, why, ErrRefused)
}
