package pypi

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"time"

	"larder/builder"
	"larder/popularity"
)

func keys(wheels []budgetWheel, places []int) []string {
	var out []string
	for _, i := range places {
		out = append(out, wheels[i].key)
	}
	return out
}

func TestTake(t *testing.T) {
	wheels := []budgetWheel{
		{key: "flask", hits: 100, bytes: 10, needs: []int{1, 2}},
		{key: "werkzeug", hits: 90, bytes: 10},
		{key: "jinja2", hits: 95, bytes: 10, needs: []int{3}},
		{key: "markupsafe", hits: 95, bytes: 5},
		{key: "torch", hits: 200, bytes: 1000, needs: []int{2}},
		{key: "torch-plugin", hits: 50, bytes: 1, needs: []int{4}},
		{key: "locked", hits: 0, bytes: 7, fixed: true},
		{key: "unwanted", hits: 0, bytes: 1},
	}
	o := newBudgetOrder(wheels)
	for budget, want := range map[int64][]string{
		0:  {"locked"},
		11: {"locked"},
		12: {"locked", "markupsafe"},
		22: {"locked", "markupsafe", "jinja2"},
	} {
		got := keys(wheels, o.take(budget).wheels)
		if !slices.Equal(got, want) {
			t.Errorf("budget %d: %q, want %q", budget, got, want)
		}
	}
	if c := o.take(1 << 40); len(c.wheels) != len(wheels) || c.hits != 630 || c.bytes != 1044 {
		t.Errorf("everything: %+v", c)
	}
	// The plugin costs a byte and needs a thousand: it is not bought alone.
	plugin, _ := o.threshold(5)
	torch, _ := o.threshold(4)
	if plugin != torch || torch < 1000 {
		t.Errorf("thresholds: plugin %d, torch %d", plugin, torch)
	}
	if least, ok := o.least(); !ok || least != 12 {
		t.Errorf("least %d", least)
	}
	if bytes, ok := o.threshold(6); !ok || bytes != 0 {
		t.Errorf("fixed: %d %v", bytes, ok)
	}
}

// random makes n wheels with sizes and hits over orders of magnitude, needs
// mostly towards popular ones, and some circles.
func random(r *rand.Rand, n, needs int) []budgetWheel {
	wheels := make([]budgetWheel, n)
	for i := range wheels {
		wheels[i] = budgetWheel{key: fmt.Sprintf("w%06d", i), hits: int64(1_000_000_000 / (i + 60)), bytes: 10_000 << r.Intn(14), fixed: r.Intn(500) == 0}
		for range r.Intn(needs + 1) {
			to := r.Intn(1 + i/4)
			if r.Intn(50) == 0 {
				to = r.Intn(n)
			}
			wheels[i].needs = append(wheels[i].needs, to)
		}
	}
	return wheels
}

func TestOrderProperties(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 30 {
		wheels := random(r, 1+r.Intn(300), 3)
		o := newBudgetOrder(wheels)
		var before map[string]bool
		for budget := int64(0); budget < 1<<31; budget = budget*3/2 + 50_000 {
			c := o.take(budget)
			now := map[string]bool{}
			var bytes, fixed int64
			for _, i := range c.wheels {
				now[wheels[i].key] = true
				bytes += wheels[i].bytes
				if wheels[i].fixed {
					fixed += wheels[i].bytes
				}
			}
			if bytes != c.bytes || bytes > max(budget, fixed) || len(now) != len(c.wheels) {
				t.Fatalf("budget %d: %d bytes taken, %d fixed", budget, bytes, fixed)
			}
			for key := range before {
				if !now[key] {
					t.Fatalf("budget %d drops %s", budget, key)
				}
			}
			for _, i := range c.wheels {
				for _, n := range wheels[i].needs {
					if !wheels[i].fixed && !now[wheels[n].key] {
						t.Fatalf("budget %d: %s without %s", budget, wheels[i].key, wheels[n].key)
					}
				}
			}
			before = now
		}
		// Another order of the same wheels makes the same choice.
		to := r.Perm(len(wheels))
		shuffled := make([]budgetWheel, len(wheels))
		for i, w := range wheels {
			w.needs = slices.Clone(w.needs)
			for k := range w.needs {
				w.needs[k] = to[w.needs[k]]
			}
			shuffled[to[i]] = w
		}
		budget := int64(r.Intn(1 << 30))
		if a, b := keys(wheels, o.take(budget).wheels), keys(shuffled, newBudgetOrder(shuffled).take(budget).wheels); !slices.Equal(a, b) {
			t.Fatalf("shuffled: %q and %q", a, b)
		}
	}
}

