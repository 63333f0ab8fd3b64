package builder_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"larder/builder"
	"larder/builder/toytest"
	"larder/snapshot"
	"larder/snapshot/image"
)

// clerk writes view "clerk": a file for each project, never the same twice.
type clerk struct {
	version string
	missing error
	runs    int
	filled  []string // projects, by the last build
	not     string   // project that it cannot write

	built snapshot.Built // of its view
	named []string       // files that were only to be named, by the last build
}

func (c *clerk) Programs() []string { return []string{c.version} }

func (c *clerk) Fill(_ context.Context, dir string, items []*builder.Item, open func(*builder.Item) (builder.Reader, error), put builder.Put) ([]image.Entry, error) {
	if _, err := os.ReadDir(dir); err != nil {
		return nil, err
	}
	c.runs++
	all := []image.Entry{}
	file := func(path, text string) error {
		o, size, err := put(strings.NewReader(text), false)
		all = append(all, image.Entry{Path: path, Object: o, Size: size, MTime: snapshot.Epoch})
		return err
	}
	for _, it := range items {
		if it.Built.Needs() != c.built {
			c.named = append(c.named, it.Filename)
			continue
		}
		r, err := open(it)
		if err != nil {
			return nil, err
		}
		r.Close()
		c.filled = append(c.filled, it.Project)
		if it.Project == c.not {
			continue
		}
		if err := file(it.Project+"/of", fmt.Sprintf("run %d of %s", c.runs, it.Digest)); err != nil {
			return nil, err
		}
	}
	return all, file("tag", "clerk")
}

func (c *clerk) view() builder.View {
	return builder.View{Name: map[snapshot.Built]string{snapshot.NoBuilt: "clerk", snapshot.PureBuilt: "clerk-built", snapshot.AllBuilt: "clerk-all"}[c.built], Built: c.built, Fill: &builder.Fill{
		Key: func(it *builder.Item) string { return it.Digest },
		Split: func(entries []image.Entry) (common []image.Entry, of map[string][]image.Entry) {
			of = map[string][]image.Entry{}
			for _, e := range entries {
				project, _, ok := strings.Cut(e.Path, "/")
				switch {
				case e.Mode.IsDir():
				case ok:
					of[project] = append(of[project], e)
				default:
					common = append(common, e)
				}
			}
			return common, of
		},
		Open: func(context.Context, builder.Config) (builder.Filler, error) { return c, c.missing },
	}}
}

