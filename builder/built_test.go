package builder_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"larder/builder"
	"larder/builder/toytest"
	"larder/snapshot"
	"larder/snapshot/image"
)

// everything lists the links and the files of views in a snapshot.
func everything(t *testing.T, img *image.Image) string {
	t.Helper()
	var all []string
	err := img.Walk("", func(e image.Entry) error {
		switch {
		case strings.HasPrefix(e.Path, "by-") && e.Mode&fs.ModeSymlink != 0:
			to, err := img.ReadLink(e.Path)
			all = append(all, path.Dir(e.Path)+" "+strings.TrimLeft(to, "./")[:1])
			return err
		case strings.HasPrefix(e.Path, "views/") && e.Mode.IsRegular():
			all = append(all, e.Path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n")
}

// What was built from sources lies apart from what the index publishes: its links by the source's digest, its
// views, and the environments that have it.
func TestToyOfSources(t *testing.T) {
	toy := newToy(t)
	served := toytest.Pack(t, toy.index, "served", "1", map[string]string{"served.txt": "served\n"})
	pure := toytest.Pack(t, toy.index, "pure", "1", map[string]string{"source": "", "pure.txt": "pure\n"})
	native := toytest.Pack(t, toy.index, "native", "1", map[string]string{"source": "", "native": ""})
	locks := []string{toy.lock(served), toy.lock(served, pure), toy.lock(served, native, pure)}
	toy.builds = func(string) snapshot.Built { return snapshot.AllBuilt }
	r := toy.must(locks...)
	img := toy.open(r)
	if got, want := everything(t, img), strings.Join([]string{
		"by-hash/toy l", "by-lock/toy e", "by-name/toy/served l",
		"by-source/native/by-hash/toy l", "by-source/native/by-lock/toy e", "by-source/native/by-name/toy/native l",
		"by-source/pure/by-hash/toy l", "by-source/pure/by-lock/toy e", "by-source/pure/by-name/toy/pure l",
		"views/toy/DIGESTS", "views/toy/served-1.tar", "views/toy/served-1.tar.sha256",
		"views/toy-built/built-pure-1.tar", "views/toy-built/built-pure-1.tar.sha256",
		"views/toy-built-native/built-native-1.tar", "views/toy-built-native/built-native-1.tar.sha256",
	}, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	source := strings.Fields(pure)[2]
	for _, a := range m.Artifacts {
		text, _ := json.Marshal(a)
		want := map[string]string{"served": "", "native": `"kind":"native"`, "pure": fmt.Sprintf(`"built":{"source":%q,"recipe":"`, source)}[a.Project]
		if !strings.Contains(string(text), want) || want == "" && strings.Contains(string(text), "built") {
			t.Errorf("row %s, want %q", text, want)
		}
	}
	if page, err := fs.ReadFile(img, "views/toy/DIGESTS"); err != nil || string(page) != served {
		t.Errorf("the page of what is published: %q, %v", page, err)
	}
	target := snapshot.LinkTarget
	if to, err := img.ReadLink(snapshot.PureBuilt.ByHash("toy", source)); err != nil || !strings.HasPrefix(to, target(snapshot.PureBuilt.ByHash("toy", source), "l/")) {
		t.Errorf("by the source's digest: %q, %v", to, err)
	}

	// A plan knows what was made of a source.
	cfg := toy.config()
	cfg.Ranked, cfg.DryRun = map[string]builder.Ranked{"toy": {Projects: []string{"pure"}}}, true
	if r, err = builder.Build(t.Context(), cfg); err != nil || slices.ContainsFunc(r.Changes.Projects, func(c image.Change) bool { return c.Name == "pure" }) {
		t.Errorf("a plan changes %+v, %v", r.Changes, err)
	}
	// A view that is named is written, whatever others are, and so is none of them.
	cfg = toy.config()
	cfg.Locks, cfg.Views = locks, []string{"toy-built"}
	if r, err = builder.Build(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if got := everything(t, toy.open(r)); !strings.Contains(got, "views/toy-built/built-pure-1.tar") || strings.Contains(got, "views/toy/") || strings.Contains(got, "views/toy-built-native/") {
		t.Errorf("by name:\n%s", got)
	}
}
