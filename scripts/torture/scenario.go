//go:build linux && amd64

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"larder/snapshot"
)

// scenario is a command on a store, and what is true when it says that it is done.
type scenario struct {
	name    string
	from    string // template
	prepare func(context.Context, *world) (invocation, error)
	done    func(*world) error
	current []int // which builds' snapshot may be current whatever happens; 0: none yet
	keeps   []int // which must be there whatever happens
	damaged bool  // the store is, until it is done
}

// hook says whether the command is the hook, which a container must not die of.
func (s scenario) hook() bool {
	return strings.HasPrefix(s.name, "attach") || s.name == "release"
}

func plain(args ...string) func(context.Context, *world) (invocation, error) {
	return func(_ context.Context, w *world) (invocation, error) { return w.larder(args...), nil }
}

func builds(n int, args ...string) func(context.Context, *world) (invocation, error) {
	return func(_ context.Context, w *world) (invocation, error) { return w.build(n, args...), nil }
}

func nothing(*world) error { return nil }

func isCurrent(n int) func(*world) error {
	return func(w *world) error {
		if got := w.current(); got != w.ids[n] {
			return fmt.Errorf("current is %.12q, not the snapshot of build %d", got, n)
		}
		return nil
	}
}

// proves is a run whose command writes what it sees.
func proves(script string, args ...string) func(context.Context, *world) (invocation, error) {
	return func(_ context.Context, w *world) (invocation, error) {
		if err := os.RemoveAll(proof); err != nil {
			return invocation{}, err
		}
		args := append([]string{"run"}, args...)
		for i, a := range args {
			args[i] = strings.NewReplacer("LOCK3", lockFile(3), "INST", w.path("inst")).Replace(a)
		}
		return w.larder(append(args, "--", "sh", "-c", script+" > "+proof)...), nil
	}
}

func proved(want string) func(*world) error {
	return func(w *world) error {
		if got, err := os.ReadFile(proof); err != nil || !strings.Contains(string(got), want) {
			return fmt.Errorf("the command saw %q, not %q (%v)", got, want, err)
		}
		return nil
	}
}

func attaches(args ...string) func(context.Context, *world) (invocation, error) {
	return func(ctx context.Context, w *world) (invocation, error) {
		c, err := w.startContainer(ctx)
		if err != nil {
			return invocation{}, err
		}
		if r := w.do(ctx, c.hook(w, "release")); r.code != 0 || r.stderr != "" {
			return invocation{}, fmt.Errorf("release: %s", r)
		}
		return c.hook(w, "attach", args...), nil
	}
}

func isAttached(w *world) error { return w.box.attached() }

// releases ends a container that has been attached to.
func releases(ctx context.Context, w *world) (invocation, error) {
	attach, err := attaches("--required")(ctx, w)
	if err != nil {
		return invocation{}, err
	}
	if r := w.do(ctx, attach); r.code != 0 {
		return invocation{}, fmt.Errorf("attach: %s", r)
	}
	c := w.box
	w.endContainer()
	return c.hook(w, "release"), nil
}

// uses makes the second build's snapshot current.
func uses(args ...string) func(context.Context, *world) (invocation, error) {
	return func(_ context.Context, w *world) (invocation, error) {
		return w.larder(append([]string{"use", w.ids[2]}, args...)...), nil
	}
}

// buildsBeside is the fourth build while the third's snapshot is held.
func buildsBeside(ctx context.Context, w *world) (invocation, error) {
	return w.build(4), w.must(ctx, "use", w.ids[3], "--hold")
}

// buildsUnused is the fourth build, of which nobody makes use yet.
func buildsUnused(_ context.Context, w *world) (invocation, error) {
	return w.build(4, "--no-use"), nil
}

// letsGo ends the hold of the current snapshot.
func letsGo(ctx context.Context, w *world) (invocation, error) {
	return w.larder("use", "--release"), w.must(ctx, "use", w.ids[3], "--hold")
}

func isBeside(w *world) error {
	if !slices.Contains(w.snapshots(), w.ids[4]) {
		return errors.New("the snapshot of build 4 is not there")
	}
	return isCurrent(3)(w)
}

// repairs mends a file of the current snapshot that is cut short.
func repairs(_ context.Context, w *world) (invocation, error) {
	object, err := objectAt("l", "alpha/part1.py")(w)
	if err != nil {
		return invocation{}, err
	}
	return w.larder("repair"), os.Truncate(w.store(object), 1)
}

// isRepaired: the manifest says what the file has to be.
func isRepaired(w *world) error {
	object, err := objectAt("l", "alpha/part1.py")(w)
	if err != nil {
		return err
	}
	if info, err := os.Stat(w.store(object)); err != nil || info.Size() == 1 {
		return fmt.Errorf("%s is as it was (%v)", object, err)
	}
	return nil
}

// revokedBuild is the third build without gamma, among the world's ids.
const revokedBuild = 6

