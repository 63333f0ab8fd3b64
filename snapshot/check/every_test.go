package check

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"larder/snapshot"
	"larder/snapshot/image"
)

// everyStore is a small store with every kind of file that there is.
func everyStore(t *testing.T) *snapshot.Store {
	t.Helper()
	s := newStore(t)
	for _, version := range []string{"1.0", "2.0"} {
		st, err := s.Begin(t.Context())
		must(t, err)
		tree := image.NewTree()
		m, err := (&snapshot.Manifest{}).Encode()
		must(t, err)
		for path, text := range map[string]string{
			"l/aaaaaaaaaaaa/lib/one.py": "print(" + version + ")\n", "l/aaaaaaaaaaaa/bin/one": "#!/bin/sh\n",
			"views/simple/one/index.html": "<a href=one>", "views/simple/+files/one.whl": "PK",
			"targets/t.json": "{}\n", snapshot.ManifestPath: string(m),
		} {
			o, err := st.PutBytes([]byte(text), strings.Contains(path, "/bin/"))
			must(t, err)
			must(t, tree.File(path, o, int64(len(text)), snapshot.Epoch))
		}
		must(t, tree.Symlink("by-name/t/one/"+version, "../../../l/aaaaaaaaaaaa"))
		_, _, err = st.Publish(func(w *os.File) error { return tree.Write(w) }, map[string]string{"t": "/usr/bin/python3"})
		must(t, err)
		must(t, st.Close())
	}
	cur, err := s.Current()
	must(t, err)
	must(t, s.AcquireLease(snapshot.Lease{Container: "c", Snapshot: cur, PID: os.Getpid(), Time: time.Now()}))
	must(t, os.MkdirAll(s.InstanceDir("c")+"/u", 0o700))
	must(t, os.WriteFile(s.HistoryPath(), []byte("{}\n"), 0o600))
	must(t, os.Mkdir(s.PagesDir(), 0o700))
	must(t, os.Mkdir(s.RecipesDir(), 0o700))
	must(t, os.Mkdir(s.RankingsDir(), 0o700))
	must(t, s.AddFirsts("toy", []snapshot.First{{Name: "a", SHA256: cur}}))
	must(t, os.WriteFile(filepath.Join(s.MissesDir(), "2026-01-01.jsonl"), nil, 0o600))
	return s
}

// aside is where a directory lies that gone took out of the store.
func aside(s *snapshot.Store) string { return s.Dir() + "~aside" }

// gone takes a path out of the store: a directory whole.
func gone(t *testing.T, s *snapshot.Store, path string) {
	t.Helper()
	if fi, err := os.Lstat(path); err == nil && fi.IsDir() {
		must(t, os.Rename(path, aside(s)))
		return
	}
	must(t, os.Remove(path))
}

// saved puts back what lay at a path.
func saved(t *testing.T, s *snapshot.Store, path string) (restore func()) {
	t.Helper()
	fi, err := os.Lstat(path)
	must(t, err)
	switch {
	case fi.IsDir():
		return func() {
			if _, err := os.Lstat(aside(s)); err == nil {
				must(t, os.RemoveAll(path))
				must(t, os.Rename(aside(s), path))
			}
			must(t, os.Chmod(path, fi.Mode()))
		}
	case fi.Mode().IsRegular():
		b, err := os.ReadFile(path)
		must(t, err)
		return func() {
			must(t, os.RemoveAll(path))
			must(t, os.WriteFile(path, b, 0o600))
			must(t, os.Chmod(path, fi.Mode()))
		}
	}
	to, err := os.Readlink(path)
	must(t, err)
	return func() { must(t, os.RemoveAll(path)); must(t, os.Symlink(to, path)) }
}

// found says whether a check names a path as damaged, with what mends it. A store that cannot be
// opened names its marker.
func found(t *testing.T, dir, path string, full bool) bool {
	t.Helper()
	s, err := snapshot.Open(dir)
	if err != nil {
		var hinted interface{ Hint() string }
		return strings.HasSuffix(path, "store.json") && errors.As(err, &hinted) && hinted.Hint() != ""
	}
	rel := strings.TrimPrefix(path, dir+"/")
	for _, f := range run(t, s, full).Findings {
		if f.Path == rel && !f.Harmless && f.Fix != "" && f.Detail != "" {
			return true
		}
	}
	return false
}

