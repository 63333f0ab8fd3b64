package popularity

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"larder/snapshot/pypi"
)

var rankings = flag.String("rankings", "", "directory of monthly rankings to renew starter.txt from")

// starter is the text of starter.txt: the first names of the merge of several monthly
// rankings, under one line that says where they are from.
func starter(t *testing.T, dir string, top int) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(paths) < 2 {
		t.Fatalf("%d monthly rankings in %q, at least two are needed (%v)", len(paths), dir, err)
	}
	var months []Ranking
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		r, warnings, err := Parse(pypi.Ecosystem, path, f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range warnings {
			t.Log(w)
		}
		months = append(months, r)
	}
	merged := Merge(months...)
	var days []string
	var newest time.Time
	for _, o := range merged.Origins {
		days = append(days, o.Updated.Format(time.DateOnly))
		if o.Updated.After(newest) {
			newest = o.Updated
		}
	}
	text := fmt.Sprintf("# top %d projects by median rank; source: top-pypi-packages (all installers) of %s; date: %s\n", top, strings.Join(days, ", "), newest.Format(time.DateOnly))
	for _, e := range merged.Top(top).Entries {
		text += e.Project + "\n"
	}
	return text
}

// TestStarterRenewed makes a starter ranking of two small months, and with -rankings the
// one that is built in.
func TestStarterRenewed(t *testing.T) {
	dir := t.TempDir()
	for name, rows := range map[string]string{
		"2026-01": `{"last_update":"2026-01-02 03:04:05","rows":[{"download_count":3,"project":"a"},{"download_count":2,"project":"b"}]}`,
		"2026-02": `{"last_update":"2026-02-02 03:04:05","rows":[{"download_count":3,"project":"a"},{"download_count":2,"project":"c"},{"download_count":1,"project":"b"}]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name+".json"), []byte(rows), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := "# top 2 projects by median rank; source: top-pypi-packages (all installers) of 2026-01-02, 2026-02-02; date: 2026-02-02\na\nb\n"
	if got := starter(t, dir, 2); got != want {
		t.Errorf("%q", got)
	}
	if *rankings != "" {
		if err := os.WriteFile("starter.txt", []byte(starter(t, *rankings, 1000)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
