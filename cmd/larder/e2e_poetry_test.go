package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"larder/builder/pypi/pypitest"
)

// Poetry installs stocked wheels without a download, where it is given its view by name: a lock's, and
// a wheel that is named by its address. The environment that it makes beside its cache stays.
func TestE2EPoetry(t *testing.T) {
	needE2E(t)
	t.Parallel()
	public := newProgram(t)
	python := public.python()
	x := pypitest.NewIndex(t, pypitest.Options{})
	p := public.of(x)
	base := baseLib("1.0+cpu")
	href := x.AddFile(base.Name, pypitest.Artifact{Name: base.Filename(), Data: base.Bytes()})
	for _, w := range []pypitest.Wheel{{Name: "app", Version: "1.0", Requires: []string{"base-lib"}}, {Name: "late", Version: "1.0"}} {
		x.AddFile(w.Name, pypitest.Artifact{Name: w.Filename(), Data: w.Bytes()})
	}
	p.must("larder", "build", "--layers=false", "--ranking", p.file("ranking.txt", "app\nbase-lib\n"))
	simple := slices.IndexFunc(p.env, func(e string) bool { return strings.HasPrefix(e, "PIP_INDEX_URL=") })
	source := fmt.Sprintf("\n[[tool.poetry.source]]\nname = \"here\"\nurl = %q\npriority = \"primary\"\n", strings.TrimPrefix(p.env[simple], "PIP_INDEX_URL="))

	for _, version := range []string{"1.8.5", ""} {
		spec := strings.TrimSuffix("poetry=="+version, "==")
		poetry := filepath.Join(newVenv(t, locked{program: public, python: python}, filepath.Join(t.TempDir(), "poetry"), spec), "bin", "poetry")
		for _, c := range []struct{ name, needs string }{
			{"lock", `app = "*"`},
			{"address", fmt.Sprintf("base-lib = {url = %q}", strings.Replace(href, "+", "%2B", 1))},
		} {
			t.Run(spec+"/"+c.name, func(t *testing.T) {
				dir, inst := p.poetryProject(poetry, c.needs+source), filepath.Join(t.TempDir(), "inst")
				x.Reset()
				out := p.must("larder", "run", "--required", "--view", "poetry", "--instance", inst, "--",
					"sh", "-euc", `cd "$0"; "$1" install --no-root --no-interaction; "$1" run python -c 'import base_lib'`, dir, poetry)
				if wheels, written := x.Wheels(), filesFrom(t, filepath.Join(inst, "poetry"), 1); len(wheels)+len(written) > 0 {
					t.Errorf("downloaded %v, written into the cache %q\n%s", wheels, written, out)
				}
				// The mount is gone, what Poetry made beside it is there.
				p.must("sh", "-euc", `cd "$0"; "$1" run python -c 'import base_lib'`, dir, poetry)
			})
		}
		t.Run(spec+"/miss", func(t *testing.T) {
			dir := p.poetryProject(poetry, `late = "*"`+source)
			p.must("larder", "run", "--required", "--view", "poetry", "--", "sh", "-euc", `cd "$0"; "$1" install --no-root --no-interaction`, dir, poetry)
			p.must("larder", "gc")
			if got := p.must("larder", "rank", "--source", "misses"); !strings.Contains(got, "late") {
				t.Errorf("misses:\n%s", got)
			}
		})
	}
}

// poetryProject is the directory of a project that is locked, with nothing left of it in Poetry's cache.
func (p *program) poetryProject(poetry, needs string) (dir string) {
	p.t.Helper()
	dir = filepath.Dir(p.file("pyproject.toml", "[tool.poetry]\nname = \"p\"\nversion = \"1\"\ndescription = \"\"\nauthors = []\npackage-mode = false\n[tool.poetry.dependencies]\npython = \"*\"\n"+needs))
	p.must("sh", "-euc", `cd "$0"; "$1" lock --no-interaction; rm -rf ~/.cache/pypoetry/artifacts`, dir, poetry)
	return dir
}
