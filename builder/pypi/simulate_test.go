package pypi_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"larder/builder"
	"larder/builder/fetch"
	"larder/builder/pypi"
	"larder/builder/pypi/index"
	"larder/builder/pypi/pypitest"
	"larder/popularity"
	"larder/snapshot"
)

// A simulation asks about the projects it is told of and no others, and guesses
// the rest of the ranking from them.
func TestSimulationAsksOnlyAboutTheKnown(t *testing.T) {
	for name, options := range map[string]pypitest.Options{"best": {}, "mirror": {Mirror: true}, "no metadata": {NoMetadata: true}} {
		t.Run(name, func(t *testing.T) { simulateKnown(t, options) })
	}
}

func simulateKnown(t *testing.T, options pypitest.Options) {
	w := newWorld(t, options)
	w.add(sized("alpha", "1.0", 2000), sized("alpha", "2.0", 4000, "beta", "secret"), sized("beta", "1.0", 2000), sized("secret", "1.0", 10), sized("gamma", "1.0", 10))
	w.cfg.Layers, w.cfg.Views = builder.NoLayers, []string{"simple"}
	simulation := func(known []string, needs map[string][]string, cache string) (*pypi.Simulation, error) {
		client := w.client(index.Options{Limits: fetch.Limits{RetryBase: 1, RetryMax: 1}})
		return pypi.NewSimulation(t.Context(), client, w.cfg.Targets[0].Own.(pypi.Target), w.cfg, known, needs, cache)
	}
	pin := func(name, version string) *snapshot.Pin {
		return &snapshot.Pin{Name: name, Version: version, Spellings: []string{version}}
	}
	cache := filepath.Join(t.TempDir(), "requires.jsonl")
	entries := []popularity.Entry{{Project: "gamma", Score: 100}, {Project: "alpha", Score: 90}, {Project: "delta", Score: 80}}
	for round, wantMetadata := range []bool{true, false} {
		w.index.Reset()
		sim, err := simulation([]string{"alpha", "beta", "absent"}, nil, cache)
		if err != nil {
			t.Fatal(err)
		}
		name, size, err := sim.Wheel(t.Context(), pin("alpha", "1.0"))
		if err != nil || name != "alpha-1.0-py3-none-any.whl" || size < 2000 {
			t.Errorf("wheel of a pin: %s, %d, %v", name, size, err)
		}
		for _, pin := range []*snapshot.Pin{pin("alpha", "3.0"), pin("gamma", "1.0"), pin("absent", "1.0")} {
			if _, _, err := sim.Wheel(t.Context(), pin); err == nil {
				t.Errorf("a wheel for %v", pin)
			}
		}
		stock, err := sim.Stock(t.Context(), entries, 1<<40)
		if err != nil {
			t.Fatal(err)
		}
		all := stock.Wheels
		for _, want := range []string{"alpha-2.0-py3-none-any.whl", "alpha-1.0-py3-none-any.whl", "beta-1.0-py3-none-any.whl"} {
			if !all[want] && !(options.NoMetadata && strings.HasPrefix(want, "beta")) {
				t.Errorf("%s is not taken of %v", want, all)
			}
		}
		guessed := 0
		for name := range all {
			if strings.HasPrefix(name, "gamma-") || strings.HasPrefix(name, "delta-") {
				guessed++
			}
		}
		if least, err := sim.Stock(t.Context(), entries, 1); guessed < 2 || err != nil || len(least.Wheels) != 0 {
			t.Errorf("%d guessed of %v; %d for one byte, %v", guessed, all, len(least.Wheels), err)
		}
		metadata := false
		for _, q := range w.index.Requests() {
			metadata = metadata || strings.HasSuffix(q.Path, ".metadata")
			if !slices.ContainsFunc([]string{"/alpha", "/beta", "/absent"}, func(known string) bool { return strings.Contains(q.Path, known) }) {
				t.Errorf("asked for %s", q.Path)
			}
		}
		want := 0
		if options.NoMetadata {
			want = 1 // alpha: beta is not ranked, and nobody is known to need it
		}
		if sim.Silent() != want {
			t.Errorf("%d silent, want %d", sim.Silent(), want)
		}
		if metadata != wantMetadata {
			t.Errorf("round %d: metadata asked for: %v", round, metadata)
		}
	}
	if options.NoMetadata { // what the caller knows stands in
		sim, err := simulation([]string{"alpha", "beta"}, map[string][]string{"alpha": {"beta"}, "beta": {}}, "")
		if err != nil {
			t.Fatal(err)
		}
		stock, err := sim.Stock(t.Context(), entries, 1<<40)
		if err != nil || !stock.Wheels["beta-1.0-py3-none-any.whl"] || sim.Silent() != 0 {
			t.Errorf("told: %v, %d silent", err, sim.Silent())
		}
	}
	if _, err := simulation([]string{"absent"}, nil, ""); err == nil {
		t.Error("simulated with nothing known")
	}
}
