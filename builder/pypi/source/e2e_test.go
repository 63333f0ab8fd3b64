package source_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"larder/builder"
	"larder/builder/pypi/index"
	"larder/builder/pypi/source"
	"larder/snapshot"
	"larder/snapshot/pypi/pep440"
)

// releases is one of another back end than setuptools, whose sources are in TestE2ESdists of larder.
const releases = "idna==3.20"

// Real sources are built, and made again by another Builder from nothing but their recipe. To build
// others by hand, name them in LARDER_TEST_SOURCES; those with machine code are built in the root
// LARDER_TEST_ROOT, and may need LARDER_TEST_LIBRARIES.
func TestE2EBuild(t *testing.T) {
	if os.Getenv("LARDER_E2E") != "1" {
		t.Skip("needs the package index: set LARDER_E2E=1")
	}
	real := newIndexed(t)
	python := cmp.Or(os.Getenv("LARDER_TEST_PYTHON"), "python3")
	root := os.Getenv("LARDER_TEST_ROOT")
	with := func(fetch func(context.Context, source.Dependency) (builder.Reader, int64, error)) *source.Builder {
		return open(t, python, func(c *source.Config) {
			if c.Fetch = fetch; root != "" {
				c.System, c.Libraries = source.NewSystem(root), strings.Fields(os.Getenv("LARDER_TEST_LIBRARIES"))
			}
		})
	}
	first, second := with(real.fetch), with(real.fetchKnown)
	for _, release := range strings.Fields(cmp.Or(os.Getenv("LARDER_TEST_SOURCES"), releases)) {
		t.Run(release, func(t *testing.T) {
			started := time.Now()
			s := real.source(t, release)
			s.Native = root != ""
			fetched := time.Since(started)
			w, attempts, err := first.Build(t.Context(), s)
			for _, a := range attempts {
				t.Logf("tried: %v %s", a.Recipe.Requires, a.Failure)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			made := time.Since(started) - fetched
			recipe, err := source.ParseRecipe(w.Recipe.Encode())
			if err != nil {
				t.Fatal(err)
			}
			started = time.Now()
			again, err := second.Make(t.Context(), s, recipe)
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			if again.Digest != w.Digest {
				t.Errorf("%s, then %s", w.Digest, again.Digest)
			}
			t.Logf("table: %s | %s | %s | %.1f | %.1f", release, w.Filename, w.Digest.Short(), made.Seconds(), time.Since(started).Seconds())
		})
	}
}

// indexed is the configured index, with a cache of files by their digest.
type indexed struct {
	client *index.Client
	dir    string
}

func newIndexed(t *testing.T) *indexed {
	t.Helper()
	pip, err := index.FromPip(t.Context(), []string{"python3"})
	if err != nil {
		t.Fatal(err)
	}
	client, err := index.New(pip, index.Options{UserAgent: "larder-test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "larder-test", "sources")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return &indexed{client, dir}
}

// source is the archive of project==version.
func (x *indexed) source(t *testing.T, release string) source.Source {
	t.Helper()
	project, version, _ := strings.Cut(release, "==")
	note := filepath.Join(x.dir, release+".json")
	var f index.File
	if b, err := os.ReadFile(note); err != nil || json.Unmarshal(b, &f) != nil {
		f = x.find(t, project, version)
		b, _ := json.Marshal(f)
		if err := os.WriteFile(note, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	path, err := x.get(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := snapshot.ParseDigest(f.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return source.Source{Project: project, Version: version, Filename: f.Filename, Digest: digest,
		Open: func() (io.ReadCloser, error) { return os.Open(path) }}
}

func (x *indexed) find(t *testing.T, project, version string) index.File {
	t.Helper()
	page, err := x.client.Project(t.Context(), project)
	if err != nil {
		t.Fatal(err)
	}
	want, err := pep440.Parse(version)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range page.Files {
		for _, suffix := range []string{".tar.gz", ".tar.bz2", ".zip"} {
			stem, ok := strings.CutSuffix(f.Filename, suffix)
			if !ok || !strings.Contains(stem, "-") {
				continue
			}
			if v, err := pep440.Parse(stem[strings.LastIndex(stem, "-")+1:]); err == nil && v.Compare(want) == 0 {
				return f
			}
		}
	}
	t.Fatalf("the index has no source of %s %s", project, version)
	return index.File{}
}

// get has a file in the cache.
func (x *indexed) get(ctx context.Context, f index.File) (string, error) {
	path := filepath.Join(x.dir, f.SHA256)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	to, err := os.CreateTemp(x.dir, "download-*")
	if err != nil {
		return "", err
	}
	defer to.Close()
	defer os.Remove(to.Name()) // after the rename it is not there
	if _, err := x.client.Fetch(ctx, f, sink{to}); err != nil {
		return "", err
	}
	return path, os.Rename(to.Name(), path)
}

type sink struct{ *os.File }

func (s sink) Truncate() error {
	if err := s.File.Truncate(0); err != nil {
		return err
	}
	_, err := s.Seek(0, io.SeekStart)
	return err
}

func (x *indexed) fetch(ctx context.Context, d source.Dependency) (builder.Reader, int64, error) {
	path, err := x.get(ctx, index.File{Filename: d.Filename, URL: d.URL, SHA256: d.SHA256.String(), Size: -1})
	if err != nil {
		return nil, 0, err
	}
	return openFile(path)
}

// fetchKnown has what was fetched before, as a store's pool has it.
func (x *indexed) fetchKnown(_ context.Context, d source.Dependency) (builder.Reader, int64, error) {
	if d.URL != "" {
		return nil, 0, fmt.Errorf("the recipe names %s", d.URL)
	}
	return openFile(filepath.Join(x.dir, d.SHA256.String()))
}

func openFile(path string) (builder.Reader, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	return f, info.Size(), err
}
