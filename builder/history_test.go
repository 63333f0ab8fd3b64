package builder

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"larder/snapshot"
)

func TestHistory(t *testing.T) {
	s, err := snapshot.Create(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	if runs, err := History(s); err != nil || len(runs) != 0 {
		t.Errorf("of a new store: %v, %v", runs, err)
	}
	// A line of an earlier program, and one that a full disk or a crash tore.
	old := `{"time":"2026-05-20T00:00:00Z","exit":0,"seconds":2}` + "\n" + `{"time":"2026-05-21T00:00:00Z","exit":0,"seco`
	if err := os.WriteFile(s.HistoryPath(), []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	day := func(n int) time.Time { return time.Date(2026, 5, n, 0, 0, 0, 0, time.UTC) }
	for _, r := range []Run{{Time: day(22), Command: buildCommand, Exit: 10}, {Time: day(23), Command: "use"}} {
		if err := AppendHistory(s, r); err != nil {
			t.Fatal(err)
		}
	}
	runs, err := History(s)
	if err != nil || len(runs) != 3 || runs[0].Command != "use" || runs[2].Command != buildCommand {
		t.Fatalf("%+v, %v", runs, err)
	}
	if last, success := LastBuild(runs); !last.Time.Equal(day(22)) || !success.Equal(day(20)) {
		t.Errorf("last %v, success %v", last.Time, success)
	}
}

// What promtool's linter asks: help and type before each metric, base units, no
// name twice, gauges without _total.
func TestMetricsText(t *testing.T) {
	full := RunOf(&Report{Snapshot: "ab", Wheels: 3, Bytes: 5}, time.Now().Add(-time.Second), 0, "")
	failed := RunOf(nil, time.Now(), 1, strings.Repeat("é", maxError))
	if failed.Exit != 1 || !utf8.ValidString(failed.Error) || len(failed.Error) > maxError+10 || full.Seconds < 1 {
		t.Errorf("failed: %+v", failed)
	}
	line := regexp.MustCompile(`^(larder_[a-z_]+) (\S+)$`)
	for _, l := range []Run{full, failed} {
		text := Metrics(l, time.Unix(1e9, 0))
		seen := map[string]bool{}
		rows := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		if len(rows)%3 != 0 || !strings.HasSuffix(text, "\n") {
			t.Fatalf("%d rows:\n%s", len(rows), text)
		}
		for i := 0; i < len(rows); i += 3 {
			m := line.FindStringSubmatch(rows[i+2])
			if m == nil {
				t.Fatalf("not a sample: %q", rows[i+2])
			}
			name := m[1]
			if seen[name] || !strings.HasPrefix(rows[i], "# HELP "+name+" ") || rows[i+1] != "# TYPE "+name+" gauge" || strings.HasSuffix(name, "_total") || strings.Contains(name, "milli") {
				t.Errorf("%s:\n%s\n%s", name, rows[i], rows[i+1])
			}
			seen[name] = true
		}
		if seen["larder_snapshot_wheels"] != (l.Snapshot != "") {
			t.Errorf("wheels of a snapshot that is not there:\n%s", text)
		}
	}
}

// The last plan answers for any budget; a damaged one is none.
func TestLastPlan(t *testing.T) {
	s, err := snapshot.Create(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	if LoadPlan(s, "") != nil {
		t.Error("a plan in a new store")
	}
	options := []Option{{Project: "a", From: 500}, {Project: "b", From: 5500}, {Project: "c", From: -1}}
	for _, r := range []*Report{{Budget: &BudgetReport{Budget: 5000, Options: options}}, nil, {}} { // those without a budget leave it
		if err := SavePlan(s, r); err != nil {
			t.Fatal(err)
		}
	}
	p := LoadPlan(s, "")
	if p == nil || p.Budget != 5000 || p.Time.IsZero() {
		t.Fatalf("read back %+v", p)
	}
	for _, tc := range []struct {
		project string
		budget  int64
		taken   bool
		cut     string
	}{{"a", 499, false, "a"}, {"a", 500, true, "b"}, {"b", 6000, true, "c"}, {"c", 1 << 40, false, "c"}} {
		got, cut := p.Explain(tc.project, tc.budget)
		if len(got) != 1 || got[0].Taken != tc.taken || cut == nil || cut.Project != tc.cut {
			t.Errorf("%+v: %+v, cut before %+v", tc, got, cut)
		}
	}
	p.Options = p.Options[:2]
	if got, cut := p.Explain("x", 1<<40); len(got) != 0 || cut != nil {
		t.Errorf("of another project %+v; cut before %+v", got, cut)
	}
	if err := os.WriteFile(planPath(s, ""), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if p := LoadPlan(s, ""); p != nil {
		t.Errorf("of a damaged file: %+v", p)
	}
}
