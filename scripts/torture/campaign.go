//go:build linux && amd64

package main

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// testCase is one thing to try. play returns what was bad, and whether the fault took place: a
// command need not make the call again that it made in the rehearsal.
type testCase struct {
	group string // cases are spread over the groups
	name  string
	play  func(context.Context) (bad []string, reached bool)
}

// campaign finds its cases, which may take a rehearsal.
type campaign struct {
	name  string
	count count
	cases func(context.Context, *world) ([]testCase, error)
}

// tally is how a campaign went.
type tally struct {
	Campaign                string
	Cases, All, Bad, Missed int // All: that there are; Missed: where the fault did not take place
	Seconds                 float64
}

func (t tally) String() string {
	return fmt.Sprintf("%s: %d cases of %d, %d bad, %d not reached (%.0f s)", t.Campaign, t.Cases, t.All, t.Bad, t.Missed, t.Seconds)
}

// torture plays the campaigns. Whatever the error, tallies are what was played.
func torture(ctx context.Context, o options) (tallies []tally, err error) {
	w, err := newWorld(ctx, o)
	if err != nil {
		return nil, err
	}
	defer w.endContainer()
	for _, c := range o.campaigns {
		if c.count == 0 {
			continue
		}
		t, err := c.play(ctx, w)
		tallies = append(tallies, t)
		if err != nil {
			return tallies, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return tallies, nil
}

// play plays cases of a campaign.
func (c campaign) play(ctx context.Context, w *world) (t tally, err error) {
	start := time.Now()
	t.Campaign = c.name
	defer func() {
		t.Seconds = time.Since(start).Seconds()
		fmt.Printf("seed %d, part %s: %v\n", w.seed, &w.shard, t)
	}()
	cases, err := c.cases(ctx, w)
	if err != nil {
		return t, err
	}
	t.All = len(cases)
	cases = slices.DeleteFunc(cases, func(c testCase) bool { return !strings.Contains(c.name, w.only) })
	cases = w.shard.part(draw(cases, c.count, w.seed))
	for _, tc := range cases {
		faults, reached := tc.play(ctx)
		if ctx.Err() != nil {
			return t, ctx.Err()
		}
		if t.Cases++; t.Cases%100 == 0 {
			fmt.Printf("%s: %d of %d, %d bad (%.0f s)\n", c.name, t.Cases, len(cases), t.Bad, time.Since(start).Seconds())
		}
		if !reached {
			t.Missed++
		}
		if len(faults) > 0 {
			t.Bad++
			fmt.Print(accuse(c.name, tc.name, w.seed, faults))
		}
	}
	return t, nil
}

// accuse says what was bad about a case, and how to play it alone.
func accuse(campaign, name string, seed uint64, faults []string) string {
	var b strings.Builder
	for _, f := range faults {
		fmt.Fprintf(&b, "BAD %s %s: %s\n", campaign, name, f)
	}
	fmt.Fprintf(&b, "    alone: make torture TORTURE=\"-%ss all -seed %d -case '%s'\"\n", campaign, seed, strings.ReplaceAll(name, `"`, `\"`))
	return b.String()
}

// draw takes n cases by chance but evenly from each group. A case's place in the row depends on
// the seed and its name alone: a rehearsal that finds one more, or one less, moves no other.
func draw(cases []testCase, n count, seed uint64) []testCase {
	rank := func(name string) uint64 { return chance(seed, name).Uint64() }
	drawn := slices.SortedFunc(slices.Values(cases), func(a, b testCase) int { return cmp.Compare(rank(a.name), rank(b.name)) })
	turns, turn := map[string]int{}, map[string]int{} // of groups, how many they have had; of cases
	for _, c := range drawn {
		turn[c.name] = turns[c.group]
		turns[c.group]++
	}
	slices.SortFunc(drawn, func(a, b testCase) int {
		return cmp.Or(cmp.Compare(turn[a.name], turn[b.name]), cmp.Compare(rank(a.group), rank(b.group)))
	})
	switch {
	case n == once:
		n = count(len(turns))
	case n == all || int(n) > len(drawn):
		n = count(len(drawn))
	}
	return drawn[:n]
}

// part is the cases that are this process's: by their names, since another one may have found one
// more, or one less.
func (s shard) part(cases []testCase) []testCase {
	return slices.DeleteFunc(cases, func(c testCase) bool { return chance(0, c.name).IntN(s.of) != s.nth })
}

// chance is what a case draws from: its own, so that it is the same when played alone.
func chance(seed uint64, name string) *rand.Rand {
	h := fnv.New64()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}
