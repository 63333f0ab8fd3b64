//go:build linux && amd64

package main

import (
	"context"
	"slices"
	"strings"
)

// judge finds what a command made of damage that it must not.
type judge func(ctx context.Context, w *world, f *found, d damage, r result, before []string)

// damagedCommand is a command that meets damage.
type damagedCommand struct {
	scenario
	judge
}

// viewBuild is the third build with fewer views, among the world's ids once damages has made it.
const viewBuild = 5

// moreScenarios are those that only meet damage.
var moreScenarios = []scenario{
	{"build-view", "stocked", builds(3, "--view", "pip"), isCurrent(viewBuild), nil, nil, false},
	{"build-after-use", "stocked", afterUse(func(w *world) invocation { return w.build(3) }), isCurrent(3), nil, nil, false},
	{"gc-dry-run", "stocked", plain("gc", "--keep", "1", "--dry-run"), nothing, nil, nil, false},
	{"use-current", "stocked", afterUse(func(w *world) invocation { return w.larder("use", w.ids[3]) }), isCurrent(3), nil, nil, false},
}

// afterUse is a command on a store whose current snapshot is the second.
func afterUse(in func(*world) invocation) func(context.Context, *world) (invocation, error) {
	return func(ctx context.Context, w *world) (invocation, error) { return in(w), w.must(ctx, "use", w.ids[2]) }
}

// damagedCommands are the scenarios on a stocked store, and a few more.
func (w *world) damagedCommands(ctx context.Context) (commands []damagedCommand, err error) {
	if w.ids[viewBuild], err = w.built(ctx, w.build(3, "--view", "pip")); err != nil {
		return nil, err
	}
	judges := map[string]judge{"build": judgeBuild, "gc": judgeGC, "gc-dry-run": judgeDryRun, "use": judgeUse, "verify": judgeVerify}
	for _, s := range append(slices.Clone(scenarios), moreScenarios...) {
		if s.damaged || s.name == "revoke" || s.name == "build-held" {
			continue // of what these do to damage their own tests tell
		}
		verb, _, _ := strings.Cut(s.name, "-")
		c := damagedCommand{scenario: s, judge: judges[s.name]}
		if c.judge == nil {
			c.judge = judges[verb]
		}
		if s.from == "stocked" {
			commands = append(commands, c)
		}
	}
	return commands, w.load(ctx, "stocked")
}

// judgeBuild: what a build publishes is what it would be without the damage. What can be made
// again is.
func judgeBuild(ctx context.Context, w *world, f *found, d damage, r result, before []string) {
	known := append(slices.Clone(before), w.ids[4], w.ids[viewBuild])
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
	if (!d.sameSize || d.ofImage()) && !d.attributes {
		f.currentVerifies(ctx, w)
	}
}

func (f *found) currentVerifies(ctx context.Context, w *world) {
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
	if r.code == 0 && d.ofImage() && !d.attributes {
		f.currentVerifies(ctx, w)
	}
}

// judgeVerify: it says so.
func judgeVerify(_ context.Context, w *world, f *found, d damage, r result, _ []string) {
	bytes := d.ofImage() || strings.HasPrefix(d.kind.name, "object")
	switch {
	case d.optional, r.code == 3, r.code == 7:
	// Modes and owners: only of what protects the bytes.
	case d.attributes && d.form.name != "link to its bytes" && !bytes && d.kind.name != "directory of one object":
	case d.form.name == "flip" && !bytes:
	case d.form.name == "remove" && (d.kind.name == "lease of an instance" || d.kind.name == "lease of a dead run"):
	default:
		f.add("does not see it: %s %.200q", r, r.stdout)
	}
}

func (d damage) ofImage() bool { return strings.HasPrefix(d.kind.name, "image") }
