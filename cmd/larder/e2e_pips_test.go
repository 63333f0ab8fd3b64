package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"larder/builder/pypi/pypitest"
)

// generation is a pip.
type generation struct {
	version string
	hashed  bool // looks among built wheels where hashes are required
	v2      bool // reads view pip, not pip-old
}

func (g generation) spec() string {
	if g.version == "" {
		return "pip"
	}
	return "pip==" + g.version
}

// generations are pips, one for each way of looking in the cache: 22.2 to 22.3.1 take no hash from
// JSON pages, 23.1 looks among built wheels where hashes are required, 23.3 keeps bodies beside the
// entries of downloads. "" is the newest.
var generations = []generation{{"21.3.1", false, false}, {"22.3.1", false, false}, {"23.0.1", false, false}, {"23.2.1", true, false}, {"25.3", true, true}, {"", true, true}}

// Every pip installs stocked wheels with the usual views without a download, and the wheel is not
// written: not into the cache of the container, not anywhere but where it is installed. What only
// the download cache answers, older pips find in the view that is there by name.
func TestE2EPipVersions(t *testing.T) {
	needE2E(t)
	t.Parallel()
	p := newProgram(t)
	python := p.python()
	x := pypitest.NewIndex(t, pypitest.Options{})
	base := baseLib("1.0+cpu")
	app := pypitest.Wheel{Name: "app", Version: "1.0", Requires: []string{"base-lib"}}
	lock, address := "", ""
	for _, w := range []pypitest.Wheel{base, app} {
		data := w.Bytes()
		href := x.AddFile(w.Name, pypitest.Artifact{Name: w.Filename(), Data: data})
		sum := fmt.Sprintf("%x", sha256.Sum256(data))
		lock += fmt.Sprintf("%s==%s --hash=sha256:%s\n", w.Name, w.Version, sum)
		if w.Name == base.Name {
			address = "base-lib @ " + strings.Replace(href, "+", "%2B", 1)
		}
	}
	pips := t.TempDir()
	for _, g := range generations {
		p.must(python, "-m", "pip", "install", "--quiet", "--no-deps", "--target", filepath.Join(pips, "v"+g.version), g.spec())
	}
	tox := filepath.Join(newVenv(t, locked{program: p, python: python}, filepath.Join(t.TempDir(), "tox"), "tox"), "bin", "tox")
	p = p.of(x)
	p.must("larder", "build", "--layers=false", "--ranking", p.file("ranking.txt", "app\nbase-lib\n"),
		"--view", "wheels", "--view", "pip", "--view", "pip-old", "--view", "simple")

	cases := []struct {
		name   string
		args   []string
		lacked func(g generation) bool // without pip-old
		wheels int
	}{
		{"name", []string{"install", "app"}, nil, 2},
		{"file", []string{"install", "-r", p.file("plain.txt", "app==1.0\nbase-lib>=1\n")}, nil, 2},
		{"hashed file", []string{"install", "-r", p.file("hashed.txt", lock)}, func(g generation) bool { return !g.hashed }, 2},
		{"address", []string{"install", address}, nil, 1},
		{"download", []string{"download", "app"}, func(g generation) bool { return !g.v2 }, 2},
	}
	for _, g := range generations {
		pip, err := filepath.Glob(filepath.Join(pips, "v"+g.version, "pip-*.dist-info"))
		if err != nil || len(pip) != 1 {
			t.Fatal(pip, err)
		}
		for _, c := range cases {
			lacked := c.lacked != nil && c.lacked(g)
			for _, old := range []bool{false, true} {
				if old && !lacked {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/pip-old=%t", strings.TrimSuffix(filepath.Base(pip[0]), ".dist-info"), c.name, old), func(t *testing.T) {
					p := &program{t, p.bin, append(slices.Clone(p.env), "PYTHONPATH="+filepath.Dir(pip[0]))}
					inst, to := filepath.Join(t.TempDir(), "inst"), filepath.Join(t.TempDir(), "to")
					run, want := []string{"run", "--required", "--instance", inst}, 0
					if old {
						run = append(run, "--view", "wheels", "--view", "pip", "--view", "pip-old")
					} else if lacked {
						want = c.wheels
					}
					into := map[string]string{"install": "--target", "download": "--dest"}[c.args[0]]
					x.Reset()
					out := p.must("larder", slices.Concat(run, []string{"--", python, "-m", "pip"}, c.args, []string{into, to})...)
					if got := len(x.Wheels()); got != want {
						t.Errorf("%d wheels downloaded, want %d\n%s", got, want, out)
					}
					if large := filesFrom(t, inst, 50_000); (len(large) > 0) != (want > 0) {
						t.Errorf("written into the cache: %q", large)
					}
					if files, err := os.ReadDir(to); err != nil || len(files) < c.wheels {
						t.Errorf("made: %v, %v", files, err)
					}
				})
			}
		}
	}
	p.ofSources(t, x, python, pips)
	// tox and virtualenv make an environment with the pip that they bring.
	t.Run("tox", func(t *testing.T) {
		p := &program{t, p.bin, append(slices.Clone(p.env), "VIRTUALENV_NO_PERIODIC_UPDATE=1")}
		inst, project := filepath.Join(t.TempDir(), "inst"), t.TempDir()
		ini := "[tox]\nenvlist = py\n[testenv]\nskip_install = true\ndeps = app\ncommands = python -c 'import app, base_lib'\n"
		if err := os.WriteFile(filepath.Join(project, "tox.ini"), []byte(ini), 0o644); err != nil {
			t.Fatal(err)
		}
		x.Reset()
		p.must("larder", "run", "--required", "--instance", inst, "--", tox, "--root", project)
		if wheels, large := x.Wheels(), filesFrom(t, inst, 50_000); len(wheels)+len(large) > 0 {
			t.Errorf("downloaded %v, written into the cache %q", wheels, large)
		}
	})
}

