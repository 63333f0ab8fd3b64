package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/builder"
	"larder/builder/pypi/pypitest"
	"larder/snapshot"
)

// The command line of a budget: its plan before anything is fetched, what it
// refuses, and that a refusal leaves the published snapshot as it is.
func TestBuildBudget(t *testing.T) {
	world := pypitest.NewIndex(t, pypitest.Options{Mirror: true})
	for _, w := range []pypitest.Wheel{
		{Name: "alpha", Version: "1.0"}, {Name: "alpha", Version: "2.0", Requires: []string{"needed"}}, {Name: "beta"}, {Name: "needed"},
	} {
		world.AddFile(w.Name, pypitest.Artifact{Name: w.Filename(), Data: w.Bytes()})
	}
	for _, e := range append(world.Env(), "PIP_RETRIES=0") {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	s, err := snapshot.Create(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	file := rankingFile(t, "alpha\nbeta\n")
	build := func(args ...string) (string, error) {
		t.Helper()
		world.Reset()
		return configured(t, s.Dir(), "[build]\nlayers = false\nviews = [\"simple\"]\n", append([]string{"build", "--ranking", file}, args...)...)
	}
	out, err := build("--dry-run", "--budget", "1MB")
	if err != nil || !strings.Contains(out, "needed-1.0-py3-none-any.whl") || !strings.Contains(out, "alpha-1.0-") || !strings.Contains(out, "of a budget of 1.0 MB; 0 wheels looked at are left out") {
		t.Errorf("dry run: %v\n%s", err, out)
	}
	for _, q := range world.Requests() {
		if q.Method == "GET" && strings.HasSuffix(q.Path, ".whl") {
			t.Errorf("a dry run fetched %s", q.Path)
		}
	}
	if _, err := os.Stat(s.HistoryPath()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a dry run is in the history: %v", err)
	}
	out, err = build("--budget", "1MB", "--json")
	var r builder.Report
	if err != nil || json.Unmarshal([]byte(out), &r) != nil || r.Wheels != 4 || r.Budget == nil || r.Budget.Wheels != 4 || r.Budget.Budget != 1_000_000 {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for _, c := range []struct {
		args []string
		code int
		say  string
	}{
		{[]string{"--budget", "10B"}, exitUsage, "takes no wheel"},
		{[]string{"--budget", "5XB"}, exitUsage, "not a size"},
		{[]string{"--budget", "-5GB"}, exitUsage, "not a size"},
		{[]string{"--budget", "0"}, exitUsage, "stocks nothing"},
	} {
		out, err := build(c.args...)
		if exitCode(err) != c.code || !strings.Contains(err.Error(), c.say) || strings.Contains(err.Error(), "\n") || out != "" {
			t.Errorf("%v: exit %d, %v, printed %q", c.args, exitCode(err), err, out)
		}
	}
	if id, err := s.Current(); err != nil || id.String() != r.Snapshot {
		t.Errorf("current: %v, %v", id, err)
	}
	// What was planned is explained without asking the index.
	world.Reset()
	if out, err := configured(t, s.Dir(), "", "rank", "--ranking", file, "--explain", "needed"); err != nil || !strings.Contains(out, "in: needed-1.0-py3-none-any.whl") || !strings.Contains(out, "needed by alpha") {
		t.Errorf("explain: %v\n%s", err, out)
	}
	if n := len(world.Requests()); n != 0 {
		t.Errorf("explaining asked the index %d times", n)
	}
	if lines := history(t, s); len(lines) != 2 || lines[0].Budget != 1_000_000 || lines[1].Exit != exitUsage {
		t.Errorf("history: %+v", lines)
	}
}

// A build that ranks nothing reads misses, too, before its stage empties the trash.
func TestBuildOfLocksReadsMissesFirst(t *testing.T) {
	world := pypitest.NewIndex(t, pypitest.Options{})
	w := pypitest.Wheel{Name: "alpha", Version: "1.0"}
	world.AddFile("alpha", pypitest.Artifact{Name: w.Filename(), Data: w.Bytes()})
	for _, e := range world.Env() {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	s, err := snapshot.Create(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	park(t, s, "trash/one", "gone-1.0-py3-none-any.whl")
	lock := filepath.Join(t.TempDir(), "requirements.txt")
	if err := os.WriteFile(lock, []byte("alpha==1.0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := larder(t, s.Dir(), "build", "--lock", lock, "--view", "simple"); err != nil {
		t.Fatal(err)
	}
	if got := missed(t, s); got != "gone 1.0" {
		t.Errorf("missed %q", got)
	}
	if left, err := os.ReadDir(filepath.Join(s.Dir(), "trash")); err != nil || len(left) != 0 {
		t.Errorf("%d left in the trash, %v", len(left), err)
	}
}
