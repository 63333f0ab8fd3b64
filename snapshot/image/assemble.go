package image

import (
	"fmt"
	"maps"
	"path"
	"strings"

	"larder/snapshot"
)

// Part is a directory of the tree that stands in another one, at a path of its own.
type Part struct {
	Path string // below the whole
	Src  string // in the tree
}

// Own is a file of the whole's own, or a link.
type Own struct {
	Path   string
	In     string // the directory of the whole that counts as the whole for its link; "" all of it
	Object snapshot.Object
	Size   int64
	Data   []byte // of a file that is no object: the image holds its bytes
	Link   string // "" of a file
}

// Assemble makes the directory dst of others in the tree, in their order: a later one takes the place of what
// is at its path, and so does what is the whole's own. A link of its own that leads to nothing in it is left
// out. Like Merge it copies nothing but the directories on the way to a part: what is assembled, and what it
// is made of, takes no more entries after.
func (t *Tree) Assemble(dst string, parts []Part, own []Own) error {
	if err := checkPath(dst); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	parentPath, name := split(dst)
	parent, err := t.dir(parentPath)
	switch {
	case err != nil:
		return err
	case parent.children[name] != nil:
		return refuse(dst, "it is there twice")
	case parent.sealed:
		return refuse(dst, "its directory is part of a merged environment")
	}
	w := whole{root: newDir(name), made: map[*node]bool{}}
	w.made[w.root] = true
	for _, p := range parts {
		src := t.find(p.Src)
		if src == nil || !src.isDir() || p.Src == "" {
			return refuse(dst, fmt.Sprintf("its part %q is no directory of this tree", p.Src))
		}
		src.sealed = true
		if err := w.put(p.Path, *src); err != nil {
			return err
		}
	}
	for _, last := range []bool{false, true} { // links that stay in the whole, once all else is there
		for _, o := range own {
			to, stays := o.stays()
			if stays != last || stays && w.lacks(to) {
				continue
			}
			if len(o.Link) > maxTarget || strings.IndexByte(o.Link, 0) >= 0 {
				return refuse(o.Path, "its link target is too long or holds NUL")
			}
			n := node{object: o.Object, size: o.Size, target: o.Link, mtime: snapshot.Epoch}
			if len(o.Data) > 0 {
				n.data, n.size = o.Data, int64(len(o.Data))
			}
			if err := w.put(o.Path, n); err != nil {
				return err
			}
		}
	}
	for d := range w.made {
		d.sealed = true
	}
	parent.children[name] = w.root
	return nil
}

// whole is a directory that is being assembled.
type whole struct {
	root *node
	made map[*node]bool // directories of its own, which nobody shares
}

// put sets the node at a path, in directories of the whole's own.
func (w *whole) put(at string, n node) error {
	if err := checkPath(at); err != nil {
		return err
	}
	dir, name := split(at)
	d := w.root
	for rest := dir; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		next := d.children[part]
		switch {
		case next == nil:
			next = newDir(part)
		case !next.isDir():
			return refuse(at, "a part of it is a file or link and not a directory")
		case !w.made[next]:
			next = &node{name: part, children: maps.Clone(next.children), mtime: next.mtime}
		}
		w.made[next] = true
		d.children[part] = next
		d = next
	}
	n.name = name
	d.children[name] = &n
	return nil
}

// stays says where a link leads in the whole; false where it leaves that, or the part it is in, and of a file.
func (o Own) stays() (to string, ok bool) {
	from := strings.TrimPrefix(strings.TrimPrefix(o.Path, o.In), "/")
	to = path.Join(path.Dir(from), o.Link)
	return path.Join(o.In, to), o.Link != "" && !path.IsAbs(o.Link) && to != ".." && !strings.HasPrefix(to, "../")
}

// lacks says that nothing is at a path. Where a link on the way leads is not known here.
func (w *whole) lacks(at string) bool {
	n := w.root
	for rest := at; rest != "" && at != "."; {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		if n = n.children[part]; n == nil {
			return true
		}
		if n.isLink() {
			return false
		}
	}
	return false
}
