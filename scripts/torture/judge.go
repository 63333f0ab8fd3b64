//go:build linux && amd64

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// damagedCommand is a command that meets damage, and what it must make of it.
type damagedCommand struct {
	scenario
	judge func(ctx context.Context, w *world, f *found, d damage, r result, before []string)
}

// damagedCommands are the scenarios on a stocked store, and a few more.
func (w *world) damagedCommands(ctx context.Context) (commands []damagedCommand, err error) {
	if w.view, err = w.rebuilt(ctx, "--view", "pip"); err != nil {
		return nil, err
	}
	more := []scenario{
		{"build-view", "stocked", w.builds3("--view", "pip"), is(w.view), nil, nil},
		{"build-after-use", "stocked", func(ctx context.Context, w *world) (invocation, error) {
			return w.build(3), w.must(ctx, "use", w.ids[2])
		}, isCurrent(3), nil, nil},
		{"gc-dry-run", "stocked", plain("gc", "--keep", "1", "--dry-run"), nothing, nil, nil},
		{"use-current", "stocked", func(ctx context.Context, w *world) (invocation, error) {
			return w.larder("use", w.ids[3]), w.must(ctx, "use", w.ids[2])
		}, isCurrent(3), nil, nil},
	}
	for _, s := range append(slices.Clone(scenarios), more...) {
		if s.from != "stocked" {
			continue
		}
		c := damagedCommand{scenario: s, judge: anything}
		switch verb, _, _ := strings.Cut(s.name, "-"); {
		case verb == "build":
			c.judge = judgeBuild
		case s.name == "gc-dry-run":
			c.judge = judgeDryRun
		case verb == "gc":
			c.judge = judgeGC
		case verb == "use":
			c.judge = judgeUse
		case verb == "verify":
			c.judge = judgeVerify
		}
		commands = append(commands, c)
	}
	return commands, nil
}

func nothing(*world) error { return nil }

func is(id string) func(*world) error {
	return func(w *world) error {
		if w.current() != id {
			return fmt.Errorf("current is %.12q, not %.12s", w.current(), id)
		}
		return nil
	}
}

func (w *world) builds3(args ...string) func(context.Context, *world) (invocation, error) {
	return func(context.Context, *world) (invocation, error) {
		in := w.build(3)
		in.args = append(in.args, args...)
		return in, nil
	}
}

// rebuilt is the snapshot that the third build makes with other arguments.
func (w *world) rebuilt(ctx context.Context, args ...string) (id string, err error) {
	in, _ := w.builds3(args...)(ctx, w)
	r := w.do(ctx, in)
	var report struct{ Snapshot string }
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || r.code != 0 {
		return "", fmt.Errorf("build %q: %s", args, r)
	}
	return report.Snapshot, w.load(ctx, "stocked")
}

func anything(context.Context, *world, *found, damage, result, []string) {}

// judgeBuild: what a build publishes is what it would be without the damage. What can be made
// again is.
func judgeBuild(ctx context.Context, w *world, f *found, d damage, r result, before []string) {
	known := append(slices.Clone(before), w.ids[4], w.view)
	if r.code != 0 {
		if d.optional || d.stocked && !d.attributes && d.form.name != "directory" {
			f.add("does not mend it: %s", r)
		}
		for _, id := range w.snapshots() {
			if !slices.Contains(known, id) {
				f.add("failed, and yet there is a snapshot %.12s", id)
			}
		}
		return
	}
	// done has said whether current is the right one.
	if d.sameSize && !strings.HasPrefix(d.kind.name, "image") || d.attributes {
		return
	}
	if v := w.do(ctx, w.larder("verify", "current")); v.code != 0 {
		f.add("exit 0, and verify current: %s %.300q", v, v.stdout)
	}
}

// judgeDryRun: nothing goes.
func judgeDryRun(_ context.Context, w *world, f *found, d damage, r result, before []string) {
	if d.kind.name != "directory of snapshots" && len(w.snapshots()) != len(before) {
		f.add("takes snapshots: %s", r)
	}
}

// judgeGC: nothing in use goes; a lease that cannot be read is named.
func judgeGC(_ context.Context, w *world, f *found, d damage, r result, _ []string) {
	if d.kind.name == "directory of snapshots" {
		return
	}
	in := []int{1, 3}
	if d.kind.name == "lease of an instance" && d.form.name == "remove" {
		in = []int{3}
	}
	has := w.snapshots()
	for _, n := range in {
		if !slices.Contains(has, w.ids[n]) {
			f.add("takes snapshot %d, which is in use: %s", n, r)
		}
	}
	if strings.HasPrefix(d.kind.name, "lease") && d.form.name == "truncate" && !strings.Contains(r.stderr+r.stdout, "lease") {
		f.add("says nothing of the lease: %s %.200q", r, r.stdout)
	}
}

// judgeUse: what is made current has its image.
func judgeUse(ctx context.Context, w *world, f *found, d damage, r result, _ []string) {
	if r.code != 0 || !strings.HasPrefix(d.kind.name, "image") || d.attributes {
		return
	}
	if v := w.do(ctx, w.larder("verify", "current")); v.code != 0 {
		f.add("exit 0, and verify current: %s %.300q", v, v.stdout)
	}
}

// judgeVerify: it says so.
func judgeVerify(_ context.Context, w *world, f *found, d damage, r result, _ []string) {
	switch {
	case d.optional, r.code == 3, r.code == 7:
	case d.attributes && d.form.name != "link to its bytes" && !seenByMode(d):
	case d.form.name == "flip" && !strings.HasPrefix(d.kind.name, "image") && !strings.HasPrefix(d.kind.name, "object"):
	case d.kind.name == "lease of an instance" && d.form.name == "remove", d.kind.name == "lease of a dead run" && d.form.name == "remove":
	default:
		f.add("does not see it: %s %.200q", r, r.stdout)
	}
}

// seenByMode: modes and owners that protect the bytes.
func seenByMode(d damage) bool {
	if d.kind.name == "current" || strings.HasPrefix(d.kind.name, "lease") {
		return false
	}
	return strings.HasPrefix(d.kind.name, "image") || strings.HasPrefix(d.kind.name, "object") || strings.HasPrefix(d.kind.name, "directory of one object")
}
