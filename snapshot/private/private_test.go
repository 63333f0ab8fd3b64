package private

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/erofs/go-erofs"
	"io/fs"

	"larder/snapshot"
	"larder/snapshot/image"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// store makes one with a snapshot of layers, each with its files.
func store(t *testing.T, layers map[string][]string) (*snapshot.Store, snapshot.ID) {
	t.Helper()
	s, err := snapshot.OpenOrCreate(filepath.Join(t.TempDir(), "store"))
	must(t, err)
	st, err := s.Begin(t.Context())
	must(t, err)
	defer st.Close()
	tree := image.NewTree()
	for id, files := range layers {
		for _, file := range files {
			o, err := st.PutBytes([]byte(id+file), false)
			must(t, err)
			must(t, tree.File(snapshot.LayerPath(id)+"/"+file, o, int64(len(id+file)), snapshot.Epoch+7))
		}
	}
	id, _, err := st.Publish(func(w *os.File) error { return tree.Write(w) }, nil)
	must(t, err)
	return s, id
}

const one, two, tool = "000000000001", "000000000002", "00000000000f"

var layers = map[string][]string{one: {"f", "d/both"}, two: {"g", "d/both"}, tool: {"pip"}}

// names are the files of an image, by path, with the object of each.
func names(t *testing.T, path string) (all []string) {
	b, err := os.ReadFile(path)
	must(t, err)
	fsys, err := erofs.Open(bytes.NewReader(b))
	must(t, err)
	must(t, fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			info, ierr := d.Info()
			must(t, ierr)
			all = append(all, fmt.Sprint(name, " ", info.ModTime().Unix()-snapshot.Epoch))
		}
		return err
	}))
	return all
}

// An environment has its layers where they belong and its own files, and no other part of the snapshot. The same
// one has the same name and bytes in any store.
func TestImage(t *testing.T) {
	placed := &snapshot.Requirements{Digest: "lock", Pins: make([]snapshot.Pin, 2), Places: []snapshot.Place{{Path: "a", Pin: 0}, {Path: "a/n/b", Pin: 1}, {Path: "b", Pin: 1}},
		Own: []snapshot.OwnFile{{Path: ".lock", Data: []byte("{}")}, {Path: ".bin/g", Link: "../b/g"}, {Path: ".bin/none", Link: "../b/none"}}}
	several := &snapshot.Requirements{Digest: "several", Pins: make([]snapshot.Pin, 2), Places: []snapshot.Place{{Path: "0/a", Pin: 0}, {Path: "1/b", Pin: 1}},
		Own: []snapshot.OwnFile{{Path: "0/out", Link: "../none"}, {Path: "1/none", Link: "b/none"}}, Mounts: []string{"m", "p/m"}}
	flat := &snapshot.Requirements{Digest: "flat", Pins: make([]snapshot.Pin, 2)}
	for _, c := range []struct {
		env  Environment
		want []string
	}{
		{Environment{"t", placed, []string{one, two}, ""}, []string{".bin/g 0", ".lock 0", "a/d/both 7", "a/f 7", "a/n/b/d/both 7", "a/n/b/g 7", "b/d/both 7", "b/g 7"}},
		{Environment{"t", several, []string{one, two}, ""}, []string{"0/a/d/both 7", "0/a/f 7", "0/out 0", "1/b/d/both 7", "1/b/g 7"}},
		{Environment{"t", flat, []string{one, two}, tool}, []string{"d/both 7", "f 7", "g 7"}},
	} {
		var had snapshot.Private
		for range 2 {
			s, id := store(t, layers)
			p, err := c.env.Image(s, id)
			must(t, err)
			if again, err := c.env.Image(s, id); err != nil || again.Name != p.Name || again.Dir != p.Dir {
				t.Errorf("again: %+v, %v", again, err)
			}
			if had.Name != "" && (p.Name != had.Name || p.Image != had.Image) {
				t.Errorf("in another store: %+v, want %+v", p, had)
			}
			had = p
		}
		for i := range c.want {
			c.want[i] = c.env.Path() + "/" + c.want[i]
		}
		if c.env.Beside != "" {
			c.want = append(c.want, "l/"+tool+"/pip 7")
		}
		if got := names(t, had.ImagePath()); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%q\nwant\n%q", got, c.want)
		}
	}
}

// Whatever differs in it gives another name: images of containers' own locks lie beside the others.
func TestName(t *testing.T) {
	seen := map[snapshot.Digest]string{}
	for what, env := range map[string]Environment{
		"flat":           {"t", &snapshot.Requirements{}, []string{one, two}, ""},
		"another target": {"u", &snapshot.Requirements{}, []string{one, two}, ""},
		"another order":  {"t", &snapshot.Requirements{}, []string{two, one}, ""},
		"a tool":         {"t", &snapshot.Requirements{}, []string{one, two}, tool},
		"placed":         {"t", &snapshot.Requirements{Places: []snapshot.Place{{Path: "a"}}}, []string{one, two}, ""},
		"elsewhere":      {"t", &snapshot.Requirements{Places: []snapshot.Place{{Path: "b"}}}, []string{one, two}, ""},
		"an own file":    {"t", &snapshot.Requirements{Own: []snapshot.OwnFile{{Path: "b", Data: []byte("x")}}}, []string{one, two}, ""},
		"other bytes":    {"t", &snapshot.Requirements{Own: []snapshot.OwnFile{{Path: "b", Data: []byte("y")}}}, []string{one, two}, ""},
		"a link":         {"t", &snapshot.Requirements{Own: []snapshot.OwnFile{{Path: "b", Link: "x"}}}, []string{one, two}, ""},
	} {
		name := env.Want.PrivateName(env.Target, env.Layers, env.Beside)
		if other, is := seen[name]; is {
			t.Errorf("%s has the name of %s", what, other)
		}
		seen[name] = what
	}
}

// A container's lock can ask for more than there should ever be, by placing one layer very often or very deep.
func TestImageTooLarge(t *testing.T) {
	s, id := store(t, layers)
	deep := ""
	for range 60 {
		deep += "d/"
	}
	for what, n := range map[string]int{"": MaxEntries/4 + 1, deep: MaxEntries / 60} {
		want := &snapshot.Requirements{Digest: "lock", Pins: make([]snapshot.Pin, 1)}
		for i := range n {
			want.Places = append(want.Places, snapshot.Place{Path: fmt.Sprint(what, i)})
		}
		if _, err := (Environment{Target: "t", Want: want, Layers: []string{one}}).Image(s, id); !errors.Is(err, image.ErrRefused) {
			t.Errorf("%q: %v", what, err)
		}
	}
	if _, err := (Environment{Target: "t", Want: &snapshot.Requirements{}, Layers: []string{"00000000000e"}}).Image(s, id); err == nil {
		t.Error("of a layer that is not there")
	}
	if left, err := s.Privates(id); err != nil || len(left) > 0 {
		t.Errorf("left: %+v, %v", left, err)
	}
}
