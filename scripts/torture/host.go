//go:build linux && amd64

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// condition is a state of the host in which a command has to find its way: it may fail, and say
// so, but no more.
type condition struct {
	name string
	disk *filesystem // that live is on; nil: the host's
	// come and pass begin and end it, around the command; pass may be nil.
	come func(context.Context, *world, *invocation) error
	pass func(context.Context, *world) error
	// harmless: the command has to do its work.
	harmless bool
}

// fewInodes has some hundred more than the store needs.
var fewInodes = filesystem{"ext4", 96 << 20, []string{"mkfs.ext4", "-q", "-N", "2048"}}

// conditions are a disk without room or inodes, or read-only; few descriptors; and a clock that
// was set. No process can have a clock of its own, so the store gets one: all times in it are two
// years later, as after a clock that was set back, or earlier.
func conditions() (list []condition) {
	for _, disk := range filesystems {
		for _, room := range []int64{0, 64 << 10, 1 << 20} {
			list = append(list, condition{name: fmt.Sprintf("%s with room for %d kB", disk.name, room>>10), disk: &disk, pass: empties,
				come: func(_ context.Context, w *world, _ *invocation) error { return w.fill(room) }})
		}
		list = append(list, condition{name: disk.name + " read-only", disk: &disk,
			come: func(ctx context.Context, _ *world, _ *invocation) error {
				return command(ctx, "mount", "-o", "remount,ro", live)
			},
			pass: func(ctx context.Context, _ *world) error { return command(ctx, "mount", "-o", "remount,rw", live) }})
	}
	for _, left := range []int{0, 3, 40} {
		list = append(list, condition{name: fmt.Sprintf("ext4 with %d inodes", left), disk: &fewInodes, pass: empties,
			come: func(_ context.Context, w *world, _ *invocation) error { return w.useInodes(left) }})
	}
	for _, files := range []int{12, 20, 40} {
		list = append(list, condition{name: fmt.Sprintf("%d open files", files), come: func(_ context.Context, _ *world, in *invocation) error {
			in.args = append([]string{"prlimit", fmt.Sprintf("--nofile=%d", files)}, in.args...)
			return nil
		}})
	}
	for years, name := range map[int]string{2: "clock set back", -2: "clock set ahead"} {
		list = append(list, condition{name: name, harmless: true,
			come: func(_ context.Context, w *world, _ *invocation) error { return w.shiftTimes(years) }})
	}
	return list
}

func hosts(ctx context.Context, w *world) (cases []testCase, err error) {
	for _, c := range conditions() {
		for _, s := range w.scenarios() {
			cases = append(cases, testCase{group: c.name, name: s.name + ": " + c.name,
				play: func(ctx context.Context) ([]string, bool) { return w.playHost(ctx, s, c), true }})
		}
	}
	return cases, nil
}

func (w *world) playHost(ctx context.Context, s scenario, c condition) (f found) {
	w.endContainer()
	begin := w.load
	if c.disk != nil {
		begin = func(ctx context.Context, from string) error { return w.loadDisk(ctx, *c.disk, from) }
		defer func() {
			if err := w.unmountLive(ctx); err != nil {
				f.add("%v", err)
			}
		}()
	}
	if err := begin(ctx, s.from); err != nil {
		return found{err.Error()}
	}
	in, err := s.prepare(ctx, w)
	if err == nil {
		err = c.come(ctx, w, &in)
	}
	if err != nil {
		return found{err.Error()}
	}
	r := w.do(ctx, in)
	judgeErrno(&f, w, s, fault{}, r, true)
	if err := s.done(w); c.harmless && (r.code != 0 || err != nil) {
		f.add("%s; %v", r, err)
	}
	if c.pass != nil {
		if err := c.pass(ctx, w); err != nil {
			f.add("%v", err)
		}
	}
	return append(f, w.recovers(ctx, s)...)
}

// loadDisk makes live a disk with what a template has.
func (w *world) loadDisk(ctx context.Context, disk filesystem, from string) error {
	image, base := filepath.Join(workDir, "small"), fmt.Sprintf("%s/small-%s-%d-%s", workDir, disk.name, len(disk.mkfs), from)
	if _, err := os.Stat(base); errors.Is(err, fs.ErrNotExist) {
		if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, disk.size)); err != nil {
			return err
		}
		if err := command(ctx, append(slices.Clone(disk.mkfs), image)...); err != nil {
			return err
		}
		if err := w.mountLive(ctx, image); err != nil {
			return err
		}
		if err := errors.Join(command(ctx, "cp", "-a", template(from)+"/.", live), w.unmountLive(ctx)); err != nil {
			return err
		}
		if err := os.Rename(image, base); err != nil {
			return err
		}
	}
	if err := copySparse(ctx, base, image); err != nil {
		return err
	}
	return w.mountLive(ctx, image)
}

// filler is what takes the room.
const filler = live + "/filler"

// empties gives the room back.
func empties(context.Context, *world) error { return os.RemoveAll(filler) }

// fill takes all room of live but some bytes.
func (w *world) fill(room int64) error {
	if err := os.Mkdir(filler, 0o700); err != nil {
		return err
	}
	spare := filepath.Join(filler, "spare")
	if err := allocate(spare, room); err != nil {
		return err
	}
	for n, size := 0, int64(64<<20); size >= 4096; n++ {
		if allocate(filepath.Join(filler, fmt.Sprint(n)), size) != nil {
			size /= 2
		}
	}
	return os.Remove(spare)
}

func allocate(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil || size == 0 {
		return errors.Join(err, f.Close())
	}
	return errors.Join(unix.Fallocate(int(f.Fd()), 0, 0, size), f.Close())
}

// useInodes takes all inodes of live but some.
func (w *world) useInodes(left int) error {
	if err := os.Mkdir(filler, 0o700); err != nil {
		return err
	}
	for n := 0; ; n++ {
		err := os.WriteFile(filepath.Join(filler, fmt.Sprint(n)), nil, 0o600)
		if errors.Is(err, unix.ENOSPC) {
			break
		}
		if err != nil {
			return err
		}
	}
	for n := range left {
		if err := os.Remove(filepath.Join(filler, fmt.Sprint(n))); err != nil {
			return err
		}
	}
	return nil
}

// publishedSum is the digest that published.json ends in. An older one has none, and is as good.
var publishedSum = regexp.MustCompile(`,"sha256":"[0-9a-f]{64}"}`)

var timestamp = regexp.MustCompile(`20\d\d-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)`)

// shiftTimes moves every time in the store, and of its files.
func (w *world) shiftTimes(years int) error {
	return filepath.WalkDir(w.store(), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if name := d.Name(); d.Type().IsRegular() && (filepath.Ext(name) == ".json" || filepath.Ext(name) == ".jsonl") {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			b = timestamp.ReplaceAllFunc(b, func(text []byte) []byte {
				at, err := time.Parse(time.RFC3339Nano, string(text))
				if err != nil {
					return text
				}
				return []byte(at.AddDate(years, 0, 0).Format(time.RFC3339Nano))
			})
			b = publishedSum.ReplaceAll(b, []byte("}"))
			if err := os.WriteFile(path, b, 0); err != nil {
				return err
			}
		}
		at := unix.NsecToTimespec(info.ModTime().AddDate(years, 0, 0).UnixNano())
		return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW)
	})
}