// ofSources has every pip install what was built from a source: without a download, without a build, and
// nothing is written into the cache. Older pips look there for nothing that has to have a hash.
func (p *program) ofSources(t *testing.T, x *pypitest.Index, python, pips string) {
	source := pypitest.Sdist{Name: "made-here", Version: "1.0", Requires: []string{"app"}}.Bytes(t)
	x.AddFile("made-here", pypitest.Artifact{Name: "made-here-1.0.tar.gz", Data: source})
	p.must("larder", "build", "--layers=false", "--sdists", "pure", "--ranking", p.file("sources.txt", "made-here\napp\nbase-lib\n"))
	hashed := p.file("source.txt", fmt.Sprintf("made-here==1.0 --hash=sha256:%x\n", sha256.Sum256(source)))
	for _, g := range generations {
		for name, args := range map[string][]string{"name": {"made-here"}, "hash": {"--no-deps", "-r", hashed}} {
			if g.hashed != (name == "hash") && g.version != "" { // the newest does both
				continue
			}
			t.Run("source/pip"+g.version+"/"+name, func(t *testing.T) {
				p := &program{t, p.bin, append(slices.Clone(p.env), "PYTHONPATH="+filepath.Join(pips, "v"+g.version))}
				inst, to := filepath.Join(t.TempDir(), "inst"), filepath.Join(t.TempDir(), "to")
				x.Reset()
				out := p.must("larder", slices.Concat([]string{"run", "--required", "--instance", inst, "--", python, "-m", "pip", "install", "--target", to}, args)...)
				for _, r := range x.Requests() {
					if strings.HasSuffix(r.Path, ".tar.gz") || strings.HasSuffix(r.Path, ".whl") {
						t.Errorf("%s\n%s", r.Path, out)
					}
				}
				if large := filesFrom(t, inst, 50_000); len(large) > 0 || strings.Contains(out, "Building wheel") {
					t.Errorf("written into the cache: %q\n%s", large, out)
				}
				if text, err := os.ReadFile(filepath.Join(to, "made_here.py")); err != nil || !strings.Contains(string(text), "1.0") {
					t.Errorf("%q, %v", text, err)
				}
			})
		}
	}
}

// baseLib is a wheel that is larger than any page.
func baseLib(version string) pypitest.Wheel {
	return pypitest.Wheel{Name: "base-lib", Version: version, Stored: true, Files: []pypitest.File{{Path: "base_lib/data", Text: strings.Repeat("0123456789abcdef", 1<<14)}}}
}

// of is the program with an index and no other.
func (p *program) of(x *pypitest.Index) *program {
	env := slices.DeleteFunc(slices.Clone(p.env), func(e string) bool {
		key, _, _ := strings.Cut(e, "=")
		return strings.HasPrefix(key, "PIP_") || strings.HasSuffix(strings.ToUpper(key), "_PROXY")
	})
	for _, e := range x.Env() {
		if strings.HasPrefix(e, "PIP_") {
			env = append(env, e)
		}
	}
	return &program{p.t, p.bin, append(env, "PYTHONDONTWRITEBYTECODE=1")}
}

// filesFrom are the files below a directory of that many bytes and more, and all wheels: pages are smaller.
func filesFrom(t *testing.T, dir string, least int64) (large []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if st, err := d.Info(); err == nil && st.Size() >= least || strings.HasSuffix(path, ".whl") {
				large = append(large, path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return large
}
