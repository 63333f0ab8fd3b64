//go:build linux && amd64

package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"larder/snapshot/image"
)

// sort is what can be done to a file.
type sort int

const (
	plainFile sort = iota
	imageFile
	link
	dir
	disk // a directory where a file system is mounted
)

// kind is what a file of the store is for.
type kind struct {
	name string
	path func(w *world) (string, error) // in the store
	sort sort
	// optional files may be in any state: nothing needs them, and nobody has to notice.
	optional bool
	// stocked: it is made of wheels, so the next build that needs it makes it again.
	stocked bool
}

func named(pattern string) func(*world) (string, error) {
	return func(w *world) (string, error) {
		found, err := filepath.Glob(w.store(pattern))
		if err != nil || len(found) == 0 {
			return "", fmt.Errorf("no %s in the template, %v", pattern, err)
		}
		return filepath.Rel(w.store(), found[0])
	}
}

func ofSnapshot(n int, name string) func(*world) (string, error) {
	return func(w *world) (string, error) { return filepath.Join("snapshots", w.ids[n], name), nil }
}

// holding is the file of leases that has the text.
func holding(text string) func(*world) (string, error) {
	return func(w *world) (string, error) {
		for _, name := range w.names("leases") {
			if b, err := os.ReadFile(w.store("leases", name)); err == nil && bytes.Contains(b, []byte(text)) {
				return filepath.Join("leases", name), nil
			}
		}
		return "", fmt.Errorf("no lease with %q in the template", text)
	}
}

// objectAt is the object of a file of the current snapshot: the first below root whose path has
// the text.
func objectAt(root, text string) func(*world) (string, error) {
	return func(w *world) (found string, err error) {
		img, err := image.Open(w.store("snapshots", w.ids[3], "image.erofs"), w.store("objects"))
		if err != nil {
			return "", err
		}
		defer img.Close()
		err = img.Walk(root, func(e image.Entry) error {
			if found == "" && e.Mode.IsRegular() && e.Size > 0 && strings.Contains(e.Path, text) {
				found = "objects/" + e.Object.Path()
			}
			return nil
		})
		if found == "" {
			err = fmt.Errorf("no %s below %s in the snapshot, %v", text, root, err)
		}
		return found, err
	}
}

var kinds = []kind{
	{name: "marker", path: named("store.json")},
	{name: "current", sort: link, path: named("current")},
	{name: "image of current", sort: imageFile, path: ofSnapshot(3, "image.erofs"), stocked: true},
	{name: "image of previous", sort: imageFile, path: ofSnapshot(2, "image.erofs")},
	{name: "image in use", sort: imageFile, path: ofSnapshot(1, "image.erofs")},
	{name: "published.json of current", path: ofSnapshot(3, "published.json")},
	{name: "published.json of previous", path: ofSnapshot(2, "published.json")},
	{name: "published.json in use", path: ofSnapshot(1, "published.json")},
	{name: "object of a wheel", path: objectAt("views/wheels", "alpha-2.0-py3-none-any.whl"), stocked: true},
	{name: "object of metadata", path: objectAt("l", "alpha-2.0.dist-info/METADATA"), stocked: true},
	{name: "object of a page", path: objectAt("views/simple", "alpha/index"), stocked: true},
	{name: "object of a layer", path: objectAt("l", "alpha/part1.py"), stocked: true},
	{name: "object of bytecode", path: objectAt("l", ".pyc"), stocked: true},
	{name: "object of a script", path: objectAt("l", "/bin/"), stocked: true},
	{name: "object of an entry", path: objectAt("views/pip/http-v2", ""), stocked: true},
	{name: "object of the manifest", path: objectAt("", "manifest.json"), stocked: true},
	{name: "lease of an instance", path: holding("instance:")},
	{name: "lease of a dead run", path: holding("larder-run-")},
	{name: "history", path: named("history.jsonl"), optional: true},
	{name: "misses", path: named("misses/*"), optional: true},
	{name: "page", path: named("pages/pages/*/*"), optional: true},
	{name: "ranking", path: named("rankings/*/*"), optional: true},
	{name: "holder.json", path: named("staging/holder.json"), optional: true},
	{name: "disk of the instance", path: func(*world) (string, error) { return "../inst", nil }, sort: disk, optional: true},
	{name: "directory of objects", path: named("objects"), sort: dir},
	{name: "directory of one object", path: func(w *world) (string, error) {
		o, err := objectAt("l", "alpha/part1.py")(w)
		return filepath.Dir(o), err
	}, sort: dir},
	{name: "directory of snapshots", path: named("snapshots"), sort: dir},
	{name: "directory of leases", path: named("leases"), sort: dir},
	{name: "directory of instances", path: named("instances"), sort: dir},
	{name: "staging", path: named("staging"), sort: dir},
	{name: "trash", path: named("trash"), sort: dir},
	{name: "directory of misses", path: named("misses"), sort: dir},
	{name: "directory of pages", path: named("pages"), sort: dir, optional: true},
	{name: "directory of rankings", path: named("rankings"), sort: dir, optional: true},
}

// form is a way to damage a file.
type form struct {
	name string
	do   func(path string, r *rand.Rand) error
	// sameSize: only who reads the file can notice. attributes: its bytes are what they were.
	sameSize, attributes bool
	sorts                []sort
}

var (
	files      = []sort{plainFile, imageFile, link}
	dirs       = []sort{dir, disk}
	everything = []sort{plainFile, imageFile, link, dir, disk}
)

