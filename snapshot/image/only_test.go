package image

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/erofs/go-erofs"
	"io/fs"
)

// An image can hold the bytes of a few files itself: what is not in the pool is no other reason to write there.
func TestHeld(t *testing.T) {
	make := func(order bool) []byte {
		tree := NewTree()
		must(t, tree.File("l/1/f", object("one"), 3, 1))
		must(t, tree.File("l/1/d/g", object("two"), 3, 1))
		must(t, tree.File("l/2/f", object("one"), 3, 1))
		own := []Own{{Path: ".lock", Data: bytes.Repeat([]byte("lock "), 10_000)}, {Path: "a/d/own", Data: []byte("x")}, {Path: "empty"}}
		if order {
			own[0], own[1] = own[1], own[0]
		}
		must(t, tree.Assemble("e/x", []Part{{"a", "l/1"}, {"b", "l/2"}}, own))
		only, err := tree.Only("e/x")
		must(t, err)
		path := filepath.Join(t.TempDir(), "image")
		writeImage(t, only, path)
		b, err := os.ReadFile(path)
		must(t, err)
		return b
	}
	b := make(false)
	if !bytes.Equal(b, make(true)) {
		t.Error("the same tree made other bytes")
	}
	fsys, err := erofs.Open(bytes.NewReader(b))
	must(t, err)
	for name, want := range map[string]string{"e/x/.lock": string(bytes.Repeat([]byte("lock "), 10_000)), "e/x/a/d/own": "x", "e/x/empty": ""} {
		if got, err := fs.ReadFile(fsys, name); err != nil || string(got) != want {
			t.Errorf("%s: %d bytes, %v; want %d", name, len(got), err, len(want))
		}
	}
	if info, err := fs.Stat(fsys, "e/x/a/d/g"); err != nil || info.Sys().(*erofs.Stat).Xattrs[xattrRedirect] == "" {
		t.Errorf("what is in the pool: %v", err)
	}
	if info, err := fs.Stat(fsys, "e/x/a"); err != nil || info.Sys().(*erofs.Stat).Nlink != 3 {
		t.Errorf("a directory on the way to what is held: %+v, %v", info.Sys(), err)
	}
	if _, err := fs.Stat(fsys, "l"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a part is there beside the whole: %v", err)
	}
	tree := NewTree()
	must(t, tree.File("f", object("one"), 3, 1))
	for _, path := range []string{"", "none", "f"} {
		if _, err := tree.Only(path); !errors.Is(err, ErrRefused) {
			t.Errorf("only %q: %v", path, err)
		}
	}
}
