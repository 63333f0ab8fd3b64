package uvcache

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/snapshot/image"
)

const (
	oldID, oldArchive = "HM0NxJml5hc7UjbfTWT1r", "6yPYwZUjLslGxAbx1DJg8"
	source            = "1111111111111111111111111111111111111111111111111111111111111111"
	wheelText         = "a wheel"
)

var stoodIn = standIn{source: Source{source, 203}, digest: strings.Repeat("2", 64), size: padding + 700}

// revision is the pointer of a source as uvs write it: the newest with a size.
func revision(id, digest string, size []byte) string {
	return "\x93\xb5" + id + "\x91\x81\xa6Sha256\xd9@" + digest + string(size) + "policy"
}

// madeSource is a cache as a uv leaves it, of one wheel that it built. The project has the name of what is
// taken out.
func madeSource(t *testing.T, id, archive, pointer string) string {
	t.Helper()
	dir := t.TempDir()
	version := "sdists-v9/index/0123456789abcdef/src/1.0/"
	for name, text := range map[string]string{
		"CACHEDIR.TAG": "tag", ".gitignore": "*", "archive-v0/" + archive + "/src.py": "code", "simple-v19/index/0123456789abcdef/src.rkyv": "page",
		"sdists-v9/.git": "", "sdists-v9/.gitignore": "*", "sdists-v9/.tmpAbc/setup.py": "half", version + ".lock": "", version + revisionName: pointer,
		version + id + "/src/pyproject.toml": "x", version + id + "/metadata.msgpack": "m", version + id + "/1.0-py3-none-any.lock": "",
		version + id + "/src-1.0-py3-none-any.whl": wheelText, version + "anotherAttempt00/src/pyproject.toml": "x",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "archive-v0", archive), filepath.Join(dir, version+id, "src-1.0-py3-none-any")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func heldSource() contents {
	return contents{map[string]bool{fmt.Sprintf("%x", sha256.Sum256([]byte(wheelText))): true}, []standIn{{digest: strings.Repeat("3", 64)}, stoodIn}}
}

// Two caches that differ in what is random are the same afterwards. What stood in for the source has left
// no trace, and the source's own digest and size are in its place.
func TestTidySources(t *testing.T) {
	size := msgpack(stoodIn.size)
	var trees [][]image.Entry
	for i, archive := range []string{oldArchive, "eaYgZW2cC7QZZIxlzKFqG"} {
		id := []string{oldID, "QM0NxJml5hc7UjbfTWT1r"}[i]
		dir := madeSource(t, id, archive, revision(id, stoodIn.digest, size))
		if err := tidy(dir, "uv 1", heldSource()); err != nil {
			t.Fatal(err)
		}
		version := filepath.Join(dir, "sdists-v9/index/0123456789abcdef/src/1.0")
		name := nameOf("revision", source, len(id))
		pointer, err := os.ReadFile(filepath.Join(version, revisionName))
		if want := revision(name, source, []byte{0xce, 0, 0, 0, 203}); err != nil || string(pointer) != want {
			t.Errorf("%q, %v, want %q", pointer, err, want)
		}
		if _, err := os.Stat(filepath.Join(version, name, "src-1.0-py3-none-any/src.py")); err != nil {
			t.Error("the link is broken:", err)
		}
		entries, err := image.Import(os.DirFS(dir), put)
		if err != nil {
			t.Fatal(err)
		}
		trees = append(trees, entries)
	}
	if len(trees[0]) != len(trees[1]) {
		t.Fatalf("%v\n%v", trees[0], trees[1])
	}
	for i, e := range trees[0] {
		if e != trees[1][i] {
			t.Errorf("%v is not %v", e, trees[1][i])
		}
		for _, gone := range []string{".lock", "/1.0/" + oldID, "/src/pyproject.toml", "anotherAttempt", ".tmp"} {
			if strings.Contains(e.Path, gone) {
				t.Errorf("%s is still there", e.Path)
			}
		}
	}
	common, of := Split(trees[0])
	if len(common) != 4 || len(of) != 1 || len(of["src"]) != 6 {
		t.Errorf("common %v, of projects %v", common, of)
	}
}

func TestTidySourcesRefuses(t *testing.T) {
	right := revision(oldID, stoodIn.digest, nil)
	another := heldSource()
	another.wheels = map[string]bool{digest: true}
	noPointer := madeSource(t, oldID, oldArchive, right)
	if err := os.Remove(filepath.Join(noPointer, "sdists-v9/index/0123456789abcdef/src/1.0", revisionName)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, dir string
		held      contents
	}{
		{"no digest", madeSource(t, oldID, oldArchive, oldID), heldSource()},
		{"another digest", madeSource(t, oldID, oldArchive, revision(oldID, digest, nil)), heldSource()},
		{"no name", madeSource(t, oldID, oldArchive, stoodIn.digest), heldSource()},
		{"a short name", madeSource(t, "short", oldArchive, revision("short", stoodIn.digest, nil)), heldSource()},
		{"another wheel", madeSource(t, oldID, oldArchive, right), another},
		{"no pointer", noPointer, heldSource()},
	} {
		var form *errForm
		if err := tidy(c.dir, "uv 1", c.held); !errors.As(err, &form) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// What a uv could not build leaves nothing.
func TestTidySourcesFailed(t *testing.T) {
	dir := madeSource(t, oldID, oldArchive, revision(oldID, stoodIn.digest, nil))
	version := filepath.Join(dir, "sdists-v9/index/0123456789abcdef/src/1.0")
	if err := os.Remove(filepath.Join(version, oldID, "src-1.0-py3-none-any")); err != nil {
		t.Fatal(err)
	}
	var form *errForm
	if err := tidy(dir, "uv 1", heldSource()); !errors.As(err, &form) || !strings.Contains(err.Error(), "no unpacked wheel") {
		t.Error(err)
	}
	if _, err := os.Stat(version); err == nil {
		t.Error("it is still there")
	}
}

func TestExchange(t *testing.T) {
	far := strings.Repeat("x", 40) + string(msgpack(stoodIn.size)) // no size of its own, but a number elsewhere
	for _, c := range []struct {
		size   int64
		before string
		after  string
	}{
		{203, string(msgpack(stoodIn.size)), "\xce\x00\x00\x00\xcb"},
		{203, "\xa4size" + string(msgpack(stoodIn.size)), "\xa4size\xce\x00\x00\x00\xcb"},
		{477_000_000, string(msgpack(stoodIn.size)), "\xce\x1c\x6e\x71\x40"},
		{0, string(msgpack(stoodIn.size)), string(msgpack(stoodIn.size))},
		{203, far, far},
		{203, "", ""},
	} {
		s := stoodIn
		s.source.Size = c.size
		got := s.exchange([]byte("id" + stoodIn.digest + c.before))
		if want := []byte("id" + source + c.after); !bytes.Equal(got, want) {
			t.Errorf("%d: %q, want %q", c.size, got, want)
		}
	}
}
