//go:build linux

package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// surveyPython prints everything importlib.metadata says of what is installed.
const surveyPython = `
import importlib.metadata as m, json
def dist(d):
    files = d.files or []
    return {
        "version": d.version, "requires": sorted(d.requires or []), "installer": d.read_text("INSTALLER").strip(),
        "entry_points": sorted("%s:%s=%s" % (e.group, e.name, e.value) for e in d.entry_points),
        "files": sorted(str(f) for f in files if f.name != "REQUESTED"), "lacking": sorted(str(f) for f in files if not f.locate().is_file()),
    }
print(json.dumps({d.metadata["Name"]: dist(d) for d in m.distributions()}, sort_keys=True, indent=1))
`

// toolsLock has what tools trip over: namespace packages, headers, a .pth file,
// scripts, data files, extension modules, and releases to upgrade from.
var toolsLock = []string{"flask==3.0.3", "click==8.1.7", "requests", "zope.interface", "zope.event", "greenlet", "setuptools", "pyyaml", "numpy", "jupyter-core", "pytest"}

// The tools of an installed environment say of a mounted one what they say of
// one that the same pip installed from the same lock, and change it as they
// would that one; the snapshot does not change.
func TestE2ETools(t *testing.T) {
	needE2E(t)
	t.Parallel()
	m := newLocked(t, toolsLock...)
	uv := newVenv(t, m, filepath.Join(t.TempDir(), "uv"), "uv")
	m.program = m.with("SURVEY="+surveyPython, "UV="+filepath.Join(uv, "bin", "uv"), "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_ROOT_USER_ACTION=ignore")
	pip := strings.TrimPrefix(strings.TrimSpace(m.run(t, "pip --version | cut -d' ' -f2")), "pip ")
	plain := newVenv(t, m, filepath.Join(t.TempDir(), "plain"), "pip=="+pip, "-r"+m.lock)
	id := m.must("larder", "ls")

	// An environment of the program's own, and one that was there before.
	existing := newVenv(t, m, filepath.Join(t.TempDir(), "existing"), "pip=="+pip)
	for name, where := range map[string][]string{"private": nil, "venv": {"--venv", existing}} {
		t.Run(name, func(t *testing.T) {
			t.Run("same", func(t *testing.T) { sameAsInstalled(t, m, plain, where) })
			for _, c := range changes {
				t.Run(c.name, func(t *testing.T) {
					out := m.run(t, no+c.script, where...)
					if !strings.HasSuffix(out, "\nas wanted\n") {
						t.Errorf("printed %s", out)
					}
				})
			}
		})
	}
	if list := m.must(filepath.Join(existing, "bin", "python"), "-m", "pip", "list", "--format=freeze"); strings.Count(list, "\n") > 2 {
		t.Errorf("the virtual environment's own directory has now:\n%s", list)
	}
	m.must("larder", "verify", "--full")
	if after := m.must("larder", "ls"); after != id {
		t.Errorf("the snapshots are\n%s, were\n%s", after, id)
	}
}

