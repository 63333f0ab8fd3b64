package image

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"testing"
)

// assembled lists what is in a directory of a tree that was written and read again.
func assembled(t *testing.T, tree *Tree, dir string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	writeImage(t, tree, path)
	img, err := Open(path, t.TempDir())
	must(t, err)
	defer img.Close()
	var all []string
	must(t, img.Walk(dir, func(e Entry) error {
		switch {
		case e.Mode.IsDir():
			all = append(all, e.Path+"/")
		case e.Mode&fs.ModeSymlink != 0:
			all = append(all, e.Path+" -> "+e.Target)
		default:
			all = append(all, e.Path+" "+e.Object.Digest.Short())
		}
		return nil
	}))
	slices.Sort(all)
	return all
}

func TestAssemble(t *testing.T) {
	tree := NewTree()
	one, two, own := object("one"), object("two"), object("own")
	must(t, tree.File("l/1/f", one, 3, 1))
	must(t, tree.File("l/1/n/2/old", one, 3, 1))
	must(t, tree.File("l/1/n/3/f", one, 3, 1))
	must(t, tree.File("l/2/d/g", two, 3, 1))
	must(t, tree.Assemble("e/x", []Part{{"a", "l/1"}, {"a/n/2", "l/2"}, {"@s/b", "l/2"}, {"c/n/b", "l/2"}}, []Own{
		{Path: ".bin/f", Link: "../a/f"}, {Path: ".bin/none", Link: "../a/none"}, {Path: ".bin/below", Link: "../a/f/x"}, {Path: ".none/x", Link: "../../x/../e"},
		{Path: "out", Link: "../out"}, {Path: ".bin/out", Link: "../out/x"}, {Path: "root", Link: "/etc"}, {Path: "a/n/3", Link: "../f"}, {Path: "lock", Object: own, Size: 3}, {Path: "empty"},
	}))
	f, g := " "+one.Digest.Short(), " "+two.Digest.Short()
	want := []string{"e/x/", "e/x/.bin/", "e/x/.bin/f -> ../a/f", "e/x/.bin/out -> ../out/x", "e/x/.none/", "e/x/.none/x -> ../../x/../e",
		"e/x/@s/", "e/x/@s/b/", "e/x/@s/b/d/", "e/x/@s/b/d/g" + g, "e/x/a/", "e/x/a/f" + f, "e/x/a/n/", "e/x/a/n/2/", "e/x/a/n/2/d/", "e/x/a/n/2/d/g" + g, "e/x/a/n/3 -> ../f",
		"e/x/c/", "e/x/c/n/", "e/x/c/n/b/", "e/x/c/n/b/d/", "e/x/c/n/b/d/g" + g, "e/x/empty 000000000000", "e/x/lock " + own.Digest.Short(), "e/x/out -> ../out", "e/x/root -> /etc"}
	slices.Sort(want)
	got := assembled(t, tree, "e/x")
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant\n%q", got, want)
	}
	// For a link, the part it is in may be all there is.
	must(t, tree.Assemble("e/z", []Part{{"0/a", "l/2"}, {"1/b", "l/2"}}, []Own{
		{Path: "0/out", In: "0", Link: "../none"}, {Path: "0/.bin/g", In: "0", Link: "../a/d/g"}, {Path: "0/none", In: "0", Link: "b"}, {Path: "1/b/x", In: "1", Link: "../b/none"}, {Path: "0/lost", Link: "../1/a"}}))
	want = []string{"e/z/", "e/z/0/", "e/z/0/.bin/", "e/z/0/.bin/g -> ../a/d/g", "e/z/0/a/", "e/z/0/a/d/", "e/z/0/a/d/g" + g, "e/z/0/out -> ../none", "e/z/1/", "e/z/1/b/", "e/z/1/b/d/", "e/z/1/b/d/g" + g}
	if got := assembled(t, tree, "e/z"); !slices.Equal(got, want) {
		t.Errorf("%q\nwant\n%q", got, want)
	}
	if got := assembled(t, tree, "l/1"); len(got) != 7 {
		t.Errorf("a part was changed: %q", got)
	}
	for what, err := range map[string]error{
		"over something":        tree.Assemble("e/x", nil, nil),
		"of what lacks":         tree.Assemble("e/y", []Part{{"a", "l/9"}}, nil),
		"of no directory":       tree.Assemble("e/y", []Part{{"a", "l/1/f"}}, nil),
		"of all":                tree.Assemble("e/y", []Part{{"a", ""}}, nil),
		"at its root":           tree.Assemble("e/y", []Part{{"", "l/1"}}, nil),
		"outside":               tree.Assemble("e/y", []Part{{"../a", "l/1"}}, nil),
		"below a file":          tree.Assemble("e/y", []Part{{"a", "l/1"}, {"a/f/x", "l/2"}}, nil),
		"own below a file":      tree.Assemble("e/y", []Part{{"a", "l/1"}}, []Own{{Path: "a/f/x", Link: "/"}}),
		"a link with NUL":       tree.Assemble("e/y", nil, []Own{{Path: "a", Link: "../../\x00"}}),
		"at no path":            tree.Assemble("e//y", nil, nil),
		"in an assembled one":   tree.Assemble("e/x/y", nil, nil),
		"a file in it":          tree.File("e/x/new", one, 3, 1),
		"a file in a part":      tree.File("l/1/new", one, 3, 1),
		"a file deep in it":     tree.File("e/x/@s/b/d/new", one, 3, 1),
		"a file deep in a part": tree.File("l/1/n/3/new", one, 3, 1),
	} {
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
