package pypi

import (
	"cmp"
	"container/heap"
	"math/bits"
	"slices"
	"strings"
)

// maxNeeds bounds what one wheel, or the layers of one, may pull in. The largest real sets
// (workflow engines with all their providers) pull in about 150 wheels, and as many layers.
const maxNeeds = 800

// budgetWheel is one candidate: its hits (how often it is expected to be wanted, in any unit), its
// bytes (what stocking it adds to the disk) and its needs (what an installer will ask for with it).
type budgetWheel struct {
	key   string // unique; decides between equals
	hits  int64  // at most 10^15, so that the sum of a group cannot overflow
	bytes int64  // at most 10^15
	needs []int  // places, in the slice given, of the wheels it needs directly
	// Fixed wheels (those of a lock) are chosen under every budget and paid for
	// first. They bring no needs: a lock names everything it wants.
	fixed bool
}

// budgetOrder is the order in which budgets take wheels: those with the most expected hits for their
// size, each with the wheels it needs. It does not know the budget; a budget takes the longest
// beginning of it that fits. Next in the order is always the wheel which, together with those of its
// needs that are not placed yet, has the most hits per byte; so a heavy need is paid for once, by
// whoever comes first, and makes the others that need it cheap.
//
// Taking a beginning only leaves up to one group's bytes of the budget unused, where filling the gap
// with smaller wheels from further down would use them: that gain is what monotony costs (a larger
// budget would have to drop the fillers again).
//
// All arithmetic is on whole numbers, so that the choice is the same on any machine. 100,000 wheels
// are ordered in less than a second.
type budgetOrder struct {
	wheels     []budgetWheel
	places     []int   // places of wheels, first taken first
	thresholds []int64 // by wheel; never for one that no budget takes
}

const (
	never = int64(-1)
	most  = int64(1_000_000_000_000_000)
)

// newBudgetOrder orders the wheels. Hits and bytes below 0 count as 0, above 10^15 as
// that; needs outside the slice are ignored.
func newBudgetOrder(wheels []budgetWheel) *budgetOrder {
	o := &budgetOrder{wheels: wheels, thresholds: make([]int64, len(wheels))}
	for i := range o.thresholds {
		o.thresholds[i] = never
	}
	g := newGroups(wheels)
	var used int64
	place := func(i int, threshold int64) {
		o.places = append(o.places, i)
		o.thresholds[i] = threshold
	}
	var fixed []int
	for i, w := range wheels {
		if w.fixed {
			fixed = append(fixed, i)
		}
	}
	slices.SortFunc(fixed, g.byKey)
	for _, i := range fixed {
		used += g.bytes[i]
		place(i, 0)
	}
	g.take(fixed)
	for g.Len() > 0 {
		i := g.queue[0]
		if g.taken[i] {
			heap.Pop(g)
			continue
		}
		var group []int
		for _, n := range g.needs[i] {
			if !g.taken[n] {
				group = append(group, int(n))
			}
		}
		slices.SortFunc(group, g.byKey)
		for _, n := range group {
			used += g.bytes[n]
		}
		for _, n := range group {
			place(n, used)
		}
		g.take(group)
	}
	return o
}

// budgetChoice is what a budget takes.
type budgetChoice struct {
	wheels []int // places in the slice given to newBudgetOrder, in order
	bytes  int64
	hits   int64
}

// take returns what fits into the budget.
func (o *budgetOrder) take(budget int64) budgetChoice {
	var c budgetChoice
	for _, i := range o.places {
		if o.thresholds[i] > budget {
			break // thresholds never fall along the order
		}
		c.wheels = append(c.wheels, i)
		c.bytes += clamp(o.wheels[i].bytes)
		c.hits += clamp(o.wheels[i].hits)
	}
	return c
}

// threshold is the smallest budget that takes wheel i, 0 for a fixed one; ok
// is false when none does.
func (o *budgetOrder) threshold(i int) (bytes int64, ok bool) {
	return o.thresholds[i], o.thresholds[i] != never
}

// least is the smallest budget that takes anything that is not fixed.
func (o *budgetOrder) least() (bytes int64, ok bool) {
	for _, i := range o.places {
		if !o.wheels[i].fixed {
			return o.thresholds[i], true
		}
	}
	return 0, false
}

func clamp(n int64) int64 { return min(max(n, 0), most) }

