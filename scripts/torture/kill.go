//go:build linux && amd64

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The ways to die: at a system call (kills), at a named step of the program (points), at any time
// (times).

// observes are calls that change nothing: whether a process dies before or after one is as if it
// died at the next that does.
var observes = []string{"read", "pread", "getdents", "fstat", "stat", "statx", "statfs", "fstatfs", "readlink", "readlinkat", "fchdir", "chdir"}

func kills(ctx context.Context, w *world) ([]testCase, error) {
	list := func(_ scenario, class string, count int) (all []fault) {
		name, _, _ := strings.Cut(class, " ")
		if slices.Contains(observes, name) {
			return nil
		}
		for _, nth := range places(count) {
			for _, do := range []string{"kill", "kill-after", "kill-one", "kill-one-after"} {
				all = append(all, fault{class, nth, do, false})
			}
		}
		return all
	}
	return faults(ctx, w, list, func(f *found, w *world, s scenario, _ fault, r result, _ bool) { f.killed(w, s, r) })
}

// killed finds what a killed command, or one that was faster, may not do. A hook whose working half
// died is 0 nevertheless: its guard answers for it, so that the container starts.
func (f *found) killed(w *world, s scenario, r result) {
	if r.hung {
		f.add("hangs")
	}
	if r.code == 0 && !s.hook() {
		if err := s.done(w); err != nil {
			f.add("exit 0, but %v", err)
		}
	}
}

// points are the steps that a scenario's command names as it goes: see package failpoint.
func points(ctx context.Context, w *world) (cases []testCase, err error) {
	known := map[string]bool{} // of the scenarios so far
	for _, s := range w.scenarios(sources) {
		log := filepath.Join(workDir, "points.log")
		if _, err := w.rehearsed(ctx, s, func(in invocation) invocation { return in.with("LARDER_FAILPOINT=*=log:" + log) }); err != nil {
			return nil, err
		}
		text, _ := os.ReadFile(log) // none: it only looks
		_ = os.Remove(log)
		counts := map[string]int{}
		for name := range strings.Lines(string(text)) {
			counts[strings.TrimSpace(name)]++
		}
		for name, count := range counts {
			if s.name == sources.name && known[name] { // as of any other build
				continue
			}
			known[name] = true
			for _, nth := range places(count) {
				point := fmt.Sprintf("%s#%d", name, nth)
				cases = append(cases, testCase{group: s.name + ": " + name, name: s.name + ": killed at " + point, play: func(ctx context.Context) ([]string, bool) {
					return w.playKill(ctx, s, func(in invocation) invocation { return in.with("LARDER_FAILPOINT=" + point + "=kill") })
				}})
			}
		}
	}
	if len(cases) == 0 {
		return nil, errors.New("no command comes to a failpoint: build the programs with the tag")
	}
	return cases, nil
}

// moments are how many times of a command are tried at most.
const moments = 1000

// times are moments from a command's start to somewhat after its end, by the time that it takes.
func times(ctx context.Context, w *world) (cases []testCase, err error) {
	for _, s := range w.scenarios(sources) {
		takes, tries := patience, 3 // the first has to read what the others find in memory, and any may be held up
		if s.name == sources.name { // it takes seconds
			tries = 1
		}
		for range tries {
			took, err := w.rehearsed(ctx, s, func(in invocation) invocation { return in })
			if err != nil {
				return nil, err
			}
			takes = min(takes, took)
		}
		for i := range moments {
			part := 1.1 * float64(i+1) / moments
			after := time.Duration(part * float64(takes))
			cases = append(cases, testCase{group: s.name, name: fmt.Sprintf("%s: killed after %.4f of its time", s.name, part), play: func(ctx context.Context) ([]string, bool) {
				return w.playKill(ctx, s, func(in invocation) invocation { in.limit = after; return in })
			}})
		}
	}
	return cases, nil
}

func (w *world) playKill(ctx context.Context, s scenario, deadly func(invocation) invocation) (f found, reached bool) {
	in, err := w.begin(ctx, s)
	if err != nil {
		return found{err.Error()}, false
	}
	r := w.do(ctx, deadly(in))
	f.killed(w, s, r)
	return append(f, w.recovers(ctx, s)...), r.code == 128+int(unix.SIGKILL)
}
