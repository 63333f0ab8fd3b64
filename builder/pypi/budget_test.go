package pypi_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"larder/builder"
	"larder/builder/fetch"
	"larder/builder/pypi/index"
	"larder/builder/pypi/pypitest"
	"larder/popularity"
)

func withBudget(bytes int64) func(*builder.Config) {
	return ranked(func(r *builder.Ranked) { r.Budget = bytes })
}

// filler is text that does not pack: wheels of a size that a test chooses.
func filler(n int) string {
	var b strings.Builder
	for i := uint32(1); b.Len() < n; i = i*1664525 + 1013904223 {
		fmt.Fprintf(&b, "%08x", i^i>>13)
	}
	return b.String()[:n]
}

// sized is a wheel of about n bytes.
func sized(name, version string, n int, requires ...string) pypitest.Wheel {
	return pypitest.Wheel{Name: name, Version: version, Requires: requires, Stored: true,
		Files: []pypitest.File{{Path: name + "/data.txt", Text: filler(n)}}}
}

// taken lists what a dry run would stock.
func taken(r *builder.Report) []string {
	var out []string
	for _, p := range r.Plan {
		out = append(out, p.Project+"=="+p.Version)
	}
	slices.Sort(out)
	return out
}

func dryRun(c *builder.Config) { c.DryRun = true }

// scores makes entries that expect these hits.
func scores(of map[string]int64) func(*builder.Config) {
	return func(c *builder.Config) {
		ranked(func(r *builder.Ranked) {
			r.Entries = map[string]popularity.Entry{}
			for project, hits := range of {
				r.Entries[project] = popularity.Entry{Project: project, Score: hits}
			}
		})(c)
		c.Layers, c.Views = builder.NoLayers, []string{"simple"} // disk is then the wheel's size, and its entries
	}
}

func TestBudgetTooSmall(t *testing.T) {
	w := newWorld(t, pypitest.Options{})
	w.add(sized("alpha", "1.0", 5000), sized("beta", "1.0", 9000))
	_, err := w.build(ranking("alpha", "beta"), withBudget(1000))
	if !errors.Is(err, builder.ErrBudget) || !strings.Contains(err.Error(), "alpha-1.0-py3-none-any.whl") || strings.Contains(err.Error(), "\n") {
		t.Errorf("err = %v", err)
	}
}

// With a budget, older series come in where they are worth their bytes; without
// one the plan is the newest releases, as ever.
func TestBudgetChoosesVersions(t *testing.T) {
	w := newWorld(t, pypitest.Options{})
	for _, v := range []string{"1.0", "1.1", "1.1.5", "2.0", "2.1rc1"} {
		w.add(sized("alpha", v, 2000))
	}
	w.index.AddFile("alpha", pypitest.Artifact{Name: "alpha-2.2-py3-none-any.whl", Data: sized("alpha", "2.2", 10).Bytes(), Yanked: "broken"})
	w.add(sized("beta", "1.0", 2000), sized("heavy", "1.0", 500_000))
	hits := scores(map[string]int64{"alpha": 1000, "beta": 900, "heavy": 100})
	all := ranking("alpha", "beta", "heavy")
	for _, c := range []struct {
		budget int64
		want   string
	}{
		{0, "alpha==2.0 beta==1.0 heavy==1.0"},
		{35_000, "alpha==2.0"},
		{65_000, "alpha==2.0 beta==1.0"},
		{200_000, "alpha==1.0 alpha==1.1 alpha==1.1.5 alpha==2.0 beta==1.0"},
		{1 << 30, "alpha==1.0 alpha==1.1 alpha==1.1.5 alpha==2.0 beta==1.0 heavy==1.0"},
	} {
		r := w.must(all, hits, dryRun, withBudget(c.budget))
		if got := strings.Join(taken(r), " "); got != c.want {
			t.Errorf("budget %d: %s, want %s", c.budget, got, c.want)
		}
		if c.budget > 0 && (r.Budget == nil || r.Budget.Disk > c.budget || r.Budget.Wheels != len(r.Plan) || len(r.Skipped) != 0) {
			t.Errorf("budget %d: report %+v, skipped %v", c.budget, r.Budget, r.Skipped)
		}
	}
	// Counts of a source outrank the rule.
	r := w.must(all, hits, dryRun, withBudget(1<<30), ranked(func(c *builder.Ranked) {
		c.Entries["alpha"] = popularity.Entry{Project: "alpha", Score: 1000, Versions: []popularity.Version{{Version: "1.1", Count: 9}, {Version: "2.1rc1", Count: 50}, {Version: "1.0", Python: "2.7", Count: 9}}}
	}))
	if got, want := strings.Join(taken(r), " "), "alpha==1.0 alpha==1.1 alpha==1.1.5 alpha==2.0 beta==1.0 heavy==1.0"; got != want {
		t.Errorf("counted: %s, want %s", got, want)
	}
}

