//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"larder/overlay"
	"larder/overlay/keep"
	"larder/overlay/overlaytest"
)

// heldPrograms builds larder and the hook with failpoints.
func heldPrograms(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	build := exec.Command("go", "build", "-tags", "urfave_cli_no_docs,failpoint", "-ldflags", overlaytest.LinkFlags(), "-o", dir+"/", "larder/cmd/larder", "larder/cmd/larder-hook")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// The steps of both, as far as one can matter to the other.
var (
	attachSteps = []string{"attach: snapshot chosen", "attach: lease taken", "attach: tree opened", "attach: view made"}
	gcSteps     = []string{"gc: snapshots listed", "gc: leases read", "gc: unmounted", "gc: lease granted", "gc: set aside", "gc: unlocked", "gc: in the trash"}
)

// orders are all ways to do a moves of one and g of the other: true is the first one's.
func orders(a, g int) [][]bool {
	if a == 0 && g == 0 {
		return [][]bool{nil}
	}
	var all [][]bool
	if a > 0 {
		for _, rest := range orders(a-1, g) {
			all = append(all, append([]bool{true}, rest...))
		}
	}
	if g > 0 {
		for _, rest := range orders(a, g-1) {
			all = append(all, append([]bool{false}, rest...))
		}
	}
	return all
}

// play does one order: attach of a container against gc.
func (a *arena) play(order []bool, kept bool, attachPoints, gcPoints []string) (string, []string) {
	a.reset()
	if kept {
		a.mount()
	}
	config := a.profile(a.doomed.String())
	ctx, cancel := context.WithTimeout(a.t.Context(), 30*time.Second)
	defer cancel()
	dir := a.path(fmt.Sprintf("points/%d", a.round))
	defer os.RemoveAll(dir)
	attach := newActor(a.t, a.attach(config), dir+"/attach", attachPoints)
	gc := newActor(a.t, a.gc(config), dir+"/gc", gcPoints)
	for _, attaches := range order {
		if attaches {
			attach.move()
		} else {
			gc.move()
		}
	}
	attach.finish(ctx)
	gc.finish(ctx)
	return a.judge(attach, gc)
}

// mount keeps the doomed snapshot mounted.
func (a *arena) mount() {
	s := keep.Snapshot{ID: a.doomed.String(), Image: a.s.ImagePath(a.doomed), Objects: a.s.ObjectsDir()}
	must(a.t, keep.Dir(keep.DefaultDir).Mount(a.t.Context(), s))
}

// racesVariable has the number of attaches that race gc at random; with it, every order of all
// steps is played, too.
const racesVariable = "LARDER_RACES"

// A container never loses its lower: in whatever order the steps of an attach and of a gc come, the
// container has all of its snapshot afterwards, or was told why it has none.
func TestMountAttachBesideGC(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	bin := heldPrograms(t)
	attachPoints, gcPoints := attachSteps, gcSteps
	if os.Getenv(racesVariable) == "" { // those between which the two can see something of each other
		attachPoints, gcPoints = attachSteps[:3], slices.DeleteFunc(slices.Clone(gcSteps), func(p string) bool { return p == "gc: snapshots listed" })
	}
	type job struct {
		order []bool
		kept  bool
	}
	var jobs []job
	for i, order := range orders(len(attachPoints)+1, len(gcPoints)+1) {
		for _, kept := range []bool{false, true} {
			if os.Getenv(racesVariable) != "" || kept == (i%2 == 0) {
				jobs = append(jobs, job{order, kept})
			}
		}
	}
	came := race(t, bin, len(jobs), func(a *arena, i int) (string, []string) {
		what, wrong := a.play(jobs[i].order, jobs[i].kept, attachPoints, gcPoints)
		for n := range wrong {
			wrong[n] = fmt.Sprintf("order %v, kept mounted %v: %s", jobs[i].order, jobs[i].kept, wrong[n])
		}
		return what, wrong
	})
	if came["attached, kept"] == 0 || came["refused, collected"] == 0 || len(came) > 2 {
		t.Errorf("the orders came to %v", came)
	}
}

// race plays rounds in a few arenas at once, and counts what they came to.
func race(t *testing.T, bin string, rounds int, play func(a *arena, i int) (string, []string)) map[string]int {
	todo := make(chan int, rounds)
	for i := range rounds {
		todo <- i
	}
	close(todo)
	var mu sync.Mutex
	came := map[string]int{}
	var wg sync.WaitGroup
	began := time.Now()
	for n := range 4 {
		a := newArena(t, bin, n) // not in the goroutine: the kernel ends a container with its thread
		wg.Go(func() {
			for i := range todo {
				what, wrong := play(a, i)
				mu.Lock()
				came[what]++
				mu.Unlock()
				for _, w := range wrong {
					t.Error(w)
				}
			}
			a.reset()
		})
	}
	wg.Wait()
	t.Logf("%d rounds: %v (%.0f s)", rounds, came, time.Since(began).Seconds())
	return came
}

// The same without stops, at random times, and with larder run in the place of a container.
func TestMountAttachesRaceGC(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	bin := heldPrograms(t)
	rounds, _ := strconv.Atoi(os.Getenv(racesVariable))
	race(t, bin, max(rounds, 40), func(a *arena, i int) (string, []string) {
		a.reset()
		if i%2 == 0 {
			a.mount()
		}
		chance := rand.New(rand.NewPCG(1, uint64(i)))
		config := a.profile(a.doomed.String())
		ctx, cancel := context.WithTimeout(a.t.Context(), 30*time.Second)
		defer cancel()
		command, end := a.attach(config), func() {}
		if i%3 == 0 {
			command, end = a.run(config)
		}
		dir := a.path(fmt.Sprintf("points/%d", a.round))
		attach, gc := newActor(a.t, command, dir+"/attach", nil), newActor(a.t, a.gc(config), dir+"/gc", nil)
		first, second := attach, gc
		if chance.IntN(3) > 0 {
			first, second = gc, attach
		}
		first.start()
		time.Sleep(time.Duration(chance.Int64N(int64(30 * time.Millisecond))))
		second.start()
		gc.finish(ctx)
		end()
		attach.finish(ctx)
		if i%3 == 0 {
			return a.judgeRun(attach, gc)
		}
		return a.judge(attach, gc)
	})
}

// Whoever opens the image while gc holds the write lease waits for one rename, and then has the
// snapshot: gc asks again, and puts it back. The signal that the kernel sends to
// gc ends nothing.
func TestMountGCMeetsAnOpener(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	bin := heldPrograms(t)
	a := newArena(t, bin, 0)
	for _, point := range []string{"gc: lease granted", "gc: set aside"} {
		a.reset()
		gc := newActor(t, a.gc(a.profile("current")), a.path(fmt.Sprintf("points/%d", a.round)), []string{point})
		for gc.move(); gc.moving; {
			gc.move()
		}
		reader := exec.Command("sleep", "60")
		opened := make(chan error)
		go func() {
			f, err := os.Open(a.s.ImagePath(a.doomed))
			if err == nil {
				reader.Stdin = f
				err = errors.Join(reader.Start(), f.Close())
			}
			opened <- err
		}()
		if point == "gc: set aside" {
			if err := <-opened; !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("opened what is out of sight: %v", err)
			}
		} else {
			select {
			case err := <-opened:
				t.Errorf("opened while the lease was held: %v", err)
			case <-time.After(100 * time.Millisecond):
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		gc.finish(ctx)
		_, gone := os.Lstat(a.s.ImagePath(a.doomed))
		if gc.err != nil || (gone == nil) != (point == "gc: lease granted") {
			t.Errorf("%s: gc: %v, image: %v\n%s", point, gc.err, gone, &gc.said)
		}
		if point != "gc: lease granted" {
			continue
		}
		must(t, <-opened)
		if !strings.Contains(gc.said.String(), "in use: still mounted by somebody, or its image is open") {
			t.Errorf("gc says %s", &gc.said)
		}
		_ = reader.Process.Kill()
		_ = reader.Wait()
	}
}

// Who has a snapshot that stays is named, whatever it has of it.
func TestMountGCNamesWhoHasIt(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	bin := heldPrograms(t)
	a := newArena(t, bin, 0)
	kept := func(what, who string) {
		t.Helper()
		out, err := a.gc(a.profile("current")).CombinedOutput()
		if _, gone := os.Lstat(a.s.ImagePath(a.doomed)); err != nil || gone != nil || !strings.Contains(string(out), who) {
			t.Errorf("%s: %v, image: %v, want %q\n%s", what, err, gone, who, out)
		}
	}
	attach := func() {
		t.Helper()
		if out, err := a.attach(a.profile(a.doomed.String())).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	a.reset()
	attach()
	kept("a lease", "in use by container")
	must(t, a.s.DropLease(a.holder()))
	kept("a mount without a lease", fmt.Sprintf("process %d (sh) has it mounted", a.f.cmd.Process.Pid))

	// A directory that is held open where it was mounted, and nowhere else.
	a.f.sh(`exec 9<$R/home/a/.cache/pip; umount -l $R/home/a/.cache/pip; umount -l $R/mnt/cacache`)
	kept("a directory that is open", "still mounted by somebody")
	a.f.sh(`exec 9<&-`)

	a.reset()
	a.mount()
	loop := keep.Snapshot{ID: a.doomed.String(), Image: a.s.ImagePath(a.doomed), Objects: a.s.ObjectsDir()}
	tree, _, err := keep.Dir(keep.DefaultDir).Open(loop, overlay.Owner{}, overlay.AnyBacking)
	must(t, err)
	kept("a detached clone of what was kept mounted", "reads it")
	must(t, tree.Close())
	a.reset()
	out, err := a.gc(a.profile("current")).CombinedOutput()
	if _, gone := os.Lstat(a.s.ImagePath(a.doomed)); err != nil || gone == nil {
		t.Errorf("nobody has it: %v\n%s", err, out)
	}
}

// run is larder run, whose command reads every file of the snapshot after end was called.
func (a *arena) run(config string) (cmd *exec.Cmd, end func()) {
	var sums strings.Builder
	for path, content := range a.content {
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256([]byte(content)), path)
	}
	list, ended := a.path("sums"), a.path(fmt.Sprintf("ended-%d", a.round))
	must(a.t, os.WriteFile(list, []byte(sums.String()), 0o644))
	line := fmt.Sprintf(`until test -e %s; do sleep 0.01; done; cd "$LARDER_VIEW" && sha256sum --quiet -c %s`, ended, list)
	cmd = exec.Command(filepath.Join(a.bin, "larder"), "--store", a.s.Dir(), "--config", config, "run", "--required", "--snapshot", a.doomed.String(), "--", "sh", "-c", line)
	return cmd, func() { must(a.t, os.WriteFile(ended, nil, 0o644)) }
}

// judgeRun is judge for larder run, which has read its files, and left nothing.
func (a *arena) judgeRun(run, gc *actor) (came string, wrong []string) {
	var exit *exec.ExitError
	switch {
	case gc.err != nil:
		return "gc failed", []string{fmt.Sprintf("gc: %v: %s", gc.err, &gc.said)}
	case run.err == nil:
		came = "ran"
	case errors.As(run.err, &exit) && exit.ExitCode() == 125 && strings.Contains(run.said.String(), "larder: "):
		came = "run refused"
	default:
		wrong = append(wrong, fmt.Sprintf("run: %v: %s", run.err, &run.said))
	}
	if got := left(a.t, a.s.Dir()); got != "0 leases 0 instances 0 trash" {
		wrong = append(wrong, "left: "+got)
	}
	return came, wrong
}
