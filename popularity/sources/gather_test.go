package sources

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"larder/popularity"
	"larder/popularity/misses"
	"larder/popularity/pypi"
	"larder/snapshot/ecosystem"
	python "larder/snapshot/pypi"
)

func TestMain(m *testing.M) {
	ecosystem.Register(ecosystem.Ecosystem{Name: "pypi", Leftovers: pypi.Leftovers{}})
	os.Exit(m.Run())
}

func gather(t *testing.T, b Blend, opts Options) (popularity.Ranking, string, error) {
	t.Helper()
	opts.Of = python.Ecosystem
	r, warnings, err := Gather(t.Context(), b, opts)
	return r, fmt.Sprint(warnings), err
}

func ranked(t *testing.T, text string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ranking")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{path}
}

func missed(t *testing.T, projects ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i, p := range slices.Repeat(projects, 10) { // in ten containers each: as much as a day can count
		if _, err := misses.Append(dir, misses.Report{Time: time.Now(), Instance: fmt.Sprint("c", i), Misses: []ecosystem.Miss{{Project: p, Version: "1.0", Kind: ecosystem.Downloaded}}}); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Where no ranking is configured the starter ranking stands in, and says so.
func TestGatherStarter(t *testing.T) {
	for name, sources := range map[string][]Source{
		"nothing configured": nil,
		"misses alone":       {{Weight: 1, Misses: missed(t, "own-thing")}},
	} {
		r, warned, err := gather(t, Blend{Sources: sources}, withWeb(t, t.TempDir(), Options{}))
		if err != nil || len(r.Entries) < 900 || !strings.Contains(warned, "starter ranking: no ranking is configured; using the 1000 names built in") {
			t.Errorf("%s: %d entries, %q, %v", name, len(r.Entries), warned, err)
		}
		if strings.Contains(name, "misses") && !strings.Contains(strings.Join(names(r.Top(5)), " "), "own-thing") {
			t.Errorf("%s: misses are not among the first: %q", name, names(r.Top(5)))
		}
	}
}

// Where one is, and cannot be had, nothing stands in for it.
func TestGatherUnreachable(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, tc := range map[string]struct {
		sources []Source
		want    string
	}{
		"404":                   {[]Source{{Weight: 1, Months: []string{srv.URL + "/r.json"}}}, "the server answers 404 Not Found"},
		"no server":             {[]Source{{Weight: 1, Months: []string{gone.URL}}}, "connection refused"},
		"misses, and a failure": {[]Source{{Weight: 1, Misses: missed(t, "own-thing")}, {Weight: 1, Months: []string{gone.URL}}}, "connection refused"},
	} {
		r, _, err := gather(t, Blend{Sources: tc.sources}, withWeb(t, t.TempDir(), Options{}))
		if !errors.Is(err, popularity.ErrUnreachable) || !strings.Contains(err.Error(), tc.want) || len(r.Entries) != 0 {
			t.Errorf("%s: %d entries, %v", name, len(r.Entries), err)
		}
	}
}

func TestGatherBlends(t *testing.T) {
	list := ranked(t, "boto3\nsix\nflask\n")
	b := Blend{Sources: []Source{{Name: "list", Weight: 1, Months: list}, {Weight: 1, Misses: missed(t, "flask", "own")}}, Rules: popularity.Rules{Include: []string{"always"}, Exclude: []string{"six"}}}
	r, warned, err := gather(t, b, Options{})
	if err != nil || warned != "[]" || strings.Join(names(r), " ") != "always flask boto3 own" {
		t.Errorf("%q %s %v", names(r), warned, err)
	}
	if p := fmt.Sprint(r.Entries[1].Places); p != "[{list 3} {misses 1}]" {
		t.Errorf("flask's places %s", p)
	}
	if r, warned, err = gather(t, Blend{Sources: []Source{{Weight: 1, Misses: missed(t, "b", "a")}}, OnlyMisses: true}, Options{}); err != nil || warned != "[]" || strings.Join(names(r), " ") != "a b" {
		t.Errorf("misses only: %q %s %v", names(r), warned, err)
	}
	if r, warned, err = gather(t, Blend{Sources: []Source{{Weight: 1, Misses: t.TempDir()}}, OnlyMisses: true}, Options{}); err != nil || warned != "[misses: none that count]" || len(r.Entries)+len(r.Origins) != 0 {
		t.Errorf("no misses: %q %s %v", names(r), warned, err)
	}
	html := ranked(t, "<html>")
	b.Sources = append(b.Sources, Source{Name: "broken", Weight: 1, Months: html})
	if r, warned, err = gather(t, b, Options{}); err != nil || len(r.Entries) != 4 || !strings.Contains(warned, "an HTML or XML page") {
		t.Errorf("a broken source: %d entries, %s, %v", len(r.Entries), warned, err)
	}
	for name, tc := range map[string]struct {
		b    Blend
		kind error
	}{
		"all refused":        {Blend{Sources: []Source{{Weight: 1, Months: html}, {Weight: 1, Misses: missed(t, "a")}}}, popularity.ErrRefused},
		"all weights 0":      {Blend{Sources: []Source{{Months: list}, {Misses: missed(t, "a")}}}, popularity.ErrConfig},
		"negative":           {Blend{Sources: []Source{{Weight: -1, Months: list}}}, popularity.ErrConfig},
		"clickhouse days":    {Blend{Sources: []Source{{Weight: 1, Months: list}, {Weight: 1, ClickHouse: &ClickHouse{Endpoint: "http://db.example", Days: -4}}}}, popularity.ErrConfig},
		"clickhouse address": {Blend{Sources: []Source{{Weight: 1, ClickHouse: &ClickHouse{Endpoint: "db.example"}}}}, popularity.ErrRefused},
		"everything denied":  {Blend{Sources: []Source{{Weight: 1, Months: list}}, Rules: popularity.Rules{Exclude: []string{"boto3", "six", "flask"}}}, popularity.ErrRefused},
	} {
		if _, _, err := gather(t, tc.b, Options{}); !errors.Is(err, tc.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The fake answers as the server does: 64-bit counts as strings, and what it
// was asked is kept for the test.
func TestClickHouse(t *testing.T) {
	answer := `{"project":"flask","version":"3.0.0","python":"3.11","count":"70"}
{"project":"flask","version":"2.3.3","python":"3.9","count":"40"}
{"project":"boto3","version":"1.40.0","python":"","count":"90"}
`
	asked, status := "", 200
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = r.Method + " " + r.URL.RawQuery + "\n" + string(body)
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	}))
	defer srv.Close()
	opts := withWeb(t, t.TempDir(), Options{})
	c := &ClickHouse{Endpoint: srv.URL + "/?user=secretuser", Projects: 100, Days: 7, Versions: 3, Installers: []string{"pip"}}
	b := Blend{Sources: []Source{{Weight: 1, ClickHouse: c}}}
	r, warned, err := gather(t, b, opts)
	if err != nil || warned != "[]" || strings.Join(names(r), " ") != "flask boto3" {
		t.Fatalf("%q %s %v", names(r), warned, err)
	}
	if v := r.Entries[0].Versions; len(v) != 2 || v[0].Version != "3.0.0" || v[0].Python != "3.11" {
		t.Errorf("versions %v", v)
	}
	for _, want := range []string{"POST user=secretuser&wait_end_of_query=1", "today() - 7", "installer IN ('pip')", "LIMIT 100)", "LIMIT 3 BY project", "FORMAT JSONEachRow"} {
		if !strings.Contains(asked, want) {
			t.Errorf("%q is not in what was asked:\n%s", want, asked)
		}
	}
	if sql, _ := c.SQL(); !strings.HasSuffix(asked, "\n"+sql) {
		t.Error("what is shown is not what is sent")
	}
	// Failing half-way, or telling so in its status: the kept answer stands in.
	for _, tc := range []struct {
		status int
		answer string
	}{{200, answer + "Code: 159. DB::Exception: Timeout exceeded\n"}, {500, "Code: 60. DB::Exception: no such table"}, {200, `{"exception":"x"}`}, {200, ""}} {
		status, answer = tc.status, tc.answer
		r, warned, err = gather(t, b, opts)
		if err != nil || len(r.Entries) != 2 || !strings.Contains(warned, "using its answer of 0 minutes ago") || strings.Contains(warned, "secretuser") {
			t.Errorf("%+v: %d entries, %s, %v", tc, len(r.Entries), warned, err)
		}
	}
	if _, err := (ClickHouse{Installers: []string{"pip') OR 1"}}).SQL(); !errors.Is(err, popularity.ErrConfig) {
		t.Errorf("an installer that is SQL: %v", err)
	}
}
