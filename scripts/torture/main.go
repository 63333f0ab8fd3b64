//go:build linux && amd64

package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
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
	count int
	cases func(context.Context, *world) ([]testCase, error)
}

// options are the command line.
type options struct {
	campaigns []campaign
	seed      uint64
	only      string // what the names of the cases to play have
	bin       string // where the programs are
	keep      string // where disks of bad cuts go, or ""
}

// self is what the program runs itself as.
const self = "/proc/self/exe"

// main is one of the helpers if the first argument names one. With an error the exit status is 1,
// unless the helper says another.
func main() {
	helpers := map[string]func(args []string) (status int, err error){"inside": inside, "inject": inject, "filtered": filtered, "logdisk": logdisk}
	run, args := isolated, os.Args[1:]
	if len(args) > 0 && helpers[args[0]] != nil {
		run, args = helpers[args[0]], args[1:]
	}
	status, err := run(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		status = cmp.Or(status, 1)
	}
	os.Exit(status)
}

// parse reads the flags; a wrong one ends the program.
func parse(args []string) (o options, err error) {
	o.campaigns = []campaign{{name: "kill", cases: kills}, {name: "errno", cases: errnos}, {name: "cut", cases: cuts}, {name: "damage", cases: damages}}
	flags := flag.NewFlagSet("torture", flag.ExitOnError)
	for i, c := range o.campaigns {
		flags.IntVar(&o.campaigns[i].count, c.name+"s", 0, "play `N` cases; -1: all there are")
	}
	flags.Uint64Var(&o.seed, "seed", 1, "draw the cases by `N`")
	flags.StringVar(&o.only, "case", "", "play only cases whose name has `TEXT`")
	flags.StringVar(&o.bin, "bin", "bin", "`DIR` where larder and larder-hook are")
	flags.StringVar(&o.keep, "keep", "", "keep the disks of bad cuts in `DIR`")
	_ = flags.Parse(args)
	o.bin, err = filepath.Abs(o.bin)
	return o, err
}

// torture plays the campaigns, and returns how many cases were bad.
func torture(ctx context.Context, o options) (bad int, err error) {
	w, err := newWorld(ctx, o)
	if err != nil {
		return 0, err
	}
	defer w.endContainer()
	for _, c := range o.campaigns {
		if c.count == 0 {
			continue
		}
		n, err := c.play(ctx, w)
		bad += n
		if err != nil {
			return bad, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return bad, nil
}

// play plays cases of a campaign, and returns how many were bad.
func (c campaign) play(ctx context.Context, w *world) (bad int, err error) {
	cases, err := c.cases(ctx, w)
	if err != nil {
		return 0, err
	}
	all := len(cases)
	cases = slices.DeleteFunc(cases, func(c testCase) bool { return !strings.Contains(c.name, w.only) })
	cases = draw(cases, c.count, w.seed)
	start, missed := time.Now(), 0
	for i, tc := range cases {
		if i > 0 && i%100 == 0 {
			fmt.Printf("%s: %d of %d, %d bad (%.0f s)\n", c.name, i, len(cases), bad, time.Since(start).Seconds())
		}
		faults, reached := tc.play(ctx)
		if ctx.Err() != nil {
			return bad, ctx.Err()
		}
		for _, f := range faults {
			fmt.Printf("BAD %s %s: %s\n", c.name, tc.name, f)
		}
		if len(faults) > 0 {
			bad++
		}
		if !reached {
			missed++
		}
	}
	fmt.Printf("%s: %d cases of %d, seed %d, %d bad, %d not reached (%.0f s)\n", c.name, len(cases), all, w.seed, bad, missed, time.Since(start).Seconds())
	return bad, nil
}

// draw takes n cases, or with -1 all, by chance but evenly from each group. A case's place in the
// row depends on the seed and its name alone: a rehearsal that finds one more, or one less, moves
// no other.
func draw(cases []testCase, n int, seed uint64) []testCase {
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
	if n < 0 || n > len(drawn) {
		n = len(drawn)
	}
	return drawn[:n]
}

// chance is what a case draws from: its own, so that it is the same when played alone.
func chance(seed uint64, name string) *rand.Rand {
	h := fnv.New64()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}
