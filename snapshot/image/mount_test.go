//go:build linux

package image

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"larder/snapshot"
)

// TestMountIsWhatWentIn mounts an image over its pool, as an attach does, and compares every name
// with what was put in, both ways. Mounts stay detached: nothing is left behind whatever happens.
func TestMountIsWhatWentIn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount")
	}
	dir := t.TempDir()
	tree, want := specialTree(t, filepath.Join(dir, "objects"))
	path := filepath.Join(dir, "image.erofs")
	writeImage(t, tree, path)

	root := mountOver(t, path, filepath.Join(dir, "objects"))
	seen := 0
	fsys := os.DirFS(root)
	must(t, fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if p == "." {
			return nil
		}
		w, ok := want[p]
		if !ok {
			t.Errorf("%q is mounted and was never put in", p)
			return nil
		}
		seen++
		fi, err := os.Lstat(filepath.Join(root, p))
		if err != nil {
			return err
		}
		if fi.Mode() != w.mode || fi.ModTime().Unix() != w.mtime {
			t.Errorf("%q: mode %v time %d, want %v %d", p, fi.Mode(), fi.ModTime().Unix(), w.mode, w.mtime)
		}
		switch {
		case fi.Mode().IsRegular():
			if fi.Size() != int64(len(w.content)) {
				t.Errorf("%q: size %d, want %d", p, fi.Size(), len(w.content))
			}
			got, err := os.ReadFile(filepath.Join(root, p))
			if err != nil || !bytes.Equal(got, w.content) {
				t.Errorf("%q: other content, %v", p, err)
			}
		case fi.Mode()&fs.ModeSymlink != 0:
			if target, err := os.Readlink(filepath.Join(root, p)); err != nil || target != w.target {
				t.Errorf("%q: links to %q, %v", p, target, err)
			}
		}
		return nil
	}))
	if seen != len(want) {
		t.Errorf("%d names are mounted, %d went in", seen, len(want))
	}
	// Names by look-up, not by listing: EROFS finds them by binary search.
	for p := range want {
		if _, err := os.Lstat(filepath.Join(root, p)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(filepath.Join(root, "many/no-such")); !os.IsNotExist(err) {
		t.Error("a name that is not there:", err)
	}
	// Links that lead through the index.
	if b, err := os.ReadFile(filepath.Join(root, "by-name/cp311/flask/3.0/flask.py")); err != nil || string(b) != "flask" {
		t.Error("through by-name:", string(b), err)
	}
	if err := os.WriteFile(filepath.Join(root, "x"), nil, 0o600); err == nil {
		t.Error("a snapshot was written to")
	}
}

// mountOver mounts image and pool, detached, and returns a path to the root.
func mountOver(t *testing.T, image, objects string) string {
	t.Helper()
	erofs := fsmount(t, "erofs", func(fd int) error { return unix.FsconfigSetString(fd, "source", image) })
	pool, err := unix.Open(objects, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(pool)
	tree := fsmount(t, "overlay", func(fd int) error {
		if err := unix.FsconfigSetFd(fd, "lowerdir+", erofs); err != nil {
			return err
		}
		if err := unix.FsconfigSetFd(fd, "datadir+", pool); err != nil {
			return err
		}
		// Kernels before 6.16 want both to follow into a data-only layer.
		if err := unix.FsconfigSetString(fd, "metacopy", "on"); err != nil {
			return err
		}
		return unix.FsconfigSetString(fd, "redirect_dir", "follow")
	})
	return fmt.Sprintf("/proc/self/fd/%d/.", tree)
}

func fsmount(t *testing.T, typ string, configure func(fd int) error) int {
	t.Helper()
	fd, err := unix.Fsopen(typ, unix.FSOPEN_CLOEXEC)
	must(t, err)
	defer unix.Close(fd)
	must(t, configure(fd))
	must(t, unix.FsconfigCreate(fd))
	m, err := unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	must(t, err)
	t.Cleanup(func() { unix.Close(m) })
	return m
}

type wanted struct {
	mode    fs.FileMode
	mtime   int64
	content []byte
	target  string
}

// specialTree is a tree of every kind of name that has ever been trouble, and its pool.
func specialTree(t testing.TB, objects string) (*Tree, map[string]wanted) {
	t.Helper()
	tree, want := NewTree(), map[string]wanted{}
	parents := func(p string) {
		for d := filepath.Dir(p); d != "."; d = filepath.Dir(d) {
			want[d] = wanted{mode: fs.ModeDir | 0o755, mtime: snapshot.Epoch}
		}
	}
	n := int64(0)
	file := func(p string, content []byte, exec bool) {
		t.Helper()
		n++
		o := snapshot.Object{Digest: snapshot.Sum(content), Exec: exec}
		mode := fs.FileMode(0o644)
		if exec {
			mode = 0o755
		}
		if len(content) > 0 {
			op := filepath.Join(objects, o.Path())
			must(t, os.MkdirAll(filepath.Dir(op), 0o755))
			must(t, os.RemoveAll(op))
			must(t, os.WriteFile(op, content, 0o444))
		}
		mtime := snapshot.Epoch + n - 1 // the first has the image's own time: a compact inode
		must(t, tree.File(p, o, int64(len(content)), mtime))
		want[p] = wanted{mode: mode, mtime: mtime, content: content}
		parents(p)
	}
	link := func(p, target string) {
		t.Helper()
		must(t, tree.Symlink(p, target))
		want[p] = wanted{mode: fs.ModeSymlink | 0o777, mtime: snapshot.Epoch, target: target}
		parents(p)
	}
	must(t, os.MkdirAll(objects, 0o755))
	file("first", []byte("compact"), false)
	file("l/aaaaaaaaaaaa/flask.py", []byte("flask"), false)
	link("by-name/cp311/flask/3.0", snapshot.LinkTarget("by-name/cp311/flask/3.0", "l/aaaaaaaaaaaa"))
	file("bin/tool", []byte("#!/bin/sh\n"), true)
	file("bin/data", []byte("#!/bin/sh\n"), false) // the same bytes, not executable
	file("empty", nil, false)
	file("empty-tool", nil, true)
	for _, size := range []int{1, 4095, 4096, 4097, 1 << 20, 5<<20 + 3} {
		file(fmt.Sprintf("sizes/%d", size), bytes.Repeat([]byte{byte(size)}, size), false)
	}
	for i := range 5000 {
		file(fmt.Sprintf("many/%04d-%s", i*7919%10000, strings.Repeat("x", i%60)), fmt.Appendf(nil, "%d", i), i%3 == 0)
	}
	for i := 1; i <= 255; i++ { // directory blocks filled to every length
		file(fmt.Sprintf("names/%s", strings.Repeat("n", i)), []byte("n"), false)
	}
	deep := strings.TrimSuffix(strings.Repeat("d/", 300), "/")
	file(deep+"/bottom", []byte("deep"), false)
	file("unicode/ñandú/日本語/файл.py", []byte("u"), false)
	file("unicode/nfd-n\u0303", []byte("d"), false)
	file("unicode/\xff\xfe-not-utf8", []byte("x"), false)
	file("odd/new\nline", []byte("x"), false)
	file("odd/ space\ttab\\back:colon,comma", []byte("x"), false)
	file("odd/.wh.whiteout", []byte("x"), false)
	file("odd/.wh..wh..opq", []byte("x"), false)
	file("order/a", []byte("1"), false)
	file("order/a-b", []byte("2"), false)
	file("order/a.b", []byte("3"), false)
	file("order/ab/c", []byte("4"), false)
	for _, n := range []int{1, 50, 3000, 4000, 4095} {
		link(fmt.Sprintf("links/%d", n), strings.Repeat("t", n))
	}
	link("links/up", "../bin/tool")
	link("links/absolute", "/bin/tool")
	must(t, tree.Dir("hollow/inner"))
	want["hollow/inner"] = wanted{mode: fs.ModeDir | 0o755, mtime: snapshot.Epoch}
	parents("hollow/inner")
	return tree, want
}

func writeImage(t testing.TB, tree *Tree, path string) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	must(t, tree.Write(f))
	must(t, f.Close())
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
