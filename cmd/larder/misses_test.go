package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"larder/overlay/overlaytest"
	"larder/popularity/misses"
	"larder/snapshot"
	"larder/snapshot/pypi"
)

// park puts what a container left where larder-hook release puts it.
func park(t *testing.T, s *snapshot.Store, dir string, wheel string) {
	t.Helper()
	path := filepath.Join(s.Dir(), dir, "pip/u/wheels/ab/cd", wheel)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

// missed lists the projects that were missed, with how often.
func missed(t *testing.T, s *snapshot.Store) string {
	t.Helper()
	r, _, err := misses.Load(s.MissesDir(), pypi.Name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range r.Entries {
		line := e.Project
		for _, v := range e.Versions {
			line += " " + v.Version
		}
		out = append(out, line)
	}
	return strings.Join(out, ", ")
}

// Whatever empties the trash reads it first: gc, also what it reaps itself.
func TestGCReadsMissesFirst(t *testing.T) {
	s, err := snapshot.Create(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	park(t, s, "trash/one", "first-1.0-py3-none-any.whl")
	park(t, s, "instances/0123456789abcdef0123456789abcdef", "second-2.0-py3-none-any.whl")
	if _, err := larder(t, s.Dir(), "gc", "--dry-run"); err != nil || missed(t, s) != "" {
		t.Errorf("dry run: %v, missed %q", err, missed(t, s))
	}
	if _, err := larder(t, s.Dir(), "gc"); err != nil {
		t.Fatal(err)
	}
	if got := missed(t, s); got != "first 1.0, second 2.0" {
		t.Errorf("missed %q", got)
	}
	if left, _ := os.ReadDir(filepath.Join(s.Dir(), "trash")); len(left) != 0 {
		t.Errorf("%d left in the trash", len(left))
	}
}

// A run notes its own misses, and empties the trash of its own instance alone: what
// others left there, a million files perhaps, is for gc.
func TestMountRunNotesMisses(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	p := newProgram(t)
	s, _ := runStore(t, p, "/usr/bin/python3")
	park(t, s, "trash/other", "other-1.0-py3-none-any.whl")
	lock := filepath.Join(t.TempDir(), "requirements.txt")
	if err := os.WriteFile(lock, []byte("one==1.0\nlacked==3.0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(lock))
	runDir := "--run-dir=" + filepath.Join(t.TempDir(), "run")
	_, errs, status := p.try("larder", "run", runDir, "-r", lock, "--", "sh", "-c", `d=$HOME/.cache/pip/wheels/ab && mkdir -p $d && : >$d/fetched-2.0-py3-none-any.whl`)
	if status != 0 {
		t.Fatalf("status %d: %s", status, errs)
	}
	if got := missed(t, s); got != "fetched 2.0, lacked 3.0" {
		t.Errorf("missed %q", got)
	}
	if left, err := os.ReadDir(filepath.Join(s.Dir(), "trash")); err != nil || len(left) != 1 || left[0].Name() != "other" {
		t.Errorf("left in the trash: %v, %v", left, err)
	}
}

// A container counts once, however its files are read while somebody empties the trash.
func TestMissesOnceWhileTrashIsEmptied(t *testing.T) {
	s, err := snapshot.Create(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 { // directories that look like an instance's, once they are moved up
		park(t, s, fmt.Sprintf("trash/one/pip/u/%d/deep", i), "squat-1.0-py3-none-any.whl")
	}
	done := make(chan error)
	go func() { done <- s.EmptyTrash(t.Context()) }()
	for running := true; running; {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			running = false
		default:
		}
		collectMisses(t.Context(), s)
	}
	r, _, err := misses.Load(s.MissesDir(), pypi.Name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range r.Entries {
		if e.Count > 1 {
			t.Errorf("%s counts %d times", e.Project, e.Count)
		}
	}
}