var forms = []form{
	{name: "flip", do: flip, sameSize: true, sorts: files},
	{name: "flip again", do: flip, sameSize: true, sorts: []sort{imageFile}},
	{name: "flip once more", do: flip, sameSize: true, sorts: []sort{imageFile}},
	{name: "other name", sameSize: true, sorts: []sort{imageFile}, do: edit(func(b []byte) []byte {
		return bytes.ReplaceAll(b, []byte("part1.py"), []byte("part9.py"))
	})},
	{name: "zeros", sameSize: true, sorts: files, do: edit(func(b []byte) []byte { return make([]byte, len(b)) })},
	{name: "truncate", sorts: files, do: edit(func(b []byte) []byte { return b[:len(b)/2] })},
	{name: "empty", sorts: files, do: edit(func([]byte) []byte { return nil })},
	{name: "append", sorts: files, do: edit(func(b []byte) []byte { return append(b, "x\n"...) })},
	{name: "remove", sorts: everything, do: func(path string, _ *rand.Rand) error { return os.RemoveAll(path) }},
	{name: "unmounted", sorts: []sort{disk}, do: instead(func(path string) error { return os.Mkdir(path, 0o755) })},
	{name: "directory", sorts: files, do: instead(func(path string) error { return os.MkdirAll(filepath.Join(path, "x"), 0o755) })},
	{name: "file", sorts: dirs, do: instead(func(path string) error { return os.WriteFile(path, []byte("x\n"), 0o644) })},
	{name: "link", sorts: everything, do: instead(func(path string) error { return os.Symlink("/etc/hostname", path) })},
	{name: "link to its bytes", attributes: true, sorts: everything, do: func(path string, _ *rand.Rand) error {
		aside := live + "/moved"
		if err := os.Rename(path, aside); err != nil {
			return err
		}
		return os.Symlink(aside, path)
	}},
	{name: "fifo", sorts: everything, do: instead(func(path string) error { return unix.Mkfifo(path, 0o644) })},
	{name: "mode", attributes: true, sorts: []sort{plainFile, imageFile, dir, disk}, do: func(path string, _ *rand.Rand) error { return unix.Fchmodat(unix.AT_FDCWD, path, 0o777, 0) }},
	{name: "owner", attributes: true, sorts: everything, do: func(path string, _ *rand.Rand) error { return os.Lchown(path, 1000, 1000) }},
}

// edit changes the bytes of a file in its place. A link gets another target.
func edit(change func([]byte) []byte) func(string, *rand.Rand) error {
	return func(path string, _ *rand.Rand) error {
		if to, err := os.Readlink(path); err == nil {
			to = strings.ReplaceAll(string(change([]byte(to))), "\x00", "0")
			return instead(func(path string) error { return os.Symlink(strings.TrimSpace(to)+" ", path) })(path, nil)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, change(b), 0)
	}
}

func flip(path string, r *rand.Rand) error {
	return edit(func(b []byte) []byte {
		b[r.IntN(len(b))] ^= 1 << r.IntN(7)
		return b
	})(path, r)
}

func instead(make func(path string) error) func(string, *rand.Rand) error {
	return func(path string, _ *rand.Rand) error {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		return make(path)
	}
}

func damages(ctx context.Context, w *world) (cases []testCase, err error) {
	if err := w.load(ctx, "stocked"); err != nil {
		return nil, err
	}
	commands, err := w.damagedCommands(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range kinds {
		path, err := k.path(w)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.name, err)
		}
		for _, x := range forms {
			if !slices.Contains(x.sorts, k.sort) {
				continue
			}
			for _, c := range commands {
				d := damage{k, x, path}
				name := fmt.Sprintf("%s, %s: %s", k.name, x.name, c.name)
				cases = append(cases, testCase{group: k.name, name: name, play: func(ctx context.Context) ([]string, bool) {
					return w.playDamage(ctx, d, c, chance(w.seed, name)), true
				}})
			}
		}
	}
	return cases, nil
}

// damage is one, done to one file.
type damage struct {
	kind
	form
	path string
}

func (w *world) playDamage(ctx context.Context, d damage, c damagedCommand, r *rand.Rand) (f found) {
	in, err := w.begin(ctx, c.scenario)
	if err != nil {
		return found{err.Error()}
	}
	before := w.snapshots()
	if err := d.do(w.store(d.path), r); err != nil {
		return found{err.Error()}
	}
	got := w.do(ctx, in)
	f.sane(got)
	f.blameless(got)
	f.honest(w, got, c.done(w))
	if c.judge != nil {
		c.judge(ctx, w, &f, d, got, before)
	}
	if c.name != "unmount" {
		w.endContainer()
		w.do(ctx, w.larder("unmount", "--all"))
	}
	f.unmounted(w, "at the end")
	if len(f) == 0 {
		w.mended(ctx, &f, d)
	}
	return f
}

// mended puts the damaged file back and finds what the command took that it must not.
func (w *world) mended(ctx context.Context, f *found, d damage) {
	pristine, path := filepath.Join(template("stocked"), "store", d.path), w.store(d.path)
	if id, ok := strings.CutPrefix(d.path, "snapshots/"); ok && !slices.Contains(w.snapshots(), filepath.Dir(id)) {
		return // gc has taken it, and may
	}
	// A build or use may have made it another one, and whole.
	switched := d.kind.name == "current" && w.current() != w.ids[3] && slices.Contains(w.snapshots(), w.current())
	if info, err := os.Lstat(path); err == nil && !switched && (!info.IsDir() || d.kind.sort != dir) {
		_ = os.RemoveAll(path)
	}
	if !switched {
		if err := command(ctx, "cp", "-aT", pristine, path); err != nil {
			f.add("put back: %v", err)
		}
	}
	f.verifies(ctx, w, "with the damage undone", false)
}