// Whatever is done to any file that a snapshot needs, it is found and named with what mends it: each
// byte of small files, one of 61 of the images, every length but some, every other kind of file.
// Quick sees all but bytes of objects.
func TestEveryDamageIsFound(t *testing.T) {
	s := everyStore(t)
	n := 0
	try := func(what, path string, quick bool, damage func()) {
		t.Helper()
		restore := saved(t, s, path)
		damage()
		if !found(t, s.Dir(), path, true) {
			t.Errorf("%s %s: nobody noticed", path, what)
		}
		if quick != found(t, s.Dir(), path, false) {
			t.Errorf("%s %s: quick: %t", path, what, !quick)
		}
		restore()
		n++
	}
	for path, bytewise := range everyFile(t, s) {
		fi, err := os.Lstat(path)
		must(t, err)
		object := strings.HasPrefix(path, s.ObjectsDir()+"/") && fi.Mode().IsRegular()
		if bytewise > 0 {
			for off := int64(0); off < fi.Size(); off += bytewise {
				try(fmt.Sprint("byte ", off), path, !object, func() { flipBit(t, path, off) })
			}
			for _, size := range []int64{0, fi.Size() / 2, fi.Size() - 1, fi.Size() + 1} {
				try(fmt.Sprint("of size ", size), path, true, func() { truncate(t, path, size) })
			}
		}
		if !optional(s, path) {
			try("missing", path, true, func() { gone(t, s, path) })
		}
		if fi.Mode().Type() != fs.ModeSymlink {
			try("with another mode", path, true, func() { must(t, os.Chmod(path, fi.Mode().Perm()^0o001)) })
			try("as a link", path, true, func() { gone(t, s, path); must(t, os.Symlink("/etc/hostname", path)) })
		}
		if !fi.IsDir() {
			try("as a directory", path, true, func() { gone(t, s, path); must(t, os.Mkdir(path, fi.Mode().Perm())) })
		}
		try("as a pipe", path, true, func() { gone(t, s, path); must(t, unix.Mkfifo(path, uint32(fi.Mode().Perm()))) })
	}
	if r := run(t, s, true); len(r.Findings) != 0 || n < 500 {
		t.Errorf("%d damages; put back: %v", n, r.Findings)
	}
}

// optional: a store may be without it.
func optional(s *snapshot.Store, path string) bool {
	for _, e := range s.Optional() {
		if e.Path == path {
			return true
		}
	}
	return filepath.Dir(path) == filepath.Dir(s.SnapshotDir(snapshot.ID{})) // a snapshot
}

// everyFile are the files and directories that have to be right, each with the step in which its
// bytes are changed; 0 for those whose bytes are nobody's promise.
func everyFile(t *testing.T, s *snapshot.Store) map[string]int64 {
	t.Helper()
	files := map[string]int64{s.MarkerPath(): 1, s.CurrentPath(): 0}
	for _, e := range append(s.Layout(), s.Optional()...) {
		if name := filepath.Base(e.Path); len(name) != 2 || name == "00" || name == "ff" { // of the pool's 256, two
			files[e.Path] += 0
		}
	}
	for _, path := range must1(filepath.Glob(s.ObjectsDir() + "/*/*")) {
		files[path] = 1
	}
	all, err := s.List()
	must(t, err)
	for _, p := range all {
		files[s.ImagePath(p.ID)], files[s.PublishedPath(p.ID)] = 61, 1
	}
	if len(files) < 25 {
		t.Errorf("only %d files", len(files))
	}
	return files
}

func flipBit(t *testing.T, path string, off int64) {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	fi, err := os.Stat(path)
	must(t, err)
	b[off] ^= 1 << (off % 8)
	must(t, os.Chmod(path, 0o600))
	must(t, os.WriteFile(path, b, 0o600))
	must(t, os.Chmod(path, fi.Mode()))
}

// The link that decides leads to a snapshot, byte for byte.
func TestEveryByteOfCurrent(t *testing.T) {
	s := everyStore(t)
	path := s.CurrentPath()
	to, err := os.Readlink(path)
	must(t, err)
	for i := range to {
		b := bytes.Clone([]byte(to))
		b[i] ^= 1
		must(t, os.Remove(path))
		must(t, os.Symlink(string(b), path))
		if !found(t, s.Dir(), path, false) {
			t.Errorf("current -> %q: nobody noticed", b)
		}
	}
}

// What is there and should not be is named, wherever a snapshot's files lie.
func TestEveryExtraFileIsNamed(t *testing.T) {
	s := everyStore(t)
	cur, err := s.Current()
	must(t, err)
	for _, dir := range []string{s.ObjectsDir(), s.ObjectsDir() + "/00", filepath.Dir(s.SnapshotDir(cur)), s.SnapshotDir(cur), filepath.Dir(s.LeasePath("x"))} {
		path := filepath.Join(dir, "extra")
		must(t, os.WriteFile(path, []byte("x"), 0o600))
		r := run(t, s, false)
		if len(r.Findings) != 1 || filepath.Join(s.Dir(), r.Findings[0].Path) != path || r.Findings[0].Fix == "" {
			t.Errorf("%s: %+v", path, r.Findings)
		}
		must(t, os.Remove(path))
	}
}