// Where the index tells when versions were uploaded, those come first that were the newest for long, whatever
// their series.
func TestBudgetGoesByUploads(t *testing.T) {
	w := newWorld(t, pypitest.Options{})
	first := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for version, day := range map[string]int{"2.0.1": 1000, "2.0.0": 999, "1.0.2": 998, "1.0.1": 500, "1.0.0": 0} {
		x := sized("alpha", version, 2000)
		w.index.AddFile("alpha", pypitest.Artifact{Name: x.Filename(), Data: x.Bytes(), UploadTime: first.AddDate(0, 0, day)})
	}
	for budget, want := range map[int64]string{65_000: "alpha==1.0.1 alpha==2.0.1", 95_000: "alpha==1.0.0 alpha==1.0.1 alpha==2.0.1"} {
		r := w.must(ranking("alpha"), scores(map[string]int64{"alpha": 1_000_000}), dryRun, withBudget(budget))
		if got := strings.Join(taken(r), " "); got != want {
			t.Errorf("budget %d: %s, want %s", budget, got, want)
		}
	}
}

// What a chosen wheel needs is chosen too, by its markers, versions and extras,
// wherever its metadata is: announced, just there, or only in the wheel.
func TestBudgetOrphansNobody(t *testing.T) {
	for name, options := range map[string]pypitest.Options{
		"announced": {}, "mirror": {Mirror: true}, "wheel only": {NoMetadata: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, options)
			w.add(
				sized("app", "1.0", 3000, "mid<2", `never; sys_platform == "win32"`, "tool[speed]", "gone>9", "url @ https://files.example/x.whl"),
				sized("mid", "1.5", 3000, "leaf"), sized("mid", "2.0", 3000), sized("leaf", "1.0", 3000, "app"),
				pypitest.Wheel{Name: "tool", Requires: []string{`fast; extra == "speed"`, `slow; extra == "slow"`}, Extras: []string{"speed", "slow"}},
				sized("fast", "1.0", 3000), sized("slow", "1.0", 3000), sized("never", "1.0", 3000), sized("gone", "1.0", 3000),
			)
			r := w.must(ranking("app"), scores(map[string]int64{"app": 1000}), withBudget(1<<30))
			img := w.open(r)
			m, err := img.Manifest()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, x := range m.Artifacts {
				got = append(got, x.Project+"=="+x.Version)
			}
			slices.Sort(got)
			if want := "app==1.0 fast==1.0 leaf==1.0 mid==1.5 tool==1.0"; strings.Join(got, " ") != want || len(r.Skipped) != 0 {
				t.Errorf("%v, want %s; skipped %v", got, want, r.Skipped)
			}
			if r.Budget.Options[0].Hits == 0 && r.Budget.Options[0].NeededBy == "" {
				t.Errorf("nobody wants %+v", r.Budget.Options[0])
			}
			if r.ReusedBytes < 0 || r.FetchedBytes <= 0 {
				t.Errorf("fetched %d, reused %d", r.FetchedBytes, r.ReusedBytes)
			}
			// What was learned is remembered: another build asks for no metadata.
			w.index.Reset()
			if again := w.must(ranking("app"), scores(map[string]int64{"app": 1000}), withBudget(1<<30)); again.Snapshot != r.Snapshot || again.Published {
				t.Errorf("built again: %s, want %s", again.Snapshot, r.Snapshot)
			}
			for _, q := range w.index.Requests() {
				if strings.HasPrefix(q.Path, "/files/") && q.Method == "GET" {
					t.Errorf("asked again for %s", q.Path)
				}
			}
		})
	}
}

