package pypi_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"larder/builder"
	"larder/builder/fetch"
	"larder/builder/pypi"
	"larder/builder/pypi/index"
	"larder/builder/pypi/pypitest"
	"larder/popularity"
	"larder/snapshot"
)

// week is an index and a store that are built from once a week.
type week struct {
	t        testing.TB
	index    *pypitest.Index
	store    *snapshot.Store
	targets  []builder.Target
	projects []string
	hits     map[string]popularity.Entry
	budget   int64
}

func newWeek(t testing.TB, projects, files int) *week {
	t.Helper()
	store, err := snapshot.Create(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	w := &week{t: t, index: pypitest.NewIndex(t, pypitest.Options{}), store: store, hits: map[string]popularity.Entry{}}
	if w.targets, err = pypi.Ecosystem().Targets(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	for i := range projects {
		name := fmt.Sprintf("project-%04d", i)
		w.projects = append(w.projects, name)
		w.release(name, "1.0", files)
	}
	return w
}

// release puts a new version on the index, of files modules of about 3 kB.
func (w *week) release(name, version string, files int) {
	module := strings.ReplaceAll(name, "-", "_")
	x := pypitest.Wheel{Name: name, Version: version}
	for i := range files {
		text := fmt.Sprintf("# %s %s %d\n", name, version, i) + strings.Repeat("def f(x):\n    return x + 1\n\n", 100)
		x.Files = append(x.Files, pypitest.File{Path: fmt.Sprintf("%s/m%d.py", module, i), Text: text})
	}
	w.index.AddFile(name, pypitest.Artifact{Name: x.Filename(), Data: x.Bytes()})
}

// run builds with the store's page cache, as the command does, and tells what the
// index was asked.
func (w *week) run(dry bool) (*builder.Report, index.Stats, time.Duration) {
	w.t.Helper()
	cache, err := index.OpenPageCache(w.store.PagesDir(), 0)
	if err != nil {
		w.t.Fatal(err)
	}
	client, err := index.New(index.Config{Indexes: []string{w.index.URL()}, Access: fetch.Access{TrustedHosts: []string{w.index.Host()}}}, index.Options{Cache: cache})
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	start := time.Now()
	r, err := builder.Build(w.t.Context(), builder.Config{
		Store: w.store, Ecosystems: of(client), Targets: w.targets, Ranked: map[string]builder.Ranked{"pypi": {Projects: w.projects, Entries: w.hits, Budget: w.budget}},
		Views: []string{"pip", "simple"}, Layers: builder.AllLayers, DryRun: dry,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return r, client.Stats(), time.Since(start)
}

// A weekly run downloads and unpacks what changed and nothing else; pages that did
// not change cost a conditional request, with a budget as without.
func TestWeeklyReadsWhatItHas(t *testing.T) {
	for _, budget := range []int64{0, 1 << 40} {
		w := newWeek(t, 40, 2)
		w.budget = budget
		first, _, _ := w.run(false)
		if first.Wheels != 40 || first.ReusedBytes != 0 {
			t.Fatalf("first: %+v", first)
		}
		w.index.Reset()
		same, _, _ := w.run(false)
		if same.Snapshot != first.Snapshot || same.Published || same.FetchedBytes != 0 {
			t.Errorf("budget %d, nothing changed: %+v", budget, same)
		}
		for _, q := range w.index.Requests() {
			if q.Path == w.index.PagePath("pip") {
				continue // this index has none: the interpreter's is stocked
			}
			if q.Status != 304 || q.Bytes != 0 {
				t.Errorf("budget %d, nothing changed: %s %s answered %d, %d bytes", budget, q.Method, q.Path, q.Status, q.Bytes)
			}
		}
		w.release("project-0007", "2.0", 2)
		w.release("project-0031", "2.0", 2)
		w.index.Reset()
		next, _, _ := w.run(false)
		var asked []string
		for _, q := range w.index.Wheels() {
			asked = append(asked, filepath.Base(q.Path))
		}
		slices.Sort(asked)
		if want := []string{"project_0007-2.0-py3-none-any.whl", "project_0031-2.0-py3-none-any.whl"}; !slices.Equal(asked, want) {
			t.Errorf("budget %d: fetched %v, want %v", budget, asked, want)
		}
		if !next.Published || next.Snapshot == first.Snapshot || len(next.Skipped) != 0 {
			t.Errorf("budget %d: %+v", budget, next)
		}
	}
}

// BenchmarkWeekly builds 2,000 wheels, and once more when 5 % of them changed. It
// reports what part of the time and bytes the second takes, and what an unchanged
// plan costs the index.
//
//	go test ./builder/pypi -run '^$' -bench Weekly -benchtime 1x -timeout 20m
func BenchmarkWeekly(b *testing.B) {
	for b.Loop() {
		w := newWeek(b, 2000, 8)
		_, fullPlan, _ := w.run(true)
		if err := os.RemoveAll(w.store.PagesDir()); err != nil {
			b.Fatal(err)
		}
		full, fullTraffic, fullTime := w.run(false)
		_, samePlan, _ := w.run(true)
		for i := 0; i < 2000; i += 20 {
			w.release(fmt.Sprintf("project-%04d", i), "2.0", 8)
		}
		next, nextTraffic, nextTime := w.run(false)
		b.Logf("full %v, weekly %v", full.Seconds, next.Seconds)
		if full.Wheels != 2000 || next.Wheels != 2000 || next.Snapshot == full.Snapshot {
			b.Fatalf("%d and %d wheels", full.Wheels, next.Wheels)
		}
		b.ReportMetric(fullTime.Seconds(), "s/full")
		b.ReportMetric(nextTime.Seconds(), "s/weekly")
		b.ReportMetric(100*nextTime.Seconds()/fullTime.Seconds(), "%time")
		b.ReportMetric(100*float64(next.FetchedBytes)/float64(full.FetchedBytes), "%fetched")
		b.ReportMetric(100*float64(nextTraffic.Bytes)/float64(fullTraffic.Bytes), "%traffic")
		b.ReportMetric(float64(fullPlan.Requests), "requests/full-plan")
		b.ReportMetric(float64(fullPlan.Bytes)/1e3, "kB/full-plan")
		b.ReportMetric(float64(samePlan.Requests), "requests/same-plan")
		b.ReportMetric(float64(samePlan.Bytes)/1e3, "kB/same-plan")
		b.ReportMetric(0, "ns/op")
	}
}
