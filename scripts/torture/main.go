//go:build linux && amd64

package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
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

// options are the command line, without the counts.
type options struct {
	seed uint64
	only string // what the names of the cases to play have
	bin  string // where the programs are
	keep string // where disks of bad cuts go, or ""
}

func main() {
	campaigns := []campaign{{name: "kill", cases: kills}, {name: "errno", cases: errnos}, {name: "cut", cases: cuts}, {name: "damage", cases: damages}}
	for i, c := range campaigns {
		flag.IntVar(&campaigns[i].count, c.name+"s", 0, "play `N` cases; -1: all there are")
	}
	var o options
	flag.Uint64Var(&o.seed, "seed", 1, "draw the cases by `N`")
	flag.StringVar(&o.only, "case", "", "play only cases whose name has `TEXT`")
	flag.StringVar(&o.bin, "bin", "bin", "`DIR` where larder, larder-hook, inject and logdisk are")
	flag.StringVar(&o.keep, "keep", "", "keep the disks of bad cuts in `DIR`")
	flag.Parse()
	var err error
	if o.bin, err = filepath.Abs(o.bin); err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}

	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	bad, err := isolated(ctx, func() (int, error) {
		return torture(ctx, o, campaigns)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
	if bad > 0 {
		os.Exit(1)
	}
}

// place is where a run's directory is for it, whatever its name on the host: paths are in leases
// and ports in snapshots, and with the same ones a case is the same each time.
const place = "/run/torture"

// isolated calls f in a process with a mount namespace, a /run and a network of its own, and a
// new directory at place, which it removes when that has ended.
func isolated(ctx context.Context, f func() (int, error)) (bad int, err error) {
	const marker = "LARDER_TORTURE_DIR"
	if dir := os.Getenv(marker); dir != "" {
		os.Unsetenv(marker)
		if err := errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("torture", "/run", "tmpfs", 0, "mode=0755"),
			os.Mkdir(place, 0o755), unix.Mount(dir, place, "", unix.MS_BIND, ""), loopbackUp()); err != nil {
			return 0, fmt.Errorf("make private namespaces: %w", err)
		}
		return f()
	}
	dir, err := os.MkdirTemp("", "larder-torture-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(ctx, "/proc/self/exe", os.Args[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.Env = append(os.Environ(), marker+"="+dir)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET, Setpgid: true}
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		return 1, nil
	} else if err != nil {
		return 0, fmt.Errorf("make private namespaces: %w", err)
	}
	return 0, nil
}

// loopbackUp makes 127.0.0.1 work in a new network namespace.
func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo)
}

// torture plays the campaigns, and returns how many cases were bad.
func torture(ctx context.Context, o options, campaigns []campaign) (bad int, err error) {
	w, err := newWorld(ctx, o)
	if err != nil {
		return 0, err
	}
	defer w.close()
	for _, c := range campaigns {
		if c.count == 0 {
			continue
		}
		cases, err := c.cases(ctx, w)
		if err != nil {
			return bad, fmt.Errorf("%s: %w", c.name, err)
		}
		all := len(cases)
		cases = slices.DeleteFunc(cases, func(c testCase) bool { return !strings.Contains(c.name, o.only) })
		cases = draw(cases, c.count, o.seed)
		start, worst, missed := time.Now(), 0, 0
		for i, tc := range cases {
			if i > 0 && i%100 == 0 {
				fmt.Printf("%s: %d of %d, %d bad (%.0f s)\n", c.name, i, len(cases), worst, time.Since(start).Seconds())
			}
			faults, reached := tc.play(ctx)
			if ctx.Err() != nil {
				return bad, ctx.Err()
			}
			for _, f := range faults {
				fmt.Printf("BAD %s %s: %s\n", c.name, tc.name, f)
			}
			if len(faults) > 0 {
				worst++
			}
			if !reached {
				missed++
			}
		}
		bad += worst
		fmt.Printf("%s: %d cases of %d, seed %d, %d bad, %d not reached (%.0f s)\n", c.name, len(cases), all, o.seed, worst, missed, time.Since(start).Seconds())
	}
	return bad, nil
}

// draw takes n cases, or with -1 all, by chance but evenly from each group. A case's place in the
// row depends on the seed and its name alone: a rehearsal that finds one more, or one less, moves
// no other.
func draw(cases []testCase, n int, seed uint64) []testCase {
	groups := map[string][]testCase{}
	for _, c := range cases {
		groups[c.group] = append(groups[c.group], c)
	}
	rank := func(name string) uint64 { return chance(seed, name).Uint64() }
	for _, g := range groups {
		slices.SortFunc(g, func(a, b testCase) int { return cmp.Compare(rank(a.name), rank(b.name)) })
	}
	names := slices.SortedFunc(maps.Keys(groups), func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	if n < 0 || n > len(cases) {
		n = len(cases)
	}
	drawn := make([]testCase, 0, n)
	for turn := 0; len(drawn) < n; turn++ {
		for _, name := range names {
			if turn < len(groups[name]) && len(drawn) < n {
				drawn = append(drawn, groups[name][turn])
			}
		}
	}
	return drawn
}

// chance is what a case draws from: its own, so that it is the same when played alone.
func chance(seed uint64, name string) *rand.Rand {
	h := fnv.New64()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}