// groups holds, for each wheel, what of it and its needs is not taken yet, and
// the queue of wheels by how much that is worth.
type groups struct {
	wheels      []budgetWheel
	hits, bytes []int64   // of the wheel alone, clamped
	needs       [][]int32 // the wheel and everything below it
	above       [][]int32 // the wheels that need it, itself included
	restHits    []int64
	restBytes   []int64
	lessHits    []int64 // what take is about to subtract
	lessBytes   []int64
	taken       []bool
	queue       []int
	at          []int // place of a wheel in the queue
}

func newGroups(wheels []budgetWheel) *groups {
	n := len(wheels)
	g := &groups{wheels: wheels, hits: make([]int64, n), bytes: make([]int64, n), needs: make([][]int32, n), above: make([][]int32, n),
		restHits: make([]int64, n), restBytes: make([]int64, n),
		lessHits: make([]int64, n), lessBytes: make([]int64, n), taken: make([]bool, n), at: make([]int, n)}
	for i, w := range wheels {
		g.hits[i], g.bytes[i] = clamp(w.hits), clamp(w.bytes)
	}
	seen := make([]int32, n) // the last wheel whose needs it was seen in, plus one
	for i := range wheels {
		g.at[i] = -1
		found := []int32{int32(i)}
		seen[i] = int32(i) + 1
		for k := 0; k < len(found) && len(found) <= maxNeeds+1; k++ {
			for _, d := range wheels[found[k]].needs {
				if d >= 0 && d < n && seen[d] != int32(i)+1 {
					seen[d] = int32(i) + 1
					found = append(found, int32(d))
				}
			}
		}
		if len(found) > maxNeeds+1 {
			continue // never queued; whoever needs it needs as many
		}
		g.needs[i] = found
		g.at[i] = len(g.queue)
		g.queue = append(g.queue, i)
		for _, d := range found {
			g.above[d] = append(g.above[d], int32(i))
			g.restHits[i] += g.hits[d]
			g.restBytes[i] += g.bytes[d]
		}
	}
	heap.Init(g)
	return g
}

// take marks wheels as placed and reorders those whose rest became smaller.
// The rest of one changes right before its place is mended: a heap can mend
// one change at a time only.
func (g *groups) take(wheels []int) {
	var touched []int32
	for _, i := range wheels {
		if g.taken[i] {
			continue
		}
		g.taken[i] = true
		for _, a := range g.above[i] {
			if g.lessHits[a] == 0 && g.lessBytes[a] == 0 {
				touched = append(touched, a)
			}
			g.lessHits[a] += g.hits[i]
			g.lessBytes[a] += g.bytes[i]
		}
	}
	for _, a := range touched {
		g.restHits[a] -= g.lessHits[a]
		g.restBytes[a] -= g.lessBytes[a]
		g.lessHits[a], g.lessBytes[a] = 0, 0
		switch at := g.at[a]; {
		case at < 0:
		case g.taken[a]:
			heap.Remove(g, at)
		default:
			heap.Fix(g, at)
		}
	}
}

func (g *groups) byKey(a, b int) int { return strings.Compare(g.wheels[a].key, g.wheels[b].key) }

func (g *groups) Len() int { return len(g.queue) }

// Less compares hits per byte without a division: h1/b1 > h2/b2 is h1*b2 > h2*b1,
// in 128 bits. Equal ones: the smaller first, then by name.
func (g *groups) Less(x, y int) bool {
	i, j := g.queue[x], g.queue[y]
	hi1, lo1 := bits.Mul64(uint64(g.restHits[i]), uint64(max(1, g.restBytes[j])))
	hi2, lo2 := bits.Mul64(uint64(g.restHits[j]), uint64(max(1, g.restBytes[i])))
	return cmp.Or(cmp.Compare(hi2, hi1), cmp.Compare(lo2, lo1), cmp.Compare(g.restBytes[i], g.restBytes[j]), g.byKey(i, j)) < 0
}

func (g *groups) Swap(x, y int) {
	g.queue[x], g.queue[y] = g.queue[y], g.queue[x]
	g.at[g.queue[x]], g.at[g.queue[y]] = x, y
}

func (g *groups) Push(any) { panic("budget: nothing is pushed") }

func (g *groups) Pop() any {
	last := len(g.queue) - 1
	i := g.queue[last]
	g.queue = g.queue[:last]
	g.at[i] = -1
	return i
}