func TestOrderHostile(t *testing.T) {
	chain := make([]budgetWheel, 5000)
	for i := range chain {
		chain[i] = budgetWheel{key: fmt.Sprint(i), hits: 1, bytes: 1, needs: []int{i + 1}} // the last points outside
	}
	o := newBudgetOrder(chain)
	if _, ok := o.threshold(0); ok {
		t.Error("a wheel with 5,000 needs is taken")
	}
	if _, ok := o.threshold(len(chain) - 1); !ok {
		t.Error("the end of the chain is not taken")
	}
	odd := []budgetWheel{{key: "a", hits: -5, bytes: -7, needs: []int{0, -1, 99}}, {key: "b", hits: 1 << 62, bytes: 1 << 62}, {key: "c", hits: 1 << 62, bytes: 1 << 62}}
	if c := newBudgetOrder(odd).take(1 << 62); len(c.wheels) != 3 || c.hits != 2*most || c.bytes != 2*most {
		t.Errorf("%+v", c)
	}
	if c := newBudgetOrder(nil).take(5); len(c.wheels) != 0 {
		t.Errorf("%+v", c)
	}
}

func TestOrderSpeed(t *testing.T) {
	wheels := random(rand.New(rand.NewSource(2)), 100_000, 2)
	start := time.Now()
	o := newBudgetOrder(wheels)
	o.take(50e9)
	// The goal of 1 s is the benchmark's to show; a busy machine and the race
	// detector need more. What is not linear takes minutes.
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("100,000 wheels took %v", d)
	}
}

func BenchmarkOrder100k(b *testing.B) {
	wheels := random(rand.New(rand.NewSource(2)), 100_000, 2)
	for b.Loop() {
		newBudgetOrder(wheels).take(50e9)
	}
}

// What a wheel needs is wanted as often as the wheel, through others and around circles; what is
// wanted more by itself stays so.
func TestNeedsAreWanted(t *testing.T) {
	s := &planner{options: []*option{
		{hits: 100, needs: []int{1}}, {needs: []int{2, 3}}, {hits: 500, needs: []int{0}}, {hits: 7}, {hits: 3, needs: []int{5}}, {},
	}}
	if got := s.wanted(); !slices.Equal(got, []int64{500, 500, 500, 500, 3, 3}) {
		t.Errorf("wanted %v", got)
	}
	s.options[2].needs = nil
	if got := s.wanted(); !slices.Equal(got, []int64{100, 100, 500, 100, 3, 3}) {
		t.Errorf("wanted %v", got)
	}
}

// What a hit spares grows with the wheel: of two that are wanted alike, neither's place is by its
// size alone, and what the operator includes stays before all.
func TestWorthGrowsWithTheWheel(t *testing.T) {
	worth := func(hits, size int64) int64 {
		o := option{picks: []*builder.Pick{{Artifact: builder.Artifact{Size: size}}}}
		return o.worth(hits)
	}
	for _, c := range []struct{ hits, size, want int64 }{{100, 0, 100}, {100, -1, 100}, {100, hitBytes, 200}, {100, 100 * hitBytes, 10_100}} {
		if got := worth(c.hits, c.size); got != c.want {
			t.Errorf("%d hits, %d bytes: %d, want %d", c.hits, c.size, got, c.want)
		}
	}
	if most := worth(popularity.Worth(1), 4e9); most >= always {
		t.Errorf("a ranked wheel is worth %d, an included one %d", most, always)
	}
	// A large wheel that many want comes before a small one that hardly anybody does.
	wheels := []budgetWheel{
		{key: "large", hits: worth(popularity.Worth(300), 3e9), bytes: 3e9}, {key: "small", hits: worth(popularity.Worth(12_000), 100_000), bytes: 100_000},
		{key: "hot", hits: worth(popularity.Worth(1000), 100_000), bytes: 100_000},
	}
	if order := newBudgetOrder(wheels); fmt.Sprint(order.places) != "[2 0 1]" {
		t.Errorf("order %v", order.places)
	}
}
