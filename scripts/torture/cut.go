//go:build linux && amd64

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// filesystem is one that a store may be on, and the least it can be made of.
type filesystem struct {
	name string
	size int64
	mkfs []string
}

var filesystems = []filesystem{
	{"ext4", 96 << 20, []string{"mkfs.ext4", "-q"}},
	{"xfs", 320 << 20, []string{"mkfs.xfs", "-q"}},
	{"btrfs", 160 << 20, []string{"mkfs.btrfs", "-q", "-M"}},
}

// acked is what a session had been told, from a mark in the log on.
type acked struct {
	at        int    // number of records before it
	step      string // what was acknowledged
	snapshots []string
	current   string
	leases    []string // of kept instances
}

// recording is a disk as it was at first, and what a session wrote to it.
type recording struct {
	filesystem
	base  string
	log   []record
	acked []acked
}

// steps are the session that is cut: each is acknowledged by its exit status.
func (w *world) steps() []step {
	return []step{
		{"build-first", w.build(1)},
		{"run-instance", w.larder("run", "--required", "--instance", w.path("inst", "kept"), "--", "sh", "-c", "echo mine > $HOME/.cache/pip/mine")},
		{"build-second", w.build(2)},
		{"build-third", w.build(3)},
		{"run", w.larder("run", "--required", "--", "sh", "-c", "ls $HOME/.cache/pip")},
		{"gc", w.larder("gc", "--keep", "1")},
		{"use", w.larder("use", w.ids[1])},
		{"build-fourth", w.build(4)},
	}
}

type step struct {
	name string
	invocation
}

func cuts(ctx context.Context, w *world) (cases []testCase, err error) {
	for _, fs := range filesystems {
		if name, _, ok := strings.Cut(w.only, ":"); ok && name != fs.name {
			continue
		}
		rec, err := w.record(ctx, fs)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", fs.name, err)
		}
		end := rec.acked[len(rec.acked)-1].at
		for n := rec.acked[0].at; n <= end; n++ {
			for _, mode := range lossModes {
				during := rec.between(n)
				cases = append(cases, testCase{group: fs.name + " " + during[1].step, name: fmt.Sprintf("%s: %s after %d of %d, during %s", fs.name, mode, n, end, during[1].step),
					play: func(ctx context.Context) ([]string, bool) { return w.playCut(ctx, rec, n, mode), true }})
			}
		}
	}
	return cases, nil
}

// between are what had been acknowledged after n records, and what was next.
func (rec *recording) between(n int) [2]acked {
	i := slices.IndexFunc(rec.acked, func(a acked) bool { return a.at > n })
	if i < 0 {
		i = len(rec.acked) - 1
	}
	return [2]acked{rec.acked[max(0, i-1)], rec.acked[i]}
}

// record plays the session on a new disk.
func (w *world) record(ctx context.Context, fs filesystem) (rec *recording, err error) {
	disk, log, point := filepath.Join(workDir, fs.name+".disk"), filepath.Join(workDir, fs.name+".log"), filepath.Join(workDir, fs.name+".fuse")
	rec = &recording{filesystem: fs, base: filepath.Join(workDir, fs.name+".base")}
	if err := errors.Join(os.WriteFile(disk, nil, 0o600), os.Truncate(disk, fs.size), os.Mkdir(point, 0o755)); err != nil {
		return nil, err
	}
	if err := command(ctx, append(fs.mkfs, disk)...); err != nil {
		return nil, err
	}
	if err := copySparse(ctx, disk, rec.base); err != nil {
		return nil, err
	}
	server := exec.Command(self, "logdisk", disk, log, point)
	server.Stderr = os.Stderr
	if err := start(server); err != nil {
		return nil, err
	}
	rec.acked, err = w.session(ctx, filepath.Join(point, "disk"))
	if err := errors.Join(err, unix.Unmount(point, 0), server.Wait()); err != nil {
		return nil, err
	}
	f, err := os.Open(log)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if rec.log, err = readLog(f); err != nil {
		return nil, err
	}
	var marks []int
	for i, r := range rec.log {
		if r.Event == marked {
			marks = append(marks, i)
		}
	}
	if len(marks) != len(rec.acked) {
		return nil, fmt.Errorf("%d of %d marks are in the log", len(marks), len(rec.acked))
	}
	for i, at := range marks {
		rec.acked[i].at = at
	}
	return rec, nil
}

