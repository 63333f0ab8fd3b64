package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"larder/builder"
	"larder/builder/pypi/pypitest"
	"larder/builder/pypi/source"
	"larder/snapshot"
)

// indexOf is a loopback index that pip is configured for.
func indexOf(t *testing.T, wheels ...pypitest.Wheel) (*pypitest.Index, map[snapshot.Digest][]byte) {
	t.Helper()
	x := pypitest.NewIndex(t, pypitest.Options{})
	bytes := map[snapshot.Digest][]byte{}
	for _, w := range wheels {
		x.AddFile(w.Name, pypitest.Artifact{Name: w.Filename(), Data: w.Bytes()})
		bytes[snapshot.Sum(w.Bytes())] = w.Bytes()
	}
	for name, value := range map[string]string{"PIP_CONFIG_FILE": os.DevNull, "PIP_INDEX_URL": x.URL(), "PIP_EXTRA_INDEX_URL": "",
		"PIP_CERT": "", "PIP_NO_CACHE_DIR": "1", "PIP_RETRIES": "0"} {
		t.Setenv(name, value)
	}
	return x, bytes
}

func TestResolve(t *testing.T) {
	links := t.TempDir()
	other := pypitest.Wheel{Name: "backend", Version: "9.0"}
	if err := os.WriteFile(filepath.Join(links, other.Filename()), other.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PIP_FIND_LINKS", links)
	newest := pypitest.Wheel{Name: "backend", Version: "2.0", Requires: []string{"needed", `never; python_version < "3"`}}
	x, _ := indexOf(t, newest, pypitest.Wheel{Name: "backend", Version: "1.0"}, pypitest.Wheel{Name: "needed", Version: "3.0"})
	x.AddFile("only-source", pypitest.Artifact{Name: "only-source-1.0.tar.gz", Data: []byte("x")})
	b := open(t, "python3", nil)
	chosen := func(requires, constraints []string) string {
		all, err := source.Resolve(b, t.Context(), requires, constraints)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, d := range all {
			names = append(names, d.Project+" "+d.Version)
		}
		return strings.Join(names, ", ")
	}
	if got := chosen([]string{"backend"}, nil); got != "backend 2.0, needed 3.0" {
		t.Errorf("chosen: %s", got)
	}
	if got := chosen([]string{"backend>=0.1"}, []string{"backend<2"}); got != "backend 1.0" {
		t.Errorf("constrained: %s", got)
	}
	all, err := source.Resolve(b, t.Context(), []string{"backend"}, nil)
	if err != nil || all[0].SHA256 != snapshot.Sum(newest.Bytes()) || all[0].Filename != newest.Filename() || !strings.HasSuffix(all[0].URL, newest.Filename()) {
		t.Errorf("%+v, %v", all, err)
	}
	for _, requires := range [][]string{{"missing"}, {"only-source"}, {"backend<2", "backend>=2"}} {
		_, err := source.Resolve(b, t.Context(), requires, nil)
		var f *source.Failure
		if !errors.As(err, &f) || f.Reason != source.MissingRequirement {
			t.Errorf("%v: %v", requires, err)
		}
	}
}

// An index that does not answer is no fault of a source.
func TestResolveSilence(t *testing.T) {
	x, _ := indexOf(t, pypitest.Wheel{Name: "backend"})
	b := open(t, "python3", nil)
	x.Fault("/simple/backend/", pypitest.Fault{Status: 503})
	_, err := source.Resolve(b, t.Context(), []string{"backend"}, nil)
	var f *source.Failure
	if !errors.Is(err, builder.ErrUnreachable) || errors.As(err, &f) {
		t.Errorf("503: %v", err)
	}
	t.Setenv("PIP_INDEX_URL", "http://user:secret@127.0.0.1:9/simple/")
	_, err = source.Resolve(b, t.Context(), []string{"backend"}, nil)
	if !errors.Is(err, builder.ErrUnreachable) || strings.Contains(err.Error(), "secret") {
		t.Errorf("nobody listens: %v", err)
	}
}

// An interpreter without a pip has the one that ensurepip brings; where there is none that can choose,
// the error says what to do.
func TestResolvePip(t *testing.T) {
	indexOf(t, pypitest.Wheel{Name: "backend"})
	dir := t.TempDir()
	if out, err := exec.Command("python3", "-m", "venv", "--without-pip", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b := open(t, "python3", func(c *source.Config) { c.Interpreter.Executable = filepath.Join(dir, "bin/python") })
	if all, err := source.Resolve(b, t.Context(), []string{"backend"}, nil); err != nil || len(all) != 1 {
		t.Errorf("with the pip of ensurepip: %v, %v", all, err)
	}
	old := filepath.Join(dir, "old")
	if err := os.WriteFile(old, []byte("#!/bin/sh\ncase \"$*\" in *report.json*) exit 90;; esac\nexec python3 \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	b = open(t, "python3", func(c *source.Config) { c.Interpreter.Executable = old })
	_, err := source.Resolve(b, t.Context(), []string{"backend"}, nil)
	var h interface{ Hint() string }
	if !errors.As(err, &h) || !strings.Contains(h.Hint(), "pip 22.2") {
		t.Errorf("without a pip: %v", err)
	}
}

// legacy is a setuptools whose back end runs Python for each of its hooks.
func legacy(version, ask, build string) pypitest.Wheel {
	return pypitest.Wheel{Name: "setuptools", Version: version, Files: []pypitest.File{
		{Path: "setuptools/__init__.py", Text: ""},
		{Path: "setuptools/pack.py", Text: backEnd + "pass\n"},
		{Path: "setuptools/build_meta.py", Text: fmt.Sprintf(`
from .pack import *
from importlib.metadata import version
class Legacy:
    def get_requires_for_build_wheel(self, settings=None):
        %s
    def build_wheel(self, out, settings=None, metadata=None):
        %s
__legacy__ = Legacy()
`, ask, build)}}}
}

// Sources that new releases of setuptools refuse are made with older ones, by a recipe that names
// what their back end asked for; the recipes that failed are told.
func TestMountLadder(t *testing.T) {
	const works = `return pack(out, {"a.py": version("wheel")})`
	_, wheels := indexOf(t, legacy("90.0", "raise ValueError('use_2to3 is invalid.')", works), legacy("80.0", "return []", "raise OSError('urlopen error: no ez_setup')"),
		legacy("57.0", "return ['wheel']", works), pypitest.Wheel{Name: "wheel", Version: "0.45.0"}, pypitest.Wheel{Name: "wheel", Version: "0.47.0"})
	b := open(t, "python3", func(c *source.Config) {
		c.Fetch = func(_ context.Context, d source.Dependency) (builder.Reader, int64, error) {
			b, ok := wheels[d.SHA256]
			if !ok {
				return nil, 0, os.ErrNotExist
			}
			return memory{bytes.NewReader(b)}, int64(len(b)), nil
		}
	})
	s := sourceOf(pack(t, map[string]string{"setup.py": ""}))
	var beside errgroup.Group
	beside.Go(func() error { // another build of the same source shares what was resolved and unpacked
		w, _, err := b.Build(t.Context(), s)
		if err != nil {
			return err
		}
		return w.Close()
	})
	w, attempts, err := b.Build(t.Context(), s)
	if err = errors.Join(err, beside.Wait()); err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var tried []string
	for _, a := range attempts {
		tried = append(tried, a.Recipe.Requires[0].Version+" "+a.Failure.Error())
	}
	if want := []string{"90.0 build-failed: ValueError: use_2to3 is invalid.", "80.0 needs-network: OSError: urlopen error: no ez_setup"}; !slices.Equal(tried, want) {
		t.Errorf("tried %q", tried)
	}
	if r := w.Recipe.Requires; len(r) != 2 || r[0].Version != "57.0" || r[1].Version != "0.45.0" {
		t.Errorf("requires %+v", r)
	}
}

type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }
