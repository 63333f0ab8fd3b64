package builder_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"larder/builder"
	"larder/builder/toytest"
	"larder/snapshot"
)

// An environment may have its layers elsewhere than at its root, one of them twice, and files of its own.
func TestToyPlaced(t *testing.T) {
	toy := newToy(t)
	in := func(line, at string) string { return strings.TrimSuffix(line, "\n") + " in:" + at + "\n" }
	one := toytest.Pack(t, toy.index, "one", "1.0", map[string]string{"a.txt": "one\n", "sub/two/old.txt": "old\n", "sub/kept.txt": "kept\n"})
	two := toytest.Pack(t, toy.index, "two", "2.0", map[string]string{"b.txt": "two\n", "x": "#!/bin/sh\n"})
	text := []string{in(one, "p/one"), in(two, "p/one/sub/two"), in(two, "two")}
	lock := toy.lock(text...)
	first := toy.must(lock)
	img := toy.open(first)
	m, err := img.Manifest()
	if err != nil || len(m.Environments) != 1 || len(m.Environments[0].Places) != 3 || len(m.Environments[0].Own) != 3 {
		t.Fatalf("%+v, %v", m, err)
	}
	digest := snapshot.Sum([]byte(strings.Join(text, ""))).String()
	env, err := img.ReadLink(snapshot.NoBuilt.ByLock("toy", digest))
	if err != nil {
		t.Fatal(err)
	}
	env = strings.TrimLeft(env, "./")
	if want := snapshot.MergedPath(m.Environments[0].ID); env != want {
		t.Errorf("it is at %s, not %s", env, want)
	}
	for path, want := range map[string]string{
		"p/one/a.txt": "one\n", "p/one/sub/kept.txt": "kept\n", "p/one/sub/two/b.txt": "two\n", "two/x": "#!/bin/sh\n", "LOCK": strings.Join(text, ""), "first/a.txt": "one\n",
	} {
		if got, err := fs.ReadFile(img, env+"/"+path); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v, want %q", path, got, err, want)
		}
	}
	for _, path := range []string{"p/one/sub/two/old.txt", "none", "a.txt"} {
		if _, err := img.Lstat(env + "/" + path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there: %v", path, err)
		}
	}
	// The layer by itself is what it was.
	if got, err := fs.ReadFile(img, "by-name/toy/one/1.0/sub/two/old.txt"); err != nil || string(got) != "old\n" {
		t.Errorf("%q, %v", got, err)
	}
	if again := toy.must(lock); again.Snapshot != first.Snapshot {
		t.Error("the same lock makes another snapshot")
	}

	// Other places of the same layers are another environment; the same ones are found by no stack.
	other := toy.lock(in(one, "one"), in(two, "two"))
	third := toy.lock(in(toytest.Pack(t, toy.index, "three", "3.0", map[string]string{"c.txt": "three\n"}), "three"))
	second := toy.must(lock, other, third)
	img = toy.open(second)
	want := &snapshot.Requirements{Digest: "ff", Pins: []snapshot.Pin{{Name: "one", Digests: strings.Fields(one)[2:3]}, {Name: "no", Digests: []string{"aa"}}}, Places: []snapshot.Place{{Path: "x"}}}
	if found, err := snapshot.FindEnvironment(img, "toy", snapshot.NoBuilt, want); err != nil || len(found.Lowers) > 0 || len(found.Missing) != 1 {
		t.Errorf("%+v, %v", found, err)
	}
	if m, err = img.Manifest(); err != nil || len(m.Environments) != 3 || m.Environments[0].ID == m.Environments[1].ID {
		t.Errorf("%+v, %v", m.Environments, err)
	}

	// What a manifest says is enough to make them again, for repair and without one of the packages.
	cfg := toy.config()
	object, _, ok := img.Object(env + "/p/one/a.txt")
	if !ok {
		t.Fatal("the first environment is not in the second snapshot")
	}
	path := filepath.Join(toy.store.ObjectsDir(), object.Path())
	if err := errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, []byte("bad\n"), 0o644), os.Chmod(path, 0o444)); err != nil {
		t.Fatal(err)
	}
	if _, err := builder.Repair(t.Context(), cfg); err != nil {
		t.Errorf("repair: %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "one\n" {
		t.Errorf("after repair: %q, %v", b, err)
	}
	r, err := builder.Revoke(t.Context(), cfg, snapshot.Denial{Project: "three", Reason: "test"}, false)
	if err != nil || !slices.Equal(r.Environments, []string{"toy.lock for toy, which needs three 3.0"}) {
		t.Fatalf("%+v, %v", r, err)
	}
	left := toy.open(&builder.Report{Snapshot: r.Snapshot})
	now, err := left.Manifest()
	if err != nil || len(now.Environments) != 2 {
		t.Fatalf("%+v, %v", now.Environments, err)
	}
	for _, e := range now.Environments {
		if !slices.ContainsFunc(m.Environments, func(old snapshot.ManifestEnvironment) bool { return reflect.DeepEqual(old, e) }) {
			t.Errorf("another environment: %+v", e)
		}
		if _, err := fs.Stat(left, snapshot.MergedPath(e.ID)+"/first/a.txt"); err != nil {
			t.Error(err)
		}
	}
	if len(toy.warnings) > 0 {
		t.Errorf("%q", toy.warnings)
	}
}

