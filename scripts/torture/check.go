//go:build linux && amd64

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// found collects what was bad about a case.
type found []string

func (f *found) add(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

// codes are all exit codes there are, and those of run.
var codes = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 125, 126, 127, 130}

// sane finds what no command may do, whatever it meets.
func (f *found) sane(r result) {
	switch {
	case r.hung:
		f.add("hangs")
	case strings.Contains(r.stderr, "goroutine ") || strings.Contains(r.stderr, "panic:") || strings.Contains(r.stderr, "fatal error:"):
		f.add("crashes: %s", r)
	case !slices.Contains(codes, r.code):
		f.add("no exit code of larder's: %s", r)
	case r.code != 0 && r.stderr+r.stdout == "":
		f.add("exit %d without a word", r.code)
	}
}

// honest finds an exit status of 0 of a command that did less than it was asked for, and has not
// said so: on stderr, or, as gc does, in its list of what it kept.
func (f *found) honest(w *world, r result, done error) {
	if r.code == 0 && done != nil && r.stderr == "" && !strings.Contains(r.stdout, "kept snapshot "+w.ids[2][:12]) {
		f.add("exit 0 without a word, but %v", done)
	}
}

// blameless finds an exit code that says that the input or the network is at fault.
func (f *found) blameless(r result) {
	if r.code == 2 || r.code == 4 || r.code == 10 {
		f.add("blames the input or the network: %s", r)
	}
}

// recovers finds what does not hold after a fault, as it is and after the next runs: the store
// verifies, current is old or new, nothing acknowledged is lost, the same command works, and the
// next gc leaves no trace of the fault.
func (w *world) recovers(ctx context.Context, s scenario) (f found) {
	if s.name != "mount" && s.name != "unmount" {
		f.unmounted(w, "after the fault")
	}
	if s.name == sources.name {
		f.ended(ctx)
	}
	if !s.damaged {
		f.verifies(ctx, w, "after the fault", slices.Contains(s.current, 0) && w.names(".") == nil)
	}
	f.keeps(w, "after the fault", s)
	if !slices.ContainsFunc(s.current, func(n int) bool { return w.ids[n] == w.current() }) {
		f.add("after the fault: current is %.12q, not of builds %v", w.current(), s.current)
	}
	in, err := s.prepare(ctx, w)
	if err != nil {
		f.add("cannot be run again: %v", err)
		f.swept(ctx, w, s)
		return f
	}
	r := w.do(ctx, in)
	f.sane(r)
	if s.name == "use" && r.code == 0 {
		// It went back one more, or one.
	} else if err := s.done(w); r.code != 0 || err != nil {
		f.add("run again: %s; %v", r, err)
	}
	f.swept(ctx, w, s)
	return f
}

// keeps finds what was acknowledged and is not there.
func (f *found) keeps(w *world, when string, s scenario) {
	has := w.snapshots()
	for _, n := range s.keeps {
		if !slices.Contains(has, w.ids[n]) {
			f.add("%s: snapshot %d is gone", when, n)
		}
	}
}

// verifies runs verify --full; there need not be a store if none is said.
func (f *found) verifies(ctx context.Context, w *world, when string, none bool) {
	r := w.do(ctx, w.larder("verify", "--full"))
	f.sane(r)
	if r.code != 0 && !(none && r.code == 7) {
		f.add("%s: verify --full: %s %.300q", when, r, r.stdout)
	}
}

// unmounted waits a moment: the kernel frees a loop device after the unmount has returned. One may
// be a living container's, where an image cannot be mounted from its file.
func (f *found) unmounted(w *world, when string) {
	left := func() []string {
		if w.box != nil {
			return mounts(live, "/run/larder/")
		}
		return mounted(live, "/run/larder/")
	}
	for begin := time.Now(); len(left()) > 0 && time.Since(begin) < 10*time.Second; {
		time.Sleep(20 * time.Millisecond)
	}
	if still := left(); len(still) > 0 {
		f.add("%s: mounted: %q", when, still)
	}
}

// ended waits a moment for the processes of containers that are told to end.
func (f *found) ended(ctx context.Context) {
	var left []string
	for begin := time.Now(); time.Since(begin) < 10*time.Second; time.Sleep(20 * time.Millisecond) {
		if left = contained(); len(left) == 0 || ctx.Err() != nil {
			return
		}
	}
	f.add("after the fault: still run: %q", left)
}

// swept runs gc, and finds what it leaves.
func (f *found) swept(ctx context.Context, w *world, s scenario) {
	w.endContainer()
	if r := w.do(ctx, w.larder("unmount", "--all")); r.code != 0 {
		f.add("unmount --all: %s", r)
	}
	f.unmounted(w, "at the end")
	var r result
	for range 5 { // the namespace of a dead process goes a moment after it
		r = w.do(ctx, w.larder("gc", "--keep", "9"))
		if r.code != 0 || len(w.leftovers()) == 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	f.sane(r)
	if r.code != 0 {
		f.add("gc at the end: %s", r)
	}
	if left := w.leftovers(); len(left) > 0 {
		f.add("gc at the end left %q", left)
	}
	f.verifies(ctx, w, "at the end", false)
	f.keeps(w, "at the end", s)
}