// sourceBuild is the third build with what is built from a source besides, among the world's ids and locks.
const sourceBuild = 7

const see = "ls $HOME/.cache/pip"

var scenarios = []scenario{
	{"build-first", "empty", builds(1), isCurrent(1), []int{0, 1}, nil, false},
	{"build-new", "stocked", builds(4), isCurrent(4), []int{3, 4}, []int{1, 2, 3}, false},
	{"build-same", "stocked", builds(3), isCurrent(3), []int{3}, []int{1, 2, 3}, false},
	{"gc", "stocked", plain("gc", "--keep", "1"), collected, []int{3}, []int{1, 3}, false},
	{"use", "stocked", plain("use", "previous"), isCurrent(2), []int{2, 3}, []int{1, 2, 3}, false},
	{"mount", "stocked", plain("mount"), (*world).isMounted, []int{3}, []int{1, 2, 3}, false},
	{"unmount", "stocked", unmounts, (*world).isUnmounted, []int{3}, []int{1, 2, 3}, false},
	{"run", "stocked", proves(see), proved("http-v2"), []int{3}, []int{1, 2, 3}, false},
	{"run-required", "stocked", proves(see, "--required"), proved("http-v2"), []int{3}, []int{1, 2, 3}, false},
	{"run-lock", "stocked", proves("python3 -c 'import alpha; alpha.main()'", "--required", "-r", "LOCK3"), proved("2.0"), []int{3}, []int{1, 2, 3}, false},
	{"run-instance", "stocked", proves(see+"; cat $HOME/.cache/pip/mine", "--required", "--instance", "INST/kept"), proved("mine"), []int{3}, []int{1, 2, 3}, false},
	{"run-instance-new", "stocked", proves(see, "--required", "--instance", "INST/new"), proved("http-v2"), []int{3}, []int{1, 2, 3}, false},
	{"attach", "stocked", attaches(), isAttached, []int{3}, []int{1, 2, 3}, false},
	{"attach-required", "stocked", attaches("--required"), isAttached, []int{3}, []int{1, 2, 3}, false},
	{"release", "stocked", releases, released, []int{3}, []int{1, 2, 3}, false},
	{"verify", "stocked", plain("verify", "--full"), nothing, []int{3}, []int{1, 2, 3}, false},
	{"use-hold", "stocked", uses("--hold"), isCurrent(2), []int{2, 3}, []int{1, 2, 3}, false},
	{"use-release", "stocked", letsGo, isCurrent(3), []int{3}, []int{1, 2, 3}, false},
	{"build-no-use", "stocked", buildsUnused, isBeside, []int{3}, []int{1, 2, 3}, false},
	{"build-held", "stocked", buildsBeside, isBeside, []int{3}, []int{1, 2, 3}, false},
	{"repair", "stocked", repairs, isRepaired, []int{3}, []int{1, 2, 3}, true},
	{"revoke", "stocked", plain("revoke", "gamma==1.0"), isCurrent(revokedBuild), []int{3, revokedBuild}, []int{1, 2}, false},
}

// sources builds one in a container. It is killed at named steps and at any time; a runtime of containers
// cannot be followed as the other commands are.
var sources = scenario{"build-source", "stocked", builds(sourceBuild, "--sdists", "pure"), isCurrent(sourceBuild), []int{3, sourceBuild}, []int{1, 2, 3}, false}

// scenarios are those that cases may be of: all, or the one that the name of a case begins with.
func (w *world) scenarios(more ...scenario) []scenario {
	name, _, ok := strings.Cut(w.only, ":")
	return slices.DeleteFunc(slices.Concat(scenarios, more), func(s scenario) bool { return ok && name != s.name })
}

// collected is what gc --keep 1 leaves: the current snapshot, the one a kept instance holds, and
// nothing of the run that was killed.
func collected(w *world) error {
	got, want := w.snapshots(), []string{w.ids[1], w.ids[3]}
	if slices.Sort(want); !slices.Equal(got, want) {
		return fmt.Errorf("%d snapshots are left, not current and the one in use", len(got))
	}
	if left := append(w.names("instances"), w.names("trash")...); len(left) > 0 {
		return fmt.Errorf("left: %q", left)
	}
	return nil
}

func unmounts(ctx context.Context, w *world) (invocation, error) {
	return w.larder("unmount", "--all"), w.must(ctx, "mount")
}

func (w *world) isMounted() error {
	_, err := os.Stat("/run/larder/snapshots/" + w.ids[3] + "/tree/manifest.json")
	return err
}

func (w *world) isUnmounted() error {
	if w.isMounted() == nil {
		return errors.New("the tree is still mounted")
	}
	return nil
}

// released: nothing has the container's name. An instance that could not be told to be free has
// another by now, and is gc's.
func released(w *world) error {
	name := snapshot.Sum([]byte(containerID)).String()[:32]
	for _, path := range []string{w.store("leases", name+".json"), w.store("instances", name)} {
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("%s is still there", path)
		}
	}
	return nil
}
