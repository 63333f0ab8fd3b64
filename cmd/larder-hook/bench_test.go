//go:build linux

package main

import (
	"cmp"
	"context"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"larder/overlay/keep"
	"larder/snapshot"
)

// BenchmarkRunc times `runc run` of a container that does nothing, without a
// hook, with /bin/true at both stages, with a Go program that does nothing, and
// with larder-hook, in random order. The machine's noise only ever adds, so the lower decile is what is
// compared; the spread between it and the median says how noisy it was.
//
// Once with a tree of its own for each container and once with the tree that
// larder mount keeps.
//
//	LARDER_E2E=1 go test ./cmd/larder-hook -run '^$' -bench Runc -benchtime 200x
func BenchmarkRunc(b *testing.B) {
	b.Run("own", func(b *testing.B) { benchmarkRunc(b, newWorld(b, "")) })
	b.Run("kept", func(b *testing.B) {
		w := newWorld(b, "")
		store, err := snapshot.Open(w.store)
		must(b, err)
		id, err := store.Current()
		must(b, err)
		run := keep.Dir(keep.DefaultDir)
		must(b, run.Mount(b.Context(), keep.Snapshot{ID: id.String(), Image: store.ImagePath(id), Objects: store.ObjectsDir()}))
		defer func() { must(b, run.Unmount(context.Background(), id.String(), store.ObjectsDir())) }()
		benchmarkRunc(b, w)
	})
}

func benchmarkRunc(b *testing.B, w *world) {
	both := func(path string) func(*specs.Spec) {
		return func(s *specs.Spec) {
			for _, h := range []*specs.Hook{&s.Hooks.CreateRuntime[0], &s.Hooks.Poststop[0]} {
				h.Path, h.Args = path, []string{path}
			}
		}
	}
	kinds := []struct {
		name   string
		change func(*specs.Spec)
	}{
		{"none", func(s *specs.Spec) { s.Hooks = nil }},
		{"true", both("/bin/true")},
		{"go", both(nothingBinary(b))},
		{"larder", func(*specs.Spec) {}},
	}
	took := make([][]float64, len(kinds))
	n := 0
	one := func(k int) float64 {
		s := w.spec(":", "--required")
		kinds[k].change(s)
		n++
		begin := time.Now()
		w.output("b"+strconv.Itoa(n), s)
		return float64(time.Since(begin).Microseconds()) / 1000
	}
	for k := range kinds {
		one(k) // makes the mount points, warms the caches
	}
	b.ResetTimer()
	for range b.N {
		for _, k := range rand.Perm(len(kinds)) {
			took[k] = append(took[k], one(k))
		}
	}
	b.StopTimer()
	p10 := make([]float64, len(kinds))
	for k := range kinds {
		slices.Sort(took[k])
		p10[k] = took[k][len(took[k])/10]
		b.ReportMetric(p10[k], kinds[k].name+"-p10-ms")
		b.ReportMetric(took[k][len(took[k])/2], kinds[k].name+"-p50-ms")
	}
	b.ReportMetric((p10[3]-p10[0])/(p10[1]-p10[0]), "larder/true")
	b.ReportMetric((p10[3]-p10[0])/(p10[2]-p10[0]), "larder/go")
	b.ReportMetric(0, "ns/op") // of a sum of four, nobody's figure
	logLaps(b, w.logged())
}

// logLaps shows what the hook's own log says of its steps.
func logLaps(b *testing.B, log string) {
	if b.N == 1 {
		return // the trial before the real run
	}
	laps := map[string][]float64{}
	for _, m := range regexp.MustCompile(` (attach|release) .* ms=.*`).FindAllStringSubmatch(log, -1) {
		for _, lap := range regexp.MustCompile(` ms(?:\.(\w+))?=([0-9.]+)`).FindAllStringSubmatch(m[0], -1) {
			name := m[1] + " " + cmp.Or(lap[1], "in all")
			if v, err := strconv.ParseFloat(lap[2], 64); err == nil {
				laps[name] = append(laps[name], v)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(laps)) {
		v := laps[name]
		slices.Sort(v)
		b.Logf("%-18s p10 %6.2f  p50 %6.2f  p90 %6.2f ms of %d", name, v[len(v)/10], v[len(v)/2], v[len(v)*9/10], len(v))
	}
}
