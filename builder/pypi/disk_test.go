package pypi_test

import (
	"testing"

	"larder/builder"
	"larder/builder/pypi/pypitest"
)

// What a wheel takes goes by what it holds: layers without machine code take more, those of the largest
// wheels less, and those of older versions, which share files with newer ones, less than the newest's.
func TestBudgetWeighsByKind(t *testing.T) {
	w := newWorld(t, pypitest.Options{})
	code := sized("code", "1.0", 100_000)
	code.Tag = "py3-none-manylinux2014_x86_64"
	w.add(code, sized("pure", "1.0", 100_000), sized("old", "1.0", 100_000), sized("old", "2.0", 100_000), sized("large", "1.0", 4_000_000))
	set := scores(map[string]int64{"code": 100, "pure": 100, "old": 100, "large": 100})
	for _, which := range []builder.Layers{builder.AutoLayers, builder.AllLayers} {
		r := w.must(ranking("code", "pure", "old", "large"), set, dryRun, layered(which), withBudget(1<<30))
		times := map[string]float64{} // of its size, what its layers add
		for _, o := range r.Budget.Options {
			layers := o.Layers
			if which == builder.AllLayers {
				layers = o.Disk - o.Size - 28_000
			} else if o.Disk != o.Size+28_000 {
				t.Errorf("%s takes %d as a wheel of %d", o.Filename, o.Disk, o.Size)
			}
			times[o.Project+" "+o.Version] = float64(layers) / float64(o.Size)
		}
		for project, want := range map[string]float64{"code 1.0": 4, "pure 1.0": 8.8, "old 2.0": 8.8, "old 1.0": 5.72, "large 1.0": 5.9} {
			if got := times[project]; got < want-0.01 || got > want+0.01 {
				t.Errorf("%v: layers of %s take %.2f times its size, want %.2f", which, project, got, want)
			}
		}
	}
	// A lock is paid for whole, though a newer version may share its files.
	lock := w.lock("requirements.txt", "old==1.0\n")
	r := w.must(ranking("pure", "old"), set, lock, dryRun, layered(builder.AutoLayers), withBudget(1<<30))
	for _, o := range r.Budget.Options {
		if o.Version == "1.0" && o.Project == "old" && o.Disk < o.Size*9 {
			t.Errorf("the lock's takes %d", o.Disk)
		}
	}
	// A dry run without a budget says the same of each wheel.
	r = w.must(ranking("code", "pure"), dryRun, layered(builder.AllLayers), withBudget(0), func(c *builder.Config) { c.Views = []string{"simple"} })
	for _, p := range r.Plan {
		want := map[string]int64{"code": p.Size*5 + 28_000, "pure": p.Size*98/10 + 28_000}[p.Project]
		if p.Disk < want-1 || p.Disk > want+1 {
			t.Errorf("%s takes %d, want %d", p.Filename, p.Disk, want)
		}
	}
}
