package image_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"

	"larder/snapshot"
	"larder/snapshot/image"
)

// A directory, imported, is in the image as it was: files with their content and whether they are
// programs, links, empty files and empty directories. Modes, owners and times make no difference
// otherwise.
func TestImport(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a/b/file": "text", "a/program": "#!/bin/sh\n", "empty": "", "same": "text"} {
		path := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, []byte(text), 0o600))
	}
	must(t, os.Chmod(filepath.Join(dir, "a/program"), 0o4711))
	must(t, os.Mkdir(filepath.Join(dir, "hollow"), 0o777))
	must(t, os.Symlink("../same", filepath.Join(dir, "a/link")))
	must(t, os.Symlink("/nowhere", filepath.Join(dir, "dangling")))

	store, err := snapshot.Create(filepath.Join(t.TempDir(), "store"))
	must(t, err)
	stage, err := store.Begin(t.Context())
	must(t, err)
	defer stage.Close()
	entries, err := image.Import(os.DirFS(dir), stage.Put)
	must(t, err)
	tree := image.NewTree()
	must(t, tree.Place("views/toy", entries))
	id, _, err := stage.Publish(func(f *os.File) error { return tree.Write(f) }, nil)
	must(t, err)
	img, err := image.OpenSnapshot(store, id)
	must(t, err)
	defer img.Close()

	type seen struct {
		Mode fs.FileMode
		Text string // or a link's target
	}
	got := map[string]seen{}
	must(t, img.Walk("views/toy", func(e image.Entry) error {
		s := seen{Mode: e.Mode, Text: e.Target}
		if e.Mode.IsRegular() {
			b, err := fs.ReadFile(img, e.Path)
			must(t, err)
			s.Text = string(b)
		}
		if e.MTime != snapshot.Epoch {
			t.Errorf("%s has time %d", e.Path, e.MTime)
		}
		got[e.Path] = s
		return nil
	}))
	want := map[string]seen{}
	for name, s := range map[string]seen{
		"": {fs.ModeDir | 0o755, ""}, "/a": {fs.ModeDir | 0o755, ""}, "/a/b": {fs.ModeDir | 0o755, ""}, "/hollow": {fs.ModeDir | 0o755, ""},
		"/a/b/file": {0o644, "text"}, "/same": {0o644, "text"}, "/empty": {0o644, ""}, "/a/program": {0o755, "#!/bin/sh\n"},
		"/a/link": {fs.ModeSymlink | 0o777, "../same"}, "/dangling": {fs.ModeSymlink | 0o777, "/nowhere"},
	} {
		want["views/toy"+name] = s
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("imported %v\nwant %v", got, want)
	}
}

// What is no file, link or directory is refused, and an error of the tree or of put ends the import.
func TestImportRefuses(t *testing.T) {
	dir := t.TempDir()
	must(t, unix.Mkfifo(filepath.Join(dir, "pipe"), 0o644))
	if _, err := image.Import(os.DirFS(dir), nil); !errors.Is(err, image.ErrRefused) {
		t.Errorf("a pipe: %v", err)
	}
	full := errors.New("full")
	_, err := image.Import(fstest.MapFS{"file": {}}, func(io.Reader, bool) (snapshot.Object, int64, error) { return snapshot.Object{}, 0, full })
	if !errors.Is(err, full) {
		t.Errorf("a full disk: %v", err)
	}
	if _, err := image.Import(os.DirFS(filepath.Join(dir, "absent")), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