// session mounts the logged disk as live and plays the steps. It marks in the log what has been
// acknowledged.
func (w *world) session(ctx context.Context, disk string) (all []acked, err error) {
	if err := w.mountLive(ctx, disk); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.unmountLive(ctx)) }()
	if err := errors.Join(os.Mkdir(w.path("home"), 0o755), os.Mkdir(w.path("inst"), 0o755), command(ctx, "sync", "-f", live)); err != nil {
		return nil, err
	}
	mark := func(step string) error {
		a := acked{step: step, snapshots: w.snapshots(), current: w.current()}
		if _, err := os.Stat(w.path("inst", "kept")); err == nil {
			a.leases = w.names("leases")
		}
		all = append(all, a)
		return unix.Setxattr(disk, "user.mark", nil, 0)
	}
	if err := mark("start"); err != nil {
		return nil, err
	}
	for _, s := range w.steps() {
		if r := w.do(ctx, s.invocation); r.code != 0 {
			return nil, fmt.Errorf("%s: %s", s.name, r)
		}
		if err := mark(s.name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// mountLive puts a disk in the place of live.
func (w *world) mountLive(ctx context.Context, disk string) error {
	if err := errors.Join(os.RemoveAll(live), os.Mkdir(live, 0o755)); err != nil {
		return err
	}
	return command(ctx, "mount", "-o", "loop", disk, live)
}

// unmountLive takes it away; whoever still uses it may need a moment to end.
func (w *world) unmountLive(ctx context.Context) (err error) {
	for range 50 {
		if err = command(ctx, "umount", live); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

func copySparse(ctx context.Context, from, to string) error {
	return command(ctx, "cp", "--sparse=always", from, to)
}

// playCut looks at the disk that a power cut leaves.
func (w *world) playCut(ctx context.Context, rec *recording, n int, mode string) (f found) {
	image := filepath.Join(workDir, "crashed")
	during := rec.between(n)
	if err := crashed(ctx, image, rec.base, crash(rec.log, n, mode, chance(w.seed, fmt.Sprint(rec.name, n, mode)))); err != nil {
		return found{err.Error()}
	}
	if err := w.mountLive(ctx, image); err != nil {
		f.add("the disk cannot be mounted, which is no fault of larder's: %v", err)
		return f
	}
	defer func() {
		if err := w.unmountLive(ctx); err != nil {
			f.add("%v", err)
		}
		if len(f) > 0 && w.keep != "" {
			_ = copySparse(ctx, image, filepath.Join(w.keep, fmt.Sprintf("%s-%s-%d", rec.name, mode, n)))
		}
	}()
	if err := w.ageLeases(); err != nil {
		f.add("%v", err)
	}
	w.survives(ctx, &f, during)
	return f
}

func crashed(ctx context.Context, image, base string, writes []record) error {
	if err := copySparse(ctx, base, image); err != nil {
		return err
	}
	d, err := os.OpenFile(image, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(replay(d, writes), d.Close())
}

// survives finds what does not hold on a disk that lost its power after the first of two
// acknowledgements, and before the second.
func (w *world) survives(ctx context.Context, f *found, during [2]acked) {
	has := w.snapshots()
	for _, id := range during[0].snapshots {
		if slices.Contains(during[1].snapshots, id) && !slices.Contains(has, id) {
			f.add("snapshot %.12s was acknowledged and is gone", id)
		}
	}
	for _, name := range during[0].leases {
		if _, err := os.Stat(w.store("leases", name)); err != nil {
			f.add("the lease of a kept instance is gone: %v", err)
		}
	}
	if cur := w.current(); cur != during[0].current && cur != during[1].current {
		f.add("current is %.12q, neither old nor new", cur)
	}
	f.verifies(ctx, w, "after the cut", during[0].current == "")
	if r := w.do(ctx, w.build(4)); r.code != 0 || w.current() != w.ids[4] {
		f.sane(r)
		f.add("the next build: %s, current %.12s", r, w.current())
	}
	if r := w.do(ctx, w.larder("gc", "--keep", "9")); r.code != 0 {
		f.add("the next gc: %s", r)
	}
	if left := w.leftovers(); len(left) > 0 {
		f.add("the next gc left %q", left)
	}
	f.verifies(ctx, w, "at the end", false)
}
