package index_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"larder/builder/pypi/index"
	"larder/builder/pypi/pypitest"
)

func openCache(t *testing.T, dir string, max int64) index.Options {
	t.Helper()
	cache, err := index.OpenPageCache(dir, max)
	if err != nil {
		t.Fatal(err)
	}
	o := quick
	o.Cache = cache
	return o
}

// entries are the files of cached pages.
func entries(t *testing.T, dir string) (paths []string, bytes int64) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "pages"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			info, _ := d.Info()
			paths, bytes = append(paths, path), bytes+info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths, bytes
}

func TestPageCache(t *testing.T) {
	for name, o := range map[string]pypitest.Options{"json": {}, "html": {HTMLOnly: true}, "gzip": {Gzip: true}} {
		t.Run(name, func(t *testing.T) {
			s := pypitest.NewIndex(t, o)
			add(s, "demo", "1.0")
			dir := t.TempDir()
			read := func() (files, status int, bytes int64) {
				t.Helper()
				s.Reset()
				// A new client each time: as the next weekly run.
				p, err := client(t, s, openCache(t, dir, 0)).Project(t.Context(), "demo")
				if err != nil {
					t.Fatal(err)
				}
				r := s.Requests()
				return len(p.Files), r[len(r)-1].Status, r[len(r)-1].Bytes
			}
			if n, status, _ := read(); n != 1 || status != 200 {
				t.Fatal(n, status)
			}
			if n, status, bytes := read(); n != 1 || status != 304 || bytes != 0 {
				t.Fatal(n, status, bytes)
			}
			add(s, "demo", "2.0")
			if n, status, _ := read(); n != 2 || status != 200 {
				t.Fatal(n, status)
			}
			if n, status, _ := read(); n != 2 || status != 304 {
				t.Fatal(n, status)
			}
			paths, _ := entries(t, dir)
			if len(paths) != 1 {
				t.Fatal(paths)
			}
			// Damage of every kind reads as a miss (B81).
			whole, err := os.ReadFile(paths[0])
			if err != nil {
				t.Fatal(err)
			}
			for what, b := range map[string]string{
				"empty": "", "cut": string(whole[:len(whole)-5]), "flipped": strings.Replace(string(whole), "demo", "dema", 1), "no head": "{}\nx", "no json": "hello",
				"only the head": strings.SplitAfter(string(whole), "\n")[0], "long line": strings.Repeat("x", 1<<20),
			} {
				if err := os.WriteFile(paths[0], []byte(b), 0o600); err != nil {
					t.Fatal(err)
				}
				if n, status, _ := read(); n != 2 || status != 200 {
					t.Errorf("%s: %d files, status %d", what, n, status)
				}
			}
			for _, path := range paths {
				if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("mode %v, %v", info.Mode(), err)
				}
			}
		})
	}
}

// TestNotCached: no validator, or a query that may be a secret.
func TestNotCached(t *testing.T) {
	dir := t.TempDir()
	s := pypitest.NewIndex(t, pypitest.Options{Mirror: true})
	add(s, "demo", "1.0")
	if _, err := client(t, s, openCache(t, dir, 0)).Project(t.Context(), "demo"); err != nil {
		t.Fatal(err)
	}
	s = pypitest.NewIndex(t, pypitest.Options{})
	add(s, "demo", "1.0")
	s.Fault(s.PagePath("demo"), pypitest.Fault{Redirect: "?token=x", Times: 1})
	if _, err := client(t, s, openCache(t, dir, 0)).Project(t.Context(), "demo"); err != nil {
		t.Fatal(err)
	}
	s.Fault(s.PagePath("demo"), pypitest.Fault{Flip: true})
	client(t, s, openCache(t, dir, 0)).Project(t.Context(), "demo") // a page that cannot be read
	if paths, _ := entries(t, dir); len(paths) > 0 {
		b, _ := os.ReadFile(paths[0])
		t.Fatalf("%v\n%s", paths, b)
	}
}

func TestPageCacheBound(t *testing.T) {
	dir := t.TempDir()
	s := pypitest.NewIndex(t, pypitest.Options{})
	const max = 20_000
	c := client(t, s, openCache(t, dir, max))
	for i := range 60 {
		name := fmt.Sprintf("demo%02d", i)
		add(s, name, "1.0", "1.1")
		if _, err := c.Project(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		// Times with a second between them, whatever the file system keeps.
		paths, bytes := entries(t, dir)
		for _, p := range paths {
			if info, err := os.Stat(p); err == nil && time.Since(info.ModTime()) < time.Minute {
				at := time.Now().Add(time.Duration(i-1000) * time.Minute)
				os.Chtimes(p, at, at)
			}
		}
		if bytes > max {
			t.Fatalf("%d bytes after %d pages", bytes, i+1)
		}
	}
	if _, bytes := entries(t, dir); bytes < max/2 {
		t.Fatalf("only %d bytes kept", bytes)
	}
	s.Reset()
	for _, name := range []string{"demo59", "demo00"} {
		if _, err := c.Project(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if r := s.Requests(); r[0].Status != 304 || r[1].Status != 200 {
		t.Fatalf("newest %d, oldest %d", r[0].Status, r[1].Status)
	}
}

func TestSizesRemembered(t *testing.T) {
	dir := t.TempDir()
	s := pypitest.NewIndex(t, pypitest.Options{Mirror: true})
	add(s, "demo", "1.0", "2.0")
	for round := range 2 {
		c := client(t, s, openCache(t, dir, 0))
		p, err := c.Project(t.Context(), "demo")
		if err != nil {
			t.Fatal(err)
		}
		s.Reset()
		for _, f := range p.Files {
			if n, err := c.Size(t.Context(), f); err != nil || n == 0 {
				t.Fatal(n, err)
			}
		}
		if n := len(s.Requests()); n != 2-2*round {
			t.Fatalf("round %d: %d requests", round, n)
		}
		// A torn last line and rubbish are passed over.
		f, err := os.OpenFile(filepath.Join(dir, "sizes"), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(f, "rubbish\n", strings.Repeat("a", 64), " -1\n", strings.Repeat("a", 64), " 5")
		f.Close()
	}
}

// TestSharedCache: two clients at once, each with its own opening of one place.
func TestSharedCache(t *testing.T) {
	dir := t.TempDir()
	s := pypitest.NewIndex(t, pypitest.Options{})
	for i := range 10 {
		add(s, fmt.Sprintf("demo%d", i), "1.0")
	}
	var wg sync.WaitGroup
	for range 4 {
		c := client(t, s, openCache(t, dir, 8000))
		for i := range 10 {
			wg.Go(func() {
				if p, err := c.Project(t.Context(), fmt.Sprintf("demo%d", i)); err != nil || len(p.Files) != 1 {
					t.Error(p, err)
				}
			})
		}
	}
	wg.Wait()
}

func TestOpenPageCacheError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := index.OpenPageCache(filepath.Join(file, "below"), 0); err == nil || !strings.Contains(err.Error(), "open page cache: ") {
		t.Fatal(err)
	}
}