// newVenv makes a virtual environment and lets pip install into it.
func newVenv(t *testing.T, m locked, dir string, packages ...string) string {
	t.Helper()
	p := &program{t, m.bin, m.env}
	p.must(m.python, "-m", "venv", dir)
	pip := []string{filepath.Join(dir, "bin", "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"}
	// Interpreters before 3.12 put setuptools there.
	p.must(pip[0], append(pip[1:], "uninstall", "--yes", "setuptools")...)
	for _, what := range packages {
		p.must(pip[0], append(slices.Clone(pip[1:]), "install", what)...)
	}
	return dir
}

// sameAsInstalled compares what tools print in the mounted environment with what
// they print in the one pip installed.
func sameAsInstalled(t *testing.T, m locked, plain string, where []string) {
	venv := filepath.Dir(strings.TrimSpace(m.run(t, "dirname $(command -v python)", where...)))
	for _, script := range []string{
		"pip check",
		"pip list --format=json",
		"pip freeze --all",
		"pip inspect | python -c 'import json, sys; print(json.dumps(sorted([i[\"metadata\"] for i in json.load(sys.stdin)[\"installed\"]], key=lambda m: m[\"name\"]), indent=1, sort_keys=True))'",
		"pip show -f $(pip list --format=freeze | cut -d= -f1 | sort) | grep -vE '^Location:|/REQUESTED$'",
		`python -c "$SURVEY"`,
		`"$UV" --quiet pip list --format=json`,
		`"$UV" --quiet pip check`,
		`"$UV" --quiet pip freeze`,
		`for p in flask pytest jupyter f2py normalizer; do $p --version 2>&1 | head -n 1 || true; done`,
		`ls bin`,
		"find lib/python3*/site-packages share include -type f | grep -v REQUESTED | sort",
	} {
		p := &program{t, m.bin, append(slices.Clone(m.env), "VIRTUAL_ENV="+plain, "PATH="+filepath.Join(plain, "bin")+":"+pathOf(m))}
		want := p.must("sh", "-euc", `cd "$0"; `+script, plain)
		got := m.run(t, `cd "$VIRTUAL_ENV"; `+script, where...)
		if script == "ls bin" { // the scripts that activate an environment, and pip's other names
			got, want = commands(got), commands(want)
		}
		if got != want {
			t.Errorf("%s:\n%s", script, lineDiff(strings.ReplaceAll(want, plain, venv), got))
		}
		if strings.TrimSpace(got) == "" && !strings.HasSuffix(script, "pip check") {
			t.Errorf("%s: printed nothing", script)
		}
	}
}

func commands(list string) string {
	lines := slices.DeleteFunc(strings.Fields(list), func(s string) bool {
		return strings.HasPrefix(s, "activate") || s == "Activate.ps1" || strings.HasPrefix(s, "python")
	})
	return strings.Join(lines, "\n")
}

// lineDiff is the lines that only one of two texts has.
func lineDiff(want, got string) string {
	a, b := slices.Collect(strings.Lines(want)), slices.Collect(strings.Lines(got))
	var out strings.Builder
	for _, l := range a {
		if !slices.Contains(b, l) {
			out.WriteString("- " + l)
		}
	}
	for _, l := range b {
		if !slices.Contains(a, l) {
			out.WriteString("+ " + l)
		}
	}
	return clip(out.String())
}

func pathOf(m locked) string {
	return strings.TrimSpace(m.must("sh", "-c", "echo $PATH"))
}

// no is a shell function for what has to fail: set -e passes over a "!".
const no = `no() { if "$@" 2>/dev/null; then echo "did not fail: $*" >&2; exit 1; fi; }
`

// changes are made each in an environment of its own; each script checks what
// it did, and that the rest is whole.
var changes = []struct{ name, script string }{
	// An edit of the same size first: only the time tells it from the mounted file.
	{"edit", `
		f=$(python -c 'import click; print(click.__file__)')
		sed -i "s/^__version__ = .*/__version__ = '8.1.0'/" "$f"
		python -c 'import click; assert click.__version__ == "8.1.0"'
		echo 'edited = 2' >>"$f"; python -c 'import click; assert click.edited == 2'
		printf 'edited = 33\n' >"$f"; python -c 'import click; assert click.edited == 33'
		pip check; echo as wanted`},
	{"console script", `
		flask --version | grep -q 'Flask 3.0.3'
		test "$(dirname $(command -v flask))" = "$VIRTUAL_ENV/bin"
		cp "$VIRTUAL_ENV/bin/pytest" "$VIRTUAL_ENV/bin/again"; again --version
		echo; echo as wanted`},
	{"uninstall", `
		before=$(pip list --format=freeze | wc -l)
		pip uninstall --yes flask zope.event greenlet
		test $(pip list --format=freeze | wc -l) = $((before - 3))
		no python -c 'import flask'; no python -c 'import zope.event'; no python -c 'import greenlet'
		no test -e "$VIRTUAL_ENV/bin/flask"
		python -c 'import zope.interface, werkzeug'
		pip check; pip install --quiet flask; flask --version
		echo; echo as wanted`},
	{"upgrade", `
		pip install --upgrade flask click
		python -c '
import click, flask.cli, importlib.metadata as m
assert m.version("click") not in ("8.1.7",), m.version("click")
assert m.version("flask") != "3.0.3"
assert [d.version for d in m.distributions(name="click")] == [m.version("click")]
'
		test $(ls -d "$VIRTUAL_ENV"/lib/python3*/site-packages/click-*.dist-info | wc -l) = 1
		pip check; flask --version
		echo; echo as wanted`},
	// The bytecode of the mounted version must not stand in for the other's source.
	{"no compile", `
		python -c 'import click'
		pip install --no-compile --no-deps click==8.0.4 pyyaml==6.0.1
		python -c '
import click, importlib.metadata as m, yaml
assert click.__version__ == m.version("click") == "8.0.4"
assert yaml.__version__ == m.version("pyyaml") == "6.0.1"
'
		echo; echo as wanted`},
	{"reinstall", `
		pip install --force-reinstall --no-deps requests numpy
		python -c 'import requests, numpy.linalg'
		pip check; echo as wanted`},
	{"straggler", `
		pip install --progress-bar off 'flask' 'requests' six >log
		grep -q 'already satisfied: flask' log; no grep -i '^Downloading flask' log
		python -c 'import six'
		echo; echo as wanted`},
	{"uv install", `
		"$UV" pip install six 'click==8.0.4'
		python -c '
import click, six
assert click.__version__ == "8.0.4"
'
		"$UV" pip uninstall flask greenlet zope.event
		no python -c 'import flask'; no python -c 'import greenlet'; python -c 'import zope.interface'
		"$UV" pip install 'flask==3.0.3' 'click==8.1.7'; flask --version
		pip check
		echo; echo as wanted`},
	{"uv sync", `
		printf 'six\nclick==8.1.7\nrequests\ncertifi\nidna\nurllib3\ncharset-normalizer\n' >only.txt
		"$UV" pip sync only.txt
		python -c 'import six, click, requests'; no python -c 'import numpy'
		echo; echo as wanted`},
}

// A virtual environment that holds another version of what the lock names (any
// of python -m venv before 3.12 has setuptools) shows the lock's, once.
func TestE2EVenvWithOtherVersion(t *testing.T) {
	needE2E(t)
	m := newLocked(t, "setuptools==80.9.0", "six")
	venv := filepath.Join(t.TempDir(), "venv")
	m.must(m.python, "-m", "venv", venv)
	m.must(filepath.Join(venv, "bin", "python"), "-m", "pip", "install", "--quiet", "setuptools==65.5.0")
	got := m.run(t, `python -c '
import importlib.metadata as m, setuptools
print([d.version for d in m.distributions(name="setuptools")], setuptools.__version__, m.version("setuptools"))'
		pip list --format=freeze | grep setuptools
		pip uninstall --quiet --yes setuptools; python -c 'import setuptools' 2>&1 | tail -n 1`, "--venv", venv)
	want := "['80.9.0'] 80.9.0 80.9.0\nsetuptools==80.9.0\nModuleNotFoundError: No module named 'setuptools'\n"
	if got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

// A virtual environment without pip (uv makes them so) gets the snapshot's: pip
// is never the host's.
func TestE2EVenvWithoutPip(t *testing.T) {
	needE2E(t)
	m := newLocked(t, "six")
	venv := filepath.Join(t.TempDir(), "venv")
	m.must(m.python, "-m", "venv", "--without-pip", venv)
	got := m.run(t, `pip --version | grep -o " from $VIRTUAL_ENV/lib" | sed "s,$VIRTUAL_ENV,," && pip list --format=freeze | grep six | sed 's/=.*//'`, "--venv", venv)
	if want := " from /lib\nsix\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}
