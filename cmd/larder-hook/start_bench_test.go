//go:build linux

package main

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"larder/overlay/keep"
	"larder/snapshot"
)

// BenchmarkStart times the two processes that a runtime starts for a container, without the runtime:
// the hook at both stages, a Go program that does nothing, twice, and /bin/true, twice; in random
// order, each for a container of its own. The machine's noise only ever adds, so the lower decile is
// what is compared, of the clock and of the processors.
//
//	go test ./cmd/larder-hook -run '^$' -bench Start -benchtime 500x
func BenchmarkStart(b *testing.B) {
	l := newLoad(b)
	nothing := nothingBinary(b)
	kinds := map[string]func(c contained, stage string) (cost, error){
		"larder": func(c contained, stage string) (cost, error) {
			if stage == "attach" {
				return c.attach()
			}
			return c.release()
		},
		"go":   func(contained, string) (cost, error) { return measure(exec.Command(nothing)) },
		"true": func(contained, string) (cost, error) { return measure(exec.Command("/bin/true")) },
	}
	names := []string{"larder", "go", "true"}
	took := map[string][]float64{}
	one := func(name string, n int) {
		c, err := l.start("b" + strconv.Itoa(n))
		must(b, err)
		first, err := kinds[name](c, "attach")
		must(b, err)
		c.stop()
		second, err := kinds[name](c, "release")
		must(b, err)
		add := func(what string, ms float64) { took[name+what] = append(took[name+what], ms) }
		add("-attach", 1000*first.wall.Seconds())
		add("-release", 1000*second.wall.Seconds())
		add("", 1000*(first.wall+second.wall).Seconds())
		add("-cpu", 1000*(first.cpu+second.cpu).Seconds())
	}
	for i, name := range names {
		one(name, i) // warms the caches
	}
	clear(took)
	b.ResetTimer()
	for n := range b.N {
		for _, k := range rand.Perm(len(names)) {
			one(names[k], n*len(names)+k+len(names))
		}
	}
	b.StopTimer()
	p10 := map[string]float64{}
	for name, all := range took {
		slices.Sort(all)
		p10[name] = all[len(all)/10]
		b.ReportMetric(p10[name], name+"-p10-ms")
		b.ReportMetric(all[len(all)/2], name+"-p50-ms")
	}
	b.ReportMetric(p10["larder"]/p10["go"], "larder/go")
	b.ReportMetric(p10["larder"]/p10["true"], "larder/true")
	b.ReportMetric(p10["larder-cpu"]/p10["go-cpu"], "larder/go-cpu")
	b.ReportMetric(0, "ns/op") // of all together, nobody's figure
	text, err := os.ReadFile(l.log)
	must(b, err)
	logLaps(b, string(text))
}

// nothingBinary builds the Go program that does nothing, as the hook is built.
func nothingBinary(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nothing")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "./testdata/nothing")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, strings.TrimSpace(string(out)))
	}
	return path
}

// keepCurrent keeps the current snapshot mounted, as larder mount does, until the test ends.
func keepCurrent(t testing.TB, store string) {
	t.Helper()
	s, err := snapshot.Open(store)
	must(t, err)
	id, err := s.Current()
	must(t, err)
	run := keep.Dir(keep.DefaultDir)
	must(t, run.Mount(context.Background(), keep.Snapshot{ID: id.String(), Image: s.ImagePath(id), Objects: s.ObjectsDir()}))
	t.Cleanup(func() { must(t, run.Unmount(context.Background(), id.String(), s.ObjectsDir())) })
}