// A larger budget never drops a wheel, and no budget leaves out what a taken
// wheel needs.
func TestBudgetIsMonotone(t *testing.T) {
	w := newWorld(t, pypitest.Options{})
	hits := map[string]int64{}
	var names []string
	for i := range 30 {
		name := fmt.Sprintf("p%02d", i)
		names = append(names, name)
		hits[name] = int64(1000 / (i + 1))
		var requires []string
		if i%3 == 1 {
			requires = append(requires, fmt.Sprintf("p%02d", (i*7)%30), "shared")
		}
		w.add(sized(name, "1.0", 500*(i%5+1), requires...), sized(name, "2.0", 700*(i%7+1), requires...))
	}
	w.add(sized("shared", "1.0", 20_000))
	var before []string
	for budget := int64(35_000); budget < 2_200_000; budget += 90_000 {
		r := w.must(ranking(names...), scores(hits), dryRun, withBudget(budget))
		now := taken(r)
		for _, x := range before {
			if !slices.Contains(now, x) {
				t.Fatalf("a budget of %d dropped %s", budget, x)
			}
		}
		for _, x := range now {
			var i int
			if n, _ := fmt.Sscanf(x, "p%02d==", &i); n == 1 && i%3 == 1 && !slices.Contains(now, "shared==1.0") {
				t.Fatalf("a budget of %d took %s without what it needs", budget, x)
			}
		}
		before = now
	}
	if len(before) < 45 {
		t.Errorf("only %d taken at last", len(before))
	}
}

// A lock is stocked whatever the budget, and paid from it first.
func TestBudgetPaysLocksFirst(t *testing.T) {
	w := newWorld(t, pypitest.Options{})
	w.add(sized("pinned", "1.0", 50_000, "notlocked"), sized("pinned", "2.0", 100), sized("alpha", "1.0", 2000), sized("notlocked", "1.0", 10))
	lock := w.lock("requirements.txt", "pinned==1.0\n")
	hits := scores(map[string]int64{"alpha": 10})
	if _, err := w.build(ranking("alpha"), hits, lock, dryRun, withBudget(10_000)); !errors.Is(err, builder.ErrBudget) || !strings.Contains(err.Error(), "lock") {
		t.Errorf("err = %v", err)
	}
	r := w.must(ranking("alpha"), hits, lock, dryRun, withBudget(1<<20))
	if got := strings.Join(taken(r), " "); got != "alpha==1.0 pinned==1.0" {
		t.Errorf("took %s", got)
	}
}

// Sizes that only a HEAD tells are asked once in the life of the store.
func TestBudgetRemembersSizes(t *testing.T) {
	w := newWorld(t, pypitest.Options{Mirror: true})
	w.add(sized("alpha", "1.0", 2000), sized("alpha", "2.0", 2000))
	for round, want := range []int{2, 0} {
		cache, err := index.OpenPageCache(w.store.PagesDir(), 0)
		if err != nil {
			t.Fatal(err)
		}
		w.cfg.Ecosystems = of(w.client(index.Options{Cache: cache, Limits: fetch.Limits{RetryBase: 1, RetryMax: 1}}))
		w.index.Reset()
		w.must(ranking("alpha"), scores(map[string]int64{"alpha": 10}), dryRun, withBudget(1<<20))
		heads := 0
		for _, q := range w.index.Requests() {
			if q.Method == "HEAD" {
				heads++
			}
		}
		if heads != want {
			t.Errorf("round %d: %d HEADs, want %d", round, heads, want)
		}
	}
}