// What a program wrote of a project is kept until something of the project changes, its files are
// damaged, or the program is another one.
func TestFill(t *testing.T) {
	toy, c := newToy(t), &clerk{version: "clerk 1"}
	a := toytest.Pack(t, toy.index, "a", "1", map[string]string{"x": "1"})
	b := toytest.Pack(t, toy.index, "b", "1", map[string]string{"x": "2"})
	b2 := toytest.Pack(t, toy.index, "b", "2", map[string]string{"x": "3"})
	e := toytest.Ecosystem(func() string { return toy.index })
	e.Writers = append(e.Writers, c.view())
	targets, err := e.Targets(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var warnings []string
	cfg := builder.Config{Store: toy.store, Ecosystems: []builder.Ecosystem{e}, Targets: targets, Views: []string{"toy", "clerk"},
		Warn: func(line string) { warnings = append(warnings, line) }}
	build := func(lines ...string) (*builder.Report, error) {
		cfg := cfg
		cfg.Locks = []string{toy.lock(lines...)}
		c.filled, warnings = nil, nil
		return builder.Build(t.Context(), cfg)
	}
	must := func(want string, lines ...string) *builder.Report {
		t.Helper()
		r, err := build(lines...)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(c.filled)
		if got := strings.Join(c.filled, " "); got != want {
			t.Errorf("written again: %q, want %q", got, want)
		}
		return r
	}

	c.missing = errors.New("no clerk")
	if _, err := build(a); err == nil || err.Error() != "no clerk" {
		t.Errorf("without its program: %v", err)
	}
	c.missing = nil
	first := must("a b", a, b)
	if again := must("", a, b); again.Snapshot != first.Snapshot || again.Published {
		t.Error("unchanged, it is another snapshot")
	}
	must("b", a, b2)
	must("b", a, b) // only the snapshot before is looked at

	img := toy.open(must("", a, b))
	o, _, ok := img.Object("views/clerk/a/of")
	if !ok {
		t.Fatal("view clerk has nothing of a")
	}
	if err := os.Remove(toy.store.ObjectsDir() + "/" + o.Path()); err != nil {
		t.Fatal(err)
	}
	must("a", a, b)
	if !slices.ContainsFunc(warnings, func(w string) bool { return strings.Contains(w, "what view clerk has of a is made again") }) {
		t.Errorf("warnings %q", warnings)
	}
	c.version = "clerk 2"
	must("a b", a, b)

	c.not, c.version = "b", "clerk 3"
	must("a b", a, b)
	left := must("b", a, b) // tried again
	if _, _, ok := toy.open(left).Object("views/clerk/b/of"); ok {
		t.Error("b is there")
	}

	// Without the program, what it wrote of all else stays.
	c.missing, warnings, cfg.Targets = errors.New("no clerk"), nil, nil
	report, err := builder.Revoke(t.Context(), cfg, snapshot.Denial{Project: "b"}, false)
	if err != nil {
		t.Fatal(err)
	}
	img = toy.open(&builder.Report{Snapshot: report.Snapshot})
	if _, _, ok := img.Object("views/clerk/a/of"); !ok {
		t.Errorf("a is gone; %q", warnings)
	}
}

// A view of what was built is told what else there is of its projects, and made again when that changes;
// other projects are none of it, and what indexes publish is in a view that knows of nothing built.
func TestFillBuilt(t *testing.T) {
	toy := newToy(t)
	plain, built, all := &clerk{version: "clerk 1"}, &clerk{version: "clerk 1", built: snapshot.PureBuilt}, &clerk{version: "clerk 1", built: snapshot.AllBuilt}
	a := toytest.Pack(t, toy.index, "a", "1", map[string]string{"x": "1"})
	b := toytest.Pack(t, toy.index, "b", "1", map[string]string{"x": "2"})
	b2 := toytest.Pack(t, toy.index, "b", "2", map[string]string{"source": "s", "y": "3"})
	e := toytest.Ecosystem(func() string { return toy.index })
	e.Writers = append(e.Writers, plain.view(), built.view(), all.view())
	targets, err := e.Targets(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	build := func(want, wantBuilt, wantNamed string, locks ...string) *builder.Report {
		t.Helper()
		for _, c := range []*clerk{plain, built, all} {
			c.filled, c.named = nil, nil
		}
		r, err := builder.Build(t.Context(), builder.Config{Store: toy.store, Ecosystems: []builder.Ecosystem{e}, Targets: targets,
			Views: []string{"toy", "clerk", "clerk-built", "clerk-all"}, Locks: locks, Builds: anySource, Warn: func(string) {}})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(plain.filled)
		for i, got := range [][]string{plain.filled, built.filled, built.named, plain.named, all.filled} {
			if got, want := strings.Join(got, " "), []string{want, wantBuilt, wantNamed, "", ""}[i]; got != want {
				t.Errorf("%d: %q, want %q", i, got, want)
			}
		}
		return r
	}
	one, two, three := toy.lock(a), toy.lock(b), toy.lock(b2)
	build("a", "", "", one)
	build("", "b", "", one, three)
	r := build("b", "b", "b-1.tar", one, two, three) // its page has one more
	if again := build("", "", "", one, two, three); again.Snapshot != r.Snapshot {
		t.Error("unchanged, it is another snapshot")
	}
	img := toy.open(r)
	for path, want := range map[string]bool{"views/clerk/b/of": true, "views/clerk/a/of": true, "views/clerk-built/b/of": true, "views/clerk-built/a/of": false, "views/clerk-all/tag": false} {
		if _, _, ok := img.Object(path); ok != want {
			t.Errorf("%s is there: %t", path, ok)
		}
	}
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range m.Artifacts {
		if row.Built != nil && row.Built.Size+512 != row.Size {
			t.Errorf("its source has %d bytes, and it %d", row.Built.Size, row.Size)
		}
	}
}