// An environment whose own file is damaged cannot be made again without its lock, and is named; with the lock
// it can.
func TestToyPlacedDamaged(t *testing.T) {
	toy := newToy(t)
	line := strings.TrimSuffix(toytest.Pack(t, toy.index, "one", "1.0", map[string]string{"a.txt": "one\n"}), "\n") + " in:one\n"
	other := toytest.Pack(t, toy.index, "two", "1.0", map[string]string{"b.txt": "two\n"})
	lock, gone := toy.lock(line), toy.lock(other)
	img := toy.open(toy.must(lock, gone))
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(m.Environments, func(e snapshot.ManifestEnvironment) bool { return len(e.Own) > 0 })
	object, _, _ := img.Object(snapshot.MergedPath(m.Environments[at].ID) + "/LOCK")
	path := filepath.Join(toy.store.ObjectsDir(), object.Path())
	if err := errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, []byte(strings.Repeat("x", len(line))), 0o644), os.Chmod(path, 0o444)); err != nil {
		t.Fatal(err)
	}
	r, err := builder.Revoke(t.Context(), toy.config(), snapshot.Denial{Project: "two"}, false)
	if err != nil || len(r.Environments) != 2 || !strings.Contains(r.Environments[0], "toy.lock for toy: its own file LOCK is damaged: larder build --lock makes it anew") {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := toy.build(lock); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != line {
		t.Errorf("%q, %v", b, err)
	}
}

// The image of a snapshot with files of an environment's own is made again of the manifest and the pool, where nothing
// is left of it, too.
func TestToyPlacedImage(t *testing.T) {
	toy := newToy(t)
	one := toytest.Pack(t, toy.index, "one", "1.0", map[string]string{"a.txt": "one\n"})
	toy.must(toy.lock(strings.TrimSuffix(one, "\n") + " in:one\n"))
	id, err := toy.store.Current()
	if err != nil {
		t.Fatal(err)
	}
	path := toy.store.ImagePath(id)
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func() error{
		"missing":   func() error { return os.Remove(path) },
		"truncated": func() error { return errors.Join(os.Chmod(path, 0o644), os.Truncate(path, 100)) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		_, err := builder.Repair(t.Context(), toy.config())
		if got, rerr := os.ReadFile(path); err != nil || rerr != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v, %v, %d bytes of %d; %q", name, err, rerr, len(got), len(want), toy.warnings)
		}
	}
}

// An environment may be mounted at several directories, each with a part of it. The manifest knows them.
func TestToyParts(t *testing.T) {
	toy := newToy(t)
	in := func(line, at string) string { return strings.TrimSuffix(line, "\n") + " in:" + at + "\n" }
	one := toytest.Pack(t, toy.index, "one", "1.0", map[string]string{"a.txt": "one\n"})
	two := toytest.Pack(t, toy.index, "two", "2.0", map[string]string{"b.txt": "two\n"})
	three := toytest.Pack(t, toy.index, "three", "3.0", map[string]string{"c.txt": "three\n"})
	lock := toy.lock("at box\n", "at p/a/box\n", in(one, "0/one"), in(two, "1/two"))
	elsewhere, plain := toy.lock("at box\n", "at p/b/box\n", in(one, "0/one"), in(two, "1/two")), toy.lock(in(three, "three"))
	r := toy.must(lock, elsewhere, plain)
	m, err := toy.open(r).Manifest()
	if err != nil || len(m.Environments) != 3 {
		t.Fatalf("%+v, %v", m, err)
	}
	revoked, err := builder.Revoke(t.Context(), toy.config(), snapshot.Denial{Project: "three", Reason: "test"}, false)
	if err != nil {
		t.Fatal(err)
	}
	left := toy.open(&builder.Report{Snapshot: revoked.Snapshot})
	now, err := left.Manifest()
	if err != nil || len(now.Environments) != 2 || now.Environments[0].ID == now.Environments[1].ID {
		t.Fatalf("%+v, %v", now.Environments, err)
	}
	for _, e := range now.Environments {
		if len(e.Mounts) != 2 || e.Mounts[0] != "box" || !slices.ContainsFunc(m.Environments, func(old snapshot.ManifestEnvironment) bool { return reflect.DeepEqual(old, e) }) {
			t.Errorf("another environment: %+v", e)
		}
		env := snapshot.MergedPath(e.ID)
		for path, want := range map[string]string{"0/one/a.txt": "one\n", "1/two/b.txt": "two\n"} {
			if got, err := fs.ReadFile(left, env+"/"+path); err != nil || string(got) != want {
				t.Errorf("%s: %q, %v", path, got, err)
			}
		}
		if to, err := left.ReadLink(env + "/0/out"); err != nil || to != "../nowhere" {
			t.Errorf("a link out of a part leads to %q, %v", to, err)
		}
		if _, err := left.Lstat(env + "/1/none"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a link to nothing is there: %v", err)
		}
	}
}
