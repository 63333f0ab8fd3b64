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

func anySource(string) snapshot.Built { return snapshot.PureBuilt }

// A source is built before anything else is done with it, and kept apart from what the index
// publishes; the next build takes what there is.
func TestMake(t *testing.T) {
	toy := newToy(t)
	line := toytest.Pack(t, toy.index, "src", "1", map[string]string{"source": "s", "file": "text"})
	plain := toytest.Pack(t, toy.index, "plain", "1", map[string]string{"other": "text"})
	lock := toy.lock(line, plain)

	_, err := toy.build(lock)
	var hinted interface{ Hint() string }
	if !errors.Is(err, builder.ErrRefused) || !strings.Contains(err.Error(), "only a source of src") || !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), "--sdists pure") {
		t.Errorf("not asked for: %v", err)
	}

	toy.builds = anySource
	r := toy.must(lock)
	m, err := toy.open(r).Manifest()
	if err != nil {
		t.Fatal(err)
	}
	row := m.Artifacts[1]
	if len(m.Artifacts) != 2 || row.Project != "src" || row.Built == nil || row.Filename != "built-src-1.tar" || m.Artifacts[0].Built != nil {
		t.Fatalf("%+v", m.Artifacts)
	}
	recipe, err := toy.store.Recipe(row.Built.Recipe)
	if err != nil || recipe.Result == nil || recipe.Result.SHA256 != row.SHA256 || recipe.Source != row.Built.Source {
		t.Errorf("%+v, %v", recipe, err)
	}
	if len(m.Environments) != 1 || len(m.Environments[0].Layers) != 2 || r.Seconds["make"] == 0 {
		t.Errorf("%+v %v", m.Environments, r.Seconds)
	}

	again := toy.must(lock)
	if again.Snapshot != r.Snapshot || again.FetchedBytes != 0 || again.Seconds["make"] != 0 {
		t.Errorf("again: %+v", again)
	}
	toy.builds = nil
	if _, err := toy.build(lock); !errors.Is(err, builder.ErrRefused) {
		t.Errorf("no longer asked for: %v", err)
	}
}

// What was built is a promise like a download: repair makes it again, by its recipe.
func TestMakeRepaired(t *testing.T) {
	toy := newToy(t)
	toy.builds = anySource
	lock := toy.lock(toytest.Pack(t, toy.index, "src", "1", map[string]string{"source": "s", "file": "text"}))
	r := toy.must(lock)
	m, err := toy.open(r).Manifest()
	if err != nil {
		t.Fatal(err)
	}
	object := filepath.Join(toy.store.ObjectsDir(), snapshot.Object{Digest: m.Artifacts[0].SHA256}.Path())
	if err := os.Remove(object); err != nil {
		t.Fatal(err)
	}
	cfg := toy.config()
	report, err := builder.Repair(t.Context(), cfg)
	if err != nil || len(report.Mended) != 1 || len(report.Left) != 0 {
		t.Fatalf("%+v, %v, %q", report, err, toy.warnings)
	}
	toy.must(lock)
}

// A ranked source that cannot be built is skipped, with its reason, and what needs no building
// comes in its place; a lock's ends the build.
func TestMakeFails(t *testing.T) {
	toy := newToy(t)
	toy.builds = anySource
	toytest.Pack(t, toy.index, "both", "1", map[string]string{"file": "text"})
	line := toytest.Pack(t, toy.index, "both", "2", map[string]string{"source": "s", "breaks": "x"})
	toytest.Pack(t, toy.index, "good", "1", map[string]string{"source": "s"})
	cfg := toy.config()
	cfg.Ranked, cfg.Layers = map[string]builder.Ranked{"toy": {Projects: []string{"both", "good"}}}, builder.AllLayers
	r, err := builder.Build(t.Context(), cfg)
	if err != nil || len(r.Skipped) != 1 || r.Skipped[0].Version != "2" || !strings.Contains(r.Skipped[0].Reason, "a file that breaks") || r.Wheels != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	m, err := toy.open(r).Manifest()
	if err != nil || m.Artifacts[0].Version != "1" || m.Artifacts[0].Built != nil || m.Artifacts[1].Built == nil {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := toy.build(toy.lock(line)); !errors.Is(err, builder.ErrRefused) || !strings.Contains(err.Error(), "a file that breaks") {
		t.Errorf("a lock's: %v", err)
	}
}

// To revoke a source is to revoke what was built of it.
func TestMakeRevoked(t *testing.T) {
	toy := newToy(t)
	toy.builds = anySource
	lock := toy.lock(toytest.Pack(t, toy.index, "src", "1", map[string]string{"source": "s", "file": "text"}),
		toytest.Pack(t, toy.index, "plain", "1", map[string]string{"other": "text"}))
	m, err := toy.open(toy.must(lock)).Manifest()
	if err != nil {
		t.Fatal(err)
	}
	r, err := builder.Revoke(t.Context(), toy.config(), snapshot.Denial{SHA256: m.Artifacts[1].Built.Source}, false)
	if err != nil || len(r.Artifacts) != 1 || r.Artifacts[0].Project != "src" || len(r.Environments) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := toy.build(lock); !errors.Is(err, builder.ErrRefused) || !strings.Contains(err.Error(), "revoked") {
		t.Error(err)
	}
}
