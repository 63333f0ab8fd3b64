package builder_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/builder"
	"larder/builder/toytest"
	"larder/snapshot"
)

// What was built can be deleted: its recipe gives it back, bit for bit, and says so when it does not.
func TestRebuild(t *testing.T) {
	toy := newToy(t)
	toy.builds = anySource
	if r, err := builder.Rebuild(t.Context(), toy.config(), "", true); err != nil || len(r.Built) != 0 {
		t.Fatalf("nothing was built: %+v, %v", r, err)
	}
	toy.must(toy.lock(toytest.Pack(t, toy.index, "src", "1", map[string]string{"source": "s", "file": "text"}),
		toytest.Pack(t, toy.index, "more", "2", map[string]string{"source": "t"})))
	rebuild := func(name string, check bool, want ...builder.Outcome) *builder.RebuildReport {
		t.Helper()
		r, err := builder.Rebuild(t.Context(), toy.config(), name, check)
		var got []builder.Outcome
		for _, b := range r.Built {
			got = append(got, b.Outcome)
		}
		if err != nil || len(got) != len(want) || got[0] != want[0] {
			t.Fatalf("%s: %v, %v; want %v", name, got, err, want)
		}
		return r
	}
	rebuild("", false, builder.There, builder.There)
	row := rebuild("src==1", true, builder.Same).Built[0]
	for _, name := range []string{row.SHA256.String(), row.Source.String(), row.Recipe.String()} {
		rebuild(name, true, builder.Same)
	}
	object := filepath.Join(toy.store.ObjectsDir(), snapshot.Object{Digest: row.SHA256}.Path())
	if err := os.Remove(object); err != nil {
		t.Fatal(err)
	}
	rebuild("src==1", true, builder.Same)
	if _, err := os.Lstat(object); err == nil {
		t.Error("a check put it back")
	}
	rebuild("src==1", false, builder.Restored)
	if _, err := os.Lstat(object); err != nil {
		t.Error(err)
	}

	recipe, err := toy.store.Recipe(row.Recipe)
	if err != nil {
		t.Fatal(err)
	}
	recipe.Result.SHA256 = snapshot.Sum([]byte("other"))
	if err := toy.store.PutRecipe(recipe); err != nil {
		t.Fatal(err)
	}
	r, err := builder.Rebuild(t.Context(), toy.config(), "", true)
	if !errors.Is(err, snapshot.ErrDamaged) || len(r.Built) != 2 || !strings.Contains(err.Error(), "and once gave") {
		t.Errorf("%+v, %v", r, err)
	}
	for _, name := range []string{"none", "src==2", "more/../x"} {
		if _, err := builder.Rebuild(t.Context(), toy.config(), name, false); !errors.Is(err, builder.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
