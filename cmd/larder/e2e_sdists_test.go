package main

import (
	"path/filepath"
	"strings"
	"testing"

	"larder/builder/pypi/pypitest"
)

// Projects of which the index has only source archives are built, mounted, found by the newest pip, and
// made again from their recipes alone: with setuptools, with an old one, and with what needs other wheels.
func TestE2ESdists(t *testing.T) {
	needE2E(t)
	t.Parallel()
	p := newProgram(t)
	python := p.python()
	lock := p.file("lock.txt", "docopt==0.6.2\nsgmllib3k==1.0.0\nwikipedia==1.4.0\nuuid==1.30\n")
	if _, stderr, status := p.try("larder", "build", "--lock", lock); status != 4 || !strings.Contains(stderr, "--sdists pure") {
		t.Fatalf("%d %s", status, stderr)
	}
	p.must("larder", "build", "--lock", lock, "--sdists", "pure")
	p.must("larder", "run", "--required", "--missing", "fail", "-r", lock, "--", "python", "-c", "import docopt, sgmllib; print(docopt.docopt.__module__)")
	if out := p.must("larder", "rebuild", "--check"); strings.Count(out, "same ") != 4 {
		t.Error(out)
	}
	venv := newVenv(t, locked{program: p, python: python}, filepath.Join(t.TempDir(), "venv"), "pip")
	inst := filepath.Join(t.TempDir(), "inst")
	out := p.must("larder", "run", "--required", "--instance", inst, "--", filepath.Join(venv, "bin", "pip"), "install", "--no-deps", "-r", lock)
	if strings.Contains(out, "Building wheel") || strings.Contains(out, "Downloading") {
		t.Error(out)
	}
	if large := filesFrom(t, inst, 50_000); len(large) > 0 {
		t.Errorf("written into the cache: %q", large)
	}
}

// Machine code of a project that the configuration names is built in a root file system with a compiler,
// mounted and found by pip only where it is asked for, and made again from its recipe alone.
func TestE2ENativeSdists(t *testing.T) {
	needE2E(t)
	t.Parallel()
	p := newProgram(t)
	python := p.python()
	lock := p.file("lock.txt", "markupsafe==2.0.1\n") // it has wheels for older Pythons only
	config := func(more string) string {
		return p.file("config.toml", "[build]\nsdists = \"all\"\nsdists_allow = [\"markupsafe\"]\n"+more)
	}
	p.must("larder", "--config", config(""), "build", "--lock", lock)
	if out := p.must("larder", "show", "markupsafe"); !strings.Contains(out, "markupsafe-2.0.1-py3-none-any.whl") {
		t.Errorf("without a compiler it is pure: %s", out)
	}
	with := config("sdists_root = \"" + pypitest.BuildRoot(t) + "\"\n")
	p.must("larder", "--config", with, "build", "--lock", lock)
	run := []string{"run", "--required", "--missing", "fail", "-r", lock}
	code := []string{"--", "python", "-c", "import markupsafe._speedups"}
	if _, stderr, status := p.try("larder", append(append([]string{}, run...), code...)...); status == 0 || !strings.Contains(stderr, "markupsafe") {
		t.Errorf("machine code is mounted unasked: %d %s", status, stderr)
	}
	p.must("larder", append(append(run, "--built", "all"), code...)...)
	if out := p.must("larder", "--config", with, "rebuild", "--check"); strings.Count(out, "same ") != 2 {
		t.Error(out)
	}
	if out, stderr, status := p.try("larder", "rebuild", "--check"); status == 0 || !strings.Contains(out+stderr, "sdists_root") {
		t.Errorf("followed without its root: %d %s %s", status, out, stderr)
	}
	venv := newVenv(t, locked{program: p, python: python}, filepath.Join(t.TempDir(), "venv"), "pip")
	inst := filepath.Join(t.TempDir(), "inst")
	out := p.must("larder", "run", "--required", "--built", "all", "--instance", inst, "--", filepath.Join(venv, "bin", "pip"), "install", "--no-deps", "-r", lock)
	if strings.Contains(out, "Building wheel") || strings.Contains(out, "Downloading") {
		t.Error(out)
	}
	p.must(filepath.Join(venv, "bin", "python"), "-c", "import markupsafe._speedups")
}
