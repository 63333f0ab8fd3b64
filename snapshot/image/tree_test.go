package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/erofs/go-erofs"

	"larder/snapshot"
)

func object(s string) snapshot.Object {
	return snapshot.Object{Digest: snapshot.Sum([]byte(s))}
}

func TestTreeRefuses(t *testing.T) {
	o := object("x")
	long := strings.Repeat("x", 256)
	for _, path := range []string{"", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", "a/../b", "a\x00b", long, "a/" + long,
		strings.Repeat("d/", 2100) + "f"} {
		tree := NewTree()
		for what, err := range map[string]error{
			"file":  tree.File(path, o, 1, 0),
			"link":  tree.Symlink(path, "t"),
			"dir":   tree.Dir(path),
			"merge": tree.Merge(path, []string{"a"}),
		} {
			if !errors.Is(err, ErrRefused) {
				t.Errorf("%s %q: %v", what, path, err)
			} else if strings.ContainsAny(err.Error(), "\n\x00") || len(err.Error()) > 400 {
				t.Errorf("%s: message %q", what, err)
			}
		}
		if tree.Len() != 0 {
			t.Errorf("%q left something", path)
		}
	}
	tree := NewTree()
	must(t, tree.File("a/b", o, 1, 0))
	must(t, tree.Dir("a"))
	must(t, tree.File("m/one/f", o, 1, 0))
	must(t, tree.File("n/two/f", o, 1, 0))
	must(t, tree.Merge("e/x", []string{"m", "n"}))
	for what, err := range map[string]error{
		"twice":                 tree.File("a/b", o, 1, 0),
		"file over directory":   tree.File("a", o, 1, 0),
		"link over file":        tree.Symlink("a/b", "t"),
		"below a file":          tree.File("a/b/c", o, 1, 0),
		"directory over a file": tree.Dir("a/b"),
		"negative size":         tree.File("s", o, -1, 0),
		"negative time":         tree.File("s", o, 1, -1),
		"time too late":         tree.File("s", o, 1, 1<<40),
		"empty target":          tree.Symlink("s", ""),
		"long target":           tree.Symlink("s", strings.Repeat("t", 4096)),
		"NUL in target":         tree.Symlink("s", "a\x00"),
		"merge of nothing":      tree.Merge("e/y", nil),
		"merge of no directory": tree.Merge("e/y", []string{"a/b"}),
		"merge of what lacks":   tree.Merge("e/y", []string{"zzz"}),
		"merge over something":  tree.Merge("e/x", []string{"m"}),
		"into a merged tree":    tree.File("e/x/new", o, 1, 0),
		"into a shared part":    tree.File("m/one/new", o, 1, 0),
		"deep in a shared part": tree.File("m/one/new/er", o, 1, 0),
	} {
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n := tree.Len(); n != 5 {
		t.Errorf("%d files", n)
	}
}

// The same content gives the same bytes, whatever the order and however many goroutines add it.
func TestWriteIsDeterministic(t *testing.T) {
	dir := t.TempDir()
	var first []byte
	for round := range 4 {
		paths := make([]int, 3000)
		for i := range paths {
			paths[i] = i
		}
		rand.Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
		tree := NewTree()
		var wg sync.WaitGroup
		for part := range slices.Chunk(paths, 500) {
			wg.Go(func() {
				for _, i := range part {
					p := fmt.Sprintf("l/%03d/d%d/f%d", i%7, i%31, i)
					if err := tree.File(p, object(p), int64(i), int64(i)*1000); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		must(t, tree.Symlink("link", "target"))
		must(t, tree.Merge("e/all", []string{"l/001", "l/002", "l/003"}))
		path := filepath.Join(dir, fmt.Sprint(round))
		writeImage(t, tree, path)
		b, err := os.ReadFile(path)
		must(t, err)
		if first == nil {
			first = b
		}
		if !bytes.Equal(first, b) {
			t.Fatal("another image from the same tree")
		}
	}
}

// A fixed tree has a fixed id. When this fails, every host's snapshots get new ids: say so in
// the change log.
func TestGoldenID(t *testing.T) {
	tree := NewTree()
	must(t, tree.File("views/simple/index.html", object("index"), 5, snapshot.Epoch))
	must(t, tree.File("l/0123456789ab/bin/tool", snapshot.Object{Digest: snapshot.Sum([]byte("tool")), Exec: true}, 4, 1700000000))
	must(t, tree.File("l/0123456789ab/empty", object(""), 0, 1700000000))
	must(t, tree.Symlink("by-name/t/p/1.0", "../../../l/0123456789ab"))
	path := filepath.Join(t.TempDir(), "image")
	writeImage(t, tree, path)
	b, err := os.ReadFile(path)
	must(t, err)
	const want = "9d691dda4b693deb24d8b430a176fa54d34fa39aa0f53b78aa6c8a05a365babc"
	if got := snapshot.Sum(b).String(); got != want {
		t.Errorf("id %s, want %s", got, want)
	}
}

// What is read back is what went in, by walking, by fs.FS, and through CopyFrom into another image.
func TestReadBack(t *testing.T) {
	dir := t.TempDir()
	objects := filepath.Join(dir, "objects")
	tree, want := specialTree(t, objects)
	path := filepath.Join(dir, "image.erofs")
	writeImage(t, tree, path)
	img, err := Open(path, objects)
	must(t, err)
	defer img.Close()

	seen := 0
	must(t, img.Walk("", func(e Entry) error {
		if e.Path == "" {
			return nil
		}
		seen++
		w, ok := want[e.Path]
		if !ok || e.Mode != w.mode || e.MTime != w.mtime || e.Target != w.target || e.Size != int64(len(w.content)) && e.Mode.IsRegular() {
			t.Errorf("%q: %+v, want %v", e.Path, e, w.mode)
		}
		if e.Mode.IsRegular() && e.Size > 0 && e.Object != (snapshot.Object{Digest: snapshot.Sum(w.content), Exec: w.mode&0o111 != 0}) {
			t.Errorf("%q: object %s", e.Path, e.Object)
		}
		return nil
	}))
	if seen != len(want) {
		t.Errorf("walked %d names, want %d", seen, len(want))
	}
	for p, w := range want {
		if !w.mode.IsRegular() || !fs.ValidPath(p) {
			continue
		}
		if b, err := fs.ReadFile(img, p); err != nil || !bytes.Equal(b, w.content) {
			t.Errorf("%q: other content, %v", p, err)
		}
		if o, size, ok := img.Object(p); ok != (len(w.content) > 0) || ok && (size != int64(len(w.content)) || o.Digest != snapshot.Sum(w.content)) {
			t.Errorf("%q: object %v %d %v", p, o, size, ok)
		}
	}
	if b, err := fs.ReadFile(img, "by-name/cp311/flask/3.0/flask.py"); err != nil || string(b) != "flask" {
		t.Error(string(b), err)
	}
	for _, p := range []string{"", "/", "..", "a/../b", "nothing", "first/below-a-file"} {
		if f, err := img.Open(p); err == nil {
			f.Close()
			t.Errorf("opened %q", p)
		}
	}

	copied := NewTree()
	must(t, copied.CopyFrom(img, ""))
	second := filepath.Join(dir, "second")
	writeImage(t, copied, second)
	a, _ := os.ReadFile(path)
	b, _ := os.ReadFile(second)
	if !bytes.Equal(a, b) {
		t.Error("the copy of an image is another image")
	}
	part := NewTree()
	must(t, part.CopyFrom(img, "l/aaaaaaaaaaaa"))
	if part.Len() != 1 {
		t.Error("copied part:", part.Len())
	}
	if err := part.CopyFrom(img, "no/such"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// CopyFrom adds what is at src in an open image to the same place of the tree: what Walk tells is
// all there is to know of a name.
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

// fstest knows the rules of fs.FS better than we do.
func TestImageIsAnFS(t *testing.T) {
	dir := t.TempDir()
	objects := filepath.Join(dir, "objects")
	tree := NewTree()
	for _, p := range []string{"a", "b/c", "b/d/e", "b/f"} {
		o := object(p)
		op := filepath.Join(objects, o.Path())
		must(t, os.MkdirAll(filepath.Dir(op), 0o755))
		must(t, os.WriteFile(op, []byte(p), 0o444))
		must(t, tree.File(p, o, int64(len(p)), 1000000000))
	}
	path := filepath.Join(dir, "image")
	writeImage(t, tree, path)
	img, err := Open(path, objects)
	must(t, err)
	defer img.Close()
	if err := fstest.TestFS(img, "a", "b/c", "b/d/e", "b/f"); err != nil {
		t.Error(err)
	}
	// An object that is gone or is a link is damage, not an empty file.
	op := filepath.Join(objects, object("a").Path())
	must(t, os.Remove(op))
	if _, err := fs.ReadFile(img, "a"); !errors.Is(err, snapshot.ErrDamaged) {
		t.Error(err)
	}
	must(t, os.Symlink("/etc/hostname", op))
	if _, err := fs.ReadFile(img, "a"); err == nil {
		t.Error("followed a link in the pool")
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "image")
	for what, content := range map[string][]byte{"empty": nil, "short": make([]byte, 100), "zeros": make([]byte, 8192), "text": bytes.Repeat([]byte("text"), 4096)} {
		must(t, os.WriteFile(path, content, 0o600))
		if _, err := Open(path, dir); !errors.Is(err, snapshot.ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := Open(filepath.Join(dir, "none"), dir); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	must(t, os.Symlink(path, filepath.Join(dir, "link")))
	if _, err := Open(filepath.Join(dir, "link"), dir); err == nil {
		t.Error("opened a link")
	}
}

// direntSize is what a name takes in an image, at least.
const direntSize = 12

// Directories that contain each other: following them costs no more than the image has.
func TestWalkEndsInACircle(t *testing.T) {
	tree := NewTree()
	for i := range 300 {
		p := fmt.Sprintf("d/f%d", i)
		must(t, tree.File(p, object(p), int64(i), int64(i)))
	}
	must(t, tree.Dir("d/z"))
	path := filepath.Join(t.TempDir(), "image")
	writeImage(t, tree, path)
	img, err := Open(path, t.TempDir())
	must(t, err)
	nid := func(name string) []byte {
		info, err := img.Lstat(name)
		must(t, err)
		return binary.LittleEndian.AppendUint64(nil, uint64(info.Sys().(*erofs.Stat).Ino))
	}
	b, err := os.ReadFile(path)
	must(t, err)
	b = bytes.ReplaceAll(b, nid("d/z"), nid("d"))
	img.Close()
	must(t, os.WriteFile(path, b, 0o600))
	img, err = Open(path, t.TempDir())
	must(t, err)
	defer img.Close()
	n := 0
	err = img.Walk("", func(Entry) error {
		if n++; n > len(b)/direntSize+1 {
			return fs.SkipAll
		}
		return nil
	})
	if !errors.Is(err, snapshot.ErrDamaged) {
		t.Errorf("%d names of an image of %d bytes: %v", n, len(b), err)
	}
}

// FuzzOpen reads damaged images: errors, not panics, not endless loops.
func FuzzOpen(f *testing.F) {
	tree := NewTree()
	for i := range 300 {
		p := fmt.Sprintf("d%d/f%d", i%5, i)
		if err := tree.File(p, object(p), int64(i), int64(i)); err != nil {
			f.Fatal(err)
		}
	}
	if err := tree.Symlink("link", "d1"); err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(f.TempDir(), "image")
	writeImage(f, tree, path)
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(0, byte(0), 0)
	f.Add(5034, byte(2), 0)   // a directory that contains itself
	f.Add(4267, byte(128), 0) // one larger than the image
	for off := 1024; off < len(good); off += 997 {
		f.Add(off, byte(0xff), len(good))
		f.Add(off, byte(1), off)
	}
	f.Fuzz(func(t *testing.T, off int, flip byte, length int) {
		b := bytes.Clone(good)
		if off >= 0 && off < len(b) {
			b[off] ^= flip
		}
		if length > 0 && length < len(b) {
			b = b[:length]
		}
		path := filepath.Join(t.TempDir(), "image")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		img, err := Open(path, t.TempDir())
		if err != nil {
			return
		}
		defer img.Close()
		n := 0
		_ = img.Walk("", func(e Entry) error {
			if n++; n > len(b)/direntSize+1 {
				t.Fatal("the walk does not end")
			}
			return nil
		})
	})
}
