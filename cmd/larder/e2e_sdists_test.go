package main

import (
	"path/filepath"
	"strings"
	"testing"
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
