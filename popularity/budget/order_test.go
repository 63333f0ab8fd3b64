package budget

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"time"
)

func keys(wheels []Wheel, places []int) []string {
	var out []string
	for _, i := range places {
		out = append(out, wheels[i].Key)
	}
	return out
}

func TestTake(t *testing.T) {
	wheels := []Wheel{
		{Key: "flask", Hits: 100, Bytes: 10, Needs: []int{1, 2}},
		{Key: "werkzeug", Hits: 90, Bytes: 10},
		{Key: "jinja2", Hits: 95, Bytes: 10, Needs: []int{3}},
		{Key: "markupsafe", Hits: 95, Bytes: 5},
		{Key: "torch", Hits: 200, Bytes: 1000, Needs: []int{2}},
		{Key: "torch-plugin", Hits: 50, Bytes: 1, Needs: []int{4}},
		{Key: "locked", Hits: 0, Bytes: 7, Fixed: true},
		{Key: "unwanted", Hits: 0, Bytes: 1},
	}
	o := NewOrder(wheels)
	for budget, want := range map[int64][]string{
		0:  {"locked"},
		11: {"locked"},
		12: {"locked", "markupsafe"},
		22: {"locked", "markupsafe", "jinja2"},
	} {
		got := keys(wheels, o.Take(budget).Wheels)
		if !slices.Equal(got, want) {
			t.Errorf("budget %d: %q, want %q", budget, got, want)
		}
	}
	if c := o.Take(1 << 40); len(c.Wheels) != len(wheels) || c.Hits != 630 || c.Bytes != 1044 {
		t.Errorf("everything: %+v", c)
	}
	// The plugin costs a byte and needs a thousand: it is not bought alone.
	plugin, _ := o.Threshold(5)
	torch, _ := o.Threshold(4)
	if plugin != torch || torch < 1000 {
		t.Errorf("thresholds: plugin %d, torch %d", plugin, torch)
	}
	if least, ok := o.Least(); !ok || least != 12 {
		t.Errorf("least %d", least)
	}
	if bytes, ok := o.Threshold(6); !ok || bytes != 0 {
		t.Errorf("fixed: %d %v", bytes, ok)
	}
}

// random makes n wheels with sizes and hits over orders of magnitude, needs
// mostly towards popular ones, and some circles.
func random(r *rand.Rand, n, needs int) []Wheel {
	wheels := make([]Wheel, n)
	for i := range wheels {
		wheels[i] = Wheel{Key: fmt.Sprintf("w%06d", i), Hits: int64(1_000_000_000 / (i + 60)), Bytes: 10_000 << r.Intn(14), Fixed: r.Intn(500) == 0}
		for range r.Intn(needs + 1) {
			to := r.Intn(1 + i/4)
			if r.Intn(50) == 0 {
				to = r.Intn(n)
			}
			wheels[i].Needs = append(wheels[i].Needs, to)
		}
	}
	return wheels
}

func TestOrderProperties(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 30 {
		wheels := random(r, 1+r.Intn(300), 3)
		o := NewOrder(wheels)
		var before map[string]bool
		for budget := int64(0); budget < 1<<31; budget = budget*3/2 + 50_000 {
			c := o.Take(budget)
			now := map[string]bool{}
			var bytes, fixed int64
			for _, i := range c.Wheels {
				now[wheels[i].Key] = true
				bytes += wheels[i].Bytes
				if wheels[i].Fixed {
					fixed += wheels[i].Bytes
				}
			}
			if bytes != c.Bytes || bytes > max(budget, fixed) || len(now) != len(c.Wheels) {
				t.Fatalf("budget %d: %d bytes taken, %d fixed", budget, bytes, fixed)
			}
			for key := range before {
				if !now[key] {
					t.Fatalf("budget %d drops %s", budget, key)
				}
			}
			for _, i := range c.Wheels {
				for _, n := range wheels[i].Needs {
					if !wheels[i].Fixed && !now[wheels[n].Key] {
						t.Fatalf("budget %d: %s without %s", budget, wheels[i].Key, wheels[n].Key)
					}
				}
			}
			before = now
		}
		// Another order of the same wheels makes the same choice.
		to := r.Perm(len(wheels))
		shuffled := make([]Wheel, len(wheels))
		for i, w := range wheels {
			w.Needs = slices.Clone(w.Needs)
			for k := range w.Needs {
				w.Needs[k] = to[w.Needs[k]]
			}
			shuffled[to[i]] = w
		}
		budget := int64(r.Intn(1 << 30))
		if a, b := keys(wheels, o.Take(budget).Wheels), keys(shuffled, NewOrder(shuffled).Take(budget).Wheels); !slices.Equal(a, b) {
			t.Fatalf("shuffled: %q and %q", a, b)
		}
	}
}

func TestOrderHostile(t *testing.T) {
	chain := make([]Wheel, 5000)
	for i := range chain {
		chain[i] = Wheel{Key: fmt.Sprint(i), Hits: 1, Bytes: 1, Needs: []int{i + 1}} // the last points outside
	}
	o := NewOrder(chain)
	if _, ok := o.Threshold(0); ok {
		t.Error("a wheel with 5,000 needs is taken")
	}
	if _, ok := o.Threshold(len(chain) - 1); !ok {
		t.Error("the end of the chain is not taken")
	}
	odd := []Wheel{{Key: "a", Hits: -5, Bytes: -7, Needs: []int{0, -1, 99}}, {Key: "b", Hits: 1 << 62, Bytes: 1 << 62}, {Key: "c", Hits: 1 << 62, Bytes: 1 << 62}}
	if c := NewOrder(odd).Take(1 << 62); len(c.Wheels) != 3 || c.Hits != 2*most || c.Bytes != 2*most {
		t.Errorf("%+v", c)
	}
	if c := NewOrder(nil).Take(5); len(c.Wheels) != 0 {
		t.Errorf("%+v", c)
	}
}

func TestOrderSpeed(t *testing.T) {
	wheels := random(rand.New(rand.NewSource(2)), 100_000, 2)
	start := time.Now()
	o := NewOrder(wheels)
	o.Take(50e9)
	// The goal of 1 s is the benchmark's to show; a busy machine and the race
	// detector need more. What is not linear takes minutes.
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("100,000 wheels took %v", d)
	}
}

func BenchmarkOrder100k(b *testing.B) {
	wheels := random(rand.New(rand.NewSource(2)), 100_000, 2)
	for b.Loop() {
		NewOrder(wheels).Take(50e9)
	}
}