// An index that stops answering half-way ends the plan; a few losses do not.
func TestBudgetIndexGoesDown(t *testing.T) {
	for _, lost := range []int{3, 30} {
		w := newWorld(t, pypitest.Options{Mirror: true})
		var names []string
		for i := range 40 {
			x := sized(fmt.Sprintf("p%02d", i), "1.0", 500)
			names = append(names, x.Name)
			w.add(x)
			if i < lost {
				w.index.Fault(w.index.FilePath(x.Filename()), pypitest.Fault{Status: 503})
			}
		}
		r, err := w.build(ranking(names...), scores(nil), dryRun, withBudget(1<<30))
		if lost > 20 {
			if !errors.Is(err, builder.ErrUnreachable) {
				t.Errorf("%d lost: %v", lost, err)
			}
		} else if err != nil || len(r.Plan) != 40-lost {
			t.Errorf("%d lost: %v, %d planned", lost, err, len(r.Plan))
		}
	}
}

// Hostile metadata cannot make a plan ask for the whole index.
func TestBudgetBoundsWhatIsAsked(t *testing.T) {
	w := newWorld(t, pypitest.Options{})
	var app, more []string
	for i := range 400 {
		app = append(app, fmt.Sprintf("lib-%d", i))
		more = append(more, fmt.Sprintf("other-%d", i))
	}
	w.add(sized("app", "1.0", 100, app...))
	for i := range 400 {
		var needs []string
		for j := range 10 {
			needs = append(needs, fmt.Sprintf("%s-%d", more[i], j))
		}
		w.add(sized(app[i], "1.0", 100, needs...))
	}
	w.add(sized("small", "1.0", 100))
	w.must(ranking("app", "small"), scores(nil), dryRun, withBudget(1<<30))
	if n := len(w.index.Requests()); n > 3200 {
		t.Errorf("%d requests", n)
	}
}

// What the operator includes comes first, whatever it weighs, with what it needs; a pin holds under a
// budget, too; what is excluded is not stocked because others need it.
func TestBudgetGoesByRules(t *testing.T) {
	w := newWorld(t, pypitest.Options{})
	w.add(
		sized("cheap", "1.0", 90_000), sized("heavy", "1.0", 500_000, "leaf", "banned"), sized("leaf", "1.0", 2000), sized("banned", "1.0", 2000),
		sized("pinned", "1.0", 2000), sized("pinned", "1.5", 2000), sized("pinned", "2.0", 2000), sized("asks", "1.0", 90_000, "pinned"),
	)
	rules := func(c *builder.Config) {
		scores(map[string]int64{"cheap": 1000, "asks": 1})(c)
		ranked(func(r *builder.Ranked) {
			r.Entries["heavy"] = popularity.Entry{Project: "heavy", Score: 1, Always: true}
			r.Entries["pinned"] = popularity.Entry{Project: "pinned", Score: 1, Always: true, Pins: []string{"1.0", "1.5"}}
			r.Excluded = func(project string) bool { return project == "banned" }
		})(c)
	}
	all := ranking("cheap", "asks", "heavy", "pinned")
	for _, c := range []struct {
		budget int64
		want   string
	}{
		{640_000, "heavy==1.0 leaf==1.0 pinned==1.0 pinned==1.5"},
		{1 << 30, "asks==1.0 cheap==1.0 heavy==1.0 leaf==1.0 pinned==1.0 pinned==1.5"},
	} {
		if got := strings.Join(taken(w.must(all, rules, dryRun, withBudget(c.budget))), " "); got != c.want {
			t.Errorf("budget %d: %s, want %s", c.budget, got, c.want)
		}
	}
}
