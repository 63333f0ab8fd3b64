package pypi_test

import (
	"slices"
	"strings"
	"testing"

	"larder/builder"
	"larder/builder/pypi/pypitest"
	"larder/popularity"
)

// optionsOf are the options of a dry run, by project.
func optionsOf(r *builder.Report) map[string]builder.Option {
	by := map[string]builder.Option{}
	for _, o := range r.Budget.Options {
		by[o.Project] = o
	}
	return by
}

func layered(which builder.Layers) func(*builder.Config) {
	return func(c *builder.Config) { c.Layers = which }
}

// A layer is a choice of its own: that of a wheel many want comes before a wheel that few do, that of a
// wheel somebody here had to download before that of one that is only ranked, and
// never one without those of what its wheel needs. All and none leave no choice.
func TestBudgetChoosesLayers(t *testing.T) {
	w := newWorld(t, pypitest.Options{})
	w.add(sized("hot", "1.0", 5000, "leaf"), sized("leaf", "1.0", 5000), sized("cold", "1.0", 5000), sized("missed", "1.0", 5000), sized("alike", "1.0", 5000), sized("huge", "1.0", 500_000))
	set := func(c *builder.Config) {
		scores(map[string]int64{"hot": 100_000, "leaf": 100, "cold": 10, "missed": 100, "alike": 100, "huge": 1000})(c)
		ranked(func(r *builder.Ranked) {
			r.Entries["missed"] = popularity.Entry{Project: "missed", Score: 100, Missed: []string{"1.0"}}
		})(c)
	}
	all := ranking("hot", "leaf", "cold", "missed", "alike", "huge")
	by := optionsOf(w.must(all, set, dryRun, layered(builder.AutoLayers), withBudget(1<<30)))
	for project, o := range by {
		if o.LayersFrom < o.From || !o.Taken {
			t.Errorf("%s: layers from %d, the wheel from %d", project, o.LayersFrom, o.From)
		}
	}
	before := func(what string, a, b int64) {
		if a > b {
			t.Errorf("%s: %d and %d", what, a, b)
		}
	}
	before("hot layers, cold wheel", by["hot"].LayersFrom, by["cold"].From)
	before("needed layers, hot layers", by["leaf"].LayersFrom, by["hot"].LayersFrom)
	before("missed layers, ranked layers", by["missed"].LayersFrom+1, by["alike"].LayersFrom)
	before("cold wheel, huge layers", by["cold"].From, by["huge"].LayersFrom)
	for which, from := range map[builder.Layers]func(builder.Option) int64{
		builder.AllLayers: func(o builder.Option) int64 { return o.From },
		builder.NoLayers:  func(builder.Option) int64 { return -1 },
	} {
		r := w.must(all, set, dryRun, layered(which), withBudget(1<<30))
		for project, o := range optionsOf(r) {
			if o.LayersFrom != from(o) {
				t.Errorf("%v: %s: layers from %d", which, project, o.LayersFrom)
			}
		}
	}
}

// What is kept packed is stocked, served and without a layer; a lock's is unpacked whatever the budget.
func TestBudgetKeepsWheelsPacked(t *testing.T) {
	w := newWorld(t, pypitest.Options{})
	w.leaveOutInterpreter()
	w.add(sized("hot", "1.0", 5000), sized("cold", "1.0", 50_000), sized("locked", "1.0", 5000))
	set := func(c *builder.Config) {
		scores(map[string]int64{"hot": 100_000, "cold": 10})(c)
		c.Layers = builder.AutoLayers
	}
	lock := w.lock("requirements.txt", "locked==1.0\n")
	layers := func(r *builder.Report) string {
		img := w.open(r)
		m, err := img.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		projects := map[string]string{}
		for _, a := range m.Artifacts {
			projects[a.SHA256.String()] = a.Project
		}
		var unpacked []string
		for _, l := range m.Layers {
			unpacked = append(unpacked, projects[l.Artifact.String()])
		}
		slices.Sort(unpacked)
		return strings.Join(unpacked, " ")
	}
	// hot with its layer takes 86 kB besides the lock's; cold another 79 kB, and 448 kB unpacked.
	for _, c := range []struct {
		budget int64
		want   string
	}{{300_000, "hot locked"}, {1 << 30, "cold hot locked"}, {300_000, "hot locked"}} {
		r := w.must(ranking("hot", "cold"), set, lock, withBudget(c.budget))
		if got := layers(r); r.Wheels != 3 || got != c.want || r.Layers != len(strings.Fields(c.want)) {
			t.Errorf("budget %d: %d wheels, layers of %s, want %s", c.budget, r.Wheels, got, c.want)
		}
		if b := r.Budget; b.Disk > c.budget || b.Wheels != 3 {
			t.Errorf("budget %d: %+v", c.budget, b)
		}
	}
	// Without a budget, all that is ranked is unpacked.
	if got := layers(w.must(ranking("hot", "cold"), set, lock, withBudget(0))); got != "cold hot locked" {
		t.Errorf("without a budget: layers of %s", got)
	}
}
