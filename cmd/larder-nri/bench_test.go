package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/keep"
	"larder/snapshot"
)

// BenchmarkNRI times what a runtime waits for at StartContainer, in random order, each time with a
// container that runc has created: for a pod that asks; for one that does not, which is the cost of
// NRI itself; and with the bare calls in a row, on a thread of the benchmark's own: to enter the
// container's namespace, to make one overlay and a clone for the view, and to attach both. The
// snapshot is kept mounted. The machine's noise only ever adds, so the lower decile is what
// is compared.
//
//	LARDER_E2E=1 go test ./cmd/larder-nri -run '^$' -bench NRI -benchtime 100x
func BenchmarkNRI(b *testing.B) {
	e := newEngine(b)
	for _, d := range []string{"home/alice/.cache/pip", "mnt/cacache"} {
		must(b, os.MkdirAll(filepath.Join(e.rootfs, d), 0o755))
	}
	tree := e.kept(b)
	e.start("")
	took := map[string][]float64{}
	n := 0
	one := func(kind string) {
		n++
		c := e.create(fmt.Sprint("c", n), ":", func(s *specs.Spec) { s.Process.Env = append(s.Process.Env, "HOME=/home/alice") })
		var spent time.Duration
		var err error
		switch kind {
		case "bare":
			spent = e.bare(int(c.Pid), tree, filepath.Join(e.dir, "bare-"+strconv.Itoa(n)))
		case "silent":
			asked := e.pod.Annotations
			e.pod.Annotations = nil
			spent, err = c.tell()
			e.pod.Annotations = asked
		default:
			spent, err = c.tell()
		}
		must(b, err)
		took[kind] = append(took[kind], float64(spent.Microseconds()))
		c.remove()
	}
	kinds := []string{"bare", "silent", "asks"}
	for _, k := range kinds {
		one(k) // warms the caches
	}
	clear(took)
	for b.Loop() {
		for _, k := range rand.Perm(len(kinds)) {
			one(kinds[k])
		}
	}
	decile := map[string]float64{}
	for _, k := range kinds {
		slices.Sort(took[k])
		decile[k] = took[k][len(took[k])/10]
		b.ReportMetric(decile[k], k+"-p10-µs")
		b.ReportMetric(took[k][len(took[k])/2], k+"-p50-µs")
	}
	b.ReportMetric((decile["asks"]-decile["silent"])/decile["bare"], "attach/bare")
	b.ReportMetric(decile["asks"]/decile["bare"], "asks/bare")
	b.ReportMetric(0, "ns/op") // of a sum of three, nobody's figure
	b.Logf("%s", e.log)
}

// kept keeps the current snapshot mounted, and opens it.
func (e *engine) kept(b *testing.B) *os.File {
	s, err := snapshot.Open(e.store)
	must(b, err)
	id, err := s.Current()
	must(b, err)
	image := keep.Snapshot{ID: id.String(), Image: s.ImagePath(id), Objects: s.ObjectsDir()}
	run := keep.Dir(keep.DefaultDir)
	must(b, run.Mount(b.Context(), image))
	b.Cleanup(func() { must(b, run.Unmount(context.Background(), id.String(), s.ObjectsDir())) })
	tree, _, err := run.Open(image, overlay.Owner{}, overlay.AnyBacking)
	must(b, err)
	return tree
}

// bare makes and attaches the same mounts without a check, a lease or a note, and says how long it
// took.
func (e *engine) bare(pid int, tree *os.File, dir string) time.Duration {
	for _, d := range []string{"", "/u", "/w"} {
		must(e.t, os.Mkdir(dir+d, 0o755))
	}
	done := make(chan time.Duration)
	var failed error
	go func() {
		runtime.LockOSThread()
		begin := time.Now()
		failed = bareCalls(pid, int(tree.Fd()), dir)
		done <- time.Since(begin)
	}()
	spent := <-done
	must(e.t, failed)
	return spent
}

func bareCalls(pid, tree int, dir string) error {
	fs, _ := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	_ = unix.FsconfigSetString(fs, "source", "bench")
	for _, l := range []string{"views/pip", "views/wheels"} {
		fd, _ := unix.Openat(tree, l, unix.O_PATH|unix.O_DIRECTORY, 0)
		_ = unix.FsconfigSetFd(fs, "lowerdir+", fd)
		defer unix.Close(fd)
	}
	for option, d := range map[string]string{"upperdir": "/u", "workdir": "/w"} {
		fd, _ := unix.Open(dir+d, unix.O_PATH|unix.O_DIRECTORY, 0)
		_ = unix.FsconfigSetFd(fs, option, fd)
		defer unix.Close(fd)
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return fmt.Errorf("overlay: %w", err)
	}
	upper, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOSUID)
	if err != nil {
		return fmt.Errorf("fsmount: %w", err)
	}
	view, err := unix.OpenTree(tree, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return fmt.Errorf("open_tree: %w", err)
	}
	pidfd, _ := unix.PidfdOpen(pid, 0)
	_ = unix.Unshare(unix.CLONE_FS)
	if err := unix.Setns(pidfd, unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("setns: %w", err)
	}
	for path, m := range map[string]int{"/home/alice/.cache/pip": upper, "/mnt/cacache": view} {
		at, _ := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY, 0)
		if err := unix.MoveMount(m, "", at, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH); err != nil {
			return fmt.Errorf("move_mount: %w", err)
		}
		unix.Close(at)
		unix.Close(m)
	}
	unix.Close(fs)
	unix.Close(pidfd)
	return nil
}
