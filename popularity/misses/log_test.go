package misses

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"larder/snapshot/ecosystem"
)

var day = time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)

func add(t *testing.T, dir string, at time.Time, instance, tenant string, misses ...ecosystem.Miss) int {
	t.Helper()
	n, err := Append(dir, Report{at, instance, tenant, misses})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func of(project, version, python, kind string) ecosystem.Miss {
	return ecosystem.Miss{Ecosystem: "pypi", Project: project, Version: version, Target: python, Kind: kind}
}

func counts(t *testing.T, dir string) (string, string) {
	t.Helper()
	r, warnings, err := Load(dir, "pypi", day)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for i, e := range r.Entries {
		if e.Rank != i+1 {
			t.Errorf("entry %d has rank %d", i, e.Rank)
		}
		out = append(out, fmt.Sprintf("%s:%d", e.Project, e.Count))
	}
	return strings.Join(out, " "), fmt.Sprint(warnings)
}

var (
	flask3 = of("flask", "3.0.0", "3.11", ecosystem.Downloaded)
	flask2 = of("flask", "2.0.0", "", ecosystem.Downloaded)
	six    = of("six", "1.17.0", "", ecosystem.Installed)
)

func TestAppendLoad(t *testing.T) {
	dir := t.TempDir()
	add(t, dir, day, "c1", "", flask3, flask2, six)
	add(t, dir, day, "c1", "", flask3) // told twice
	add(t, dir, day.AddDate(0, 0, -1), "c1", "", flask3)
	add(t, dir, day, "c2", "", flask3)
	add(t, dir, day.AddDate(0, 0, -1), "c3", "", flask3)
	add(t, dir, day.AddDate(0, 0, -28), "old", "", of("old", "1", "", ecosystem.Built))
	add(t, dir, day.AddDate(0, 0, 2), "future", "", of("future", "1", "", ecosystem.Built))
	if n := add(t, dir, day, "c4", "", of("../../etc", "1", "", ecosystem.Built), of("x", "1\n2", "", ecosystem.Built), of("x", "1", "", "lie")); n != 0 {
		t.Errorf("%d bad misses written", n)
	}
	got, warned := counts(t, dir)
	if got != "flask:3 six:1" || warned != "[]" {
		t.Errorf("got %q, warnings %s", got, warned)
	}
	r, _, _ := Load(dir, "pypi", day)
	if v := fmt.Sprint(r.Entries[0].Versions); v != "[{3.0.0 3.11 3 } {2.0.0  1 }]" {
		t.Errorf("versions %s", v)
	}
	if r, w, err := Load(filepath.Join(dir, "absent"), "pypi", day); err != nil || len(r.Entries)+len(w) != 0 {
		t.Errorf("no directory: %v %v %v", r, w, err)
	}
}

// However many containers one tenant starts, and whatever they report, it
// counts once; all tenants together at most ten a day.
func TestTenantCannotSteer(t *testing.T) {
	dir := t.TempDir()
	evil := of("typo-squat", "1.0", "", ecosystem.Downloaded)
	for i := range 200 {
		add(t, dir, day, fmt.Sprint("evil", i), "mallory", evil)
	}
	for _, tenant := range []string{"a", "b"} {
		add(t, dir, day, "c"+tenant, tenant, six)
	}
	for i := range 40 {
		add(t, dir, day, fmt.Sprint("anonymous", i), "", flask3)
	}
	if got, _ := counts(t, dir); got != "flask:10 six:2 typo-squat:1" {
		t.Errorf("got %q", got)
	}
	var many []ecosystem.Miss
	for i := range 3000 {
		many = append(many, of(fmt.Sprint("fill-", i), "1", "", ecosystem.Downloaded))
	}
	if n := add(t, dir, day, "x", "mallory", many...); n != maxTenantLines-200 {
		t.Errorf("%d lines written", n)
	}
	if n := add(t, dir, day, "y", "mallory", many...); n != 0 {
		t.Errorf("%d lines written over the bound", n)
	}
	if n := add(t, dir, day, "z", "other", six); n != 1 {
		t.Error("another tenant is silenced")
	}
}

// What is told every week, because nothing holds it, does not outgrow what was told once and is
// stocked since: one tenant counts once in the window, on whatever days, and many that miss it on
// several days count each.
func TestTenantCountsOnce(t *testing.T) {
	dir := t.TempDir()
	for back := range 4 {
		at := day.AddDate(0, 0, -7*back)
		add(t, dir, at, fmt.Sprint("c", back), "a", six, flask3)
		add(t, dir, at, fmt.Sprint("d", back), fmt.Sprint("tenant", back), flask3)
	}
	if got, v := counts(t, dir); got != "flask:5 six:1" {
		t.Errorf("got %q, %q", got, v)
	}
}

func TestLoadDamaged(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "2026-05-20.jsonl")
	torn := `{"time":"2026-05-20T00:00:00Z","instance":"c0","project":"fla`
	if err := os.WriteFile(path, []byte("\x00\xff\n{}\n[1]\n"+strings.Repeat("a", 10_000)+"\n"+torn), 0o600); err != nil {
		t.Fatal(err)
	}
	add(t, dir, day, "c1", "", six) // behind the torn line, not glued to it
	if err := os.Mkdir(filepath.Join(dir, "2026-05-19.jsonl"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, filepath.Join(dir, "2026-05-18.jsonl")); err != nil {
		t.Fatal(err)
	}
	got, warned := counts(t, dir)
	if got != "six:1" || !strings.Contains(warned, "left out 5 lines") || !strings.Contains(warned, "2026-05-19.jsonl: left out: not a file") || !strings.Contains(warned, "2026-05-18.jsonl: left out") {
		t.Errorf("got %q, %s", got, warned)
	}
	for _, r := range []Report{{Time: day}, {Time: day, Instance: strings.Repeat("x", 300)}} {
		if _, err := Append(dir, r); err == nil {
			t.Errorf("%+v is taken", r)
		}
	}
}

func TestAppendAtOnce(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if _, err := Append(dir, Report{day, fmt.Sprint("c", i), "", []ecosystem.Miss{flask3, six}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	data, _ := os.ReadFile(filepath.Join(dir, "2026-05-20.jsonl"))
	lines := 0
	if bad := eachLine(data, func(line) { lines++ }); bad != 0 || lines != 40 {
		t.Errorf("%d lines, %d bad", lines, bad)
	}
}

// Days go a window after they stopped counting, and nothing else does.
func TestPrune(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"2026-11-20.jsonl", "2026-09-26.jsonl", "2026-09-24.jsonl", "2020-01-01.jsonl", "2030-01-01.jsonl", "notes.jsonl", "2020-01-01.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Prune(dir, time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if got := strings.Join(left, " "); got != "2020-01-01.txt 2026-09-26.jsonl 2026-11-20.jsonl 2030-01-01.jsonl notes.jsonl" {
		t.Errorf("left: %s", got)
	}
	if err := Prune(filepath.Join(dir, "absent"), time.Now()); err != nil {
		t.Error(err)
	}
}

// A ranking is of one ecosystem; a line that names none is of the first there is.
func TestLoadOneEcosystem(t *testing.T) {
	dir := t.TempDir()
	lines := `{"time":"2026-05-20T00:00:00Z","instance":"a","project":"Flask","version":"3","python":"3.11","kind":"downloaded"}
{"time":"2026-05-20T00:00:00Z","instance":"b","ecosystem":"pypi","project":"flask","version":"3","kind":"downloaded"}
{"time":"2026-05-20T00:00:00Z","instance":"c","ecosystem":"other","project":"left-pad","version":"1","kind":"downloaded"}
`
	if err := os.WriteFile(filepath.Join(dir, "2026-05-20.jsonl"), []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, warned := counts(t, dir); got != "flask:2" || !strings.Contains(warned, "left out 1 line") {
		t.Errorf("got %q, %s", got, warned)
	}
	if r, _, err := Load(dir, "npm", day); err != nil || len(r.Entries) != 0 {
		t.Errorf("of another ecosystem: %v, %v", r, err)
	}
}
