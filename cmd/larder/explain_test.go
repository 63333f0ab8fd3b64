package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/builder"
	"larder/popularity"
	"larder/snapshot"
)

// configured runs a command line with a configuration.
func configured(t *testing.T, store, config string, args ...string) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	app := newApp()
	app.Writer = &out
	err := app.RunContext(t.Context(), hoistFlags(app, append([]string{"larder", "--store", store, "--config", path}, args...)))
	return out.String(), err
}

func TestRankConfiguredSources(t *testing.T) {
	file := rankingFile(t, "flask\nsix\nnumpy\n")
	fleet := rankingFile(t, "ours\nsix\n")
	absent := filepath.Join(t.TempDir(), "absent")
	base := "[rank]\nranking = [" + quote(file) + "]\n"
	out, err := configured(t, absent, base+"include = [\"Mine\"]\nexclude = [\"flask\"]\n[[rank.source]]\nname = \"fleet\"\nweight = 5\nranking = ["+quote(fleet)+"]\n", "rank", "--explain", "six")
	if err != nil || !strings.Contains(out, "six is 2 of 4") || !strings.Contains(out, "rank 2 in fleet") || !strings.Contains(out, "rank 2 in "+file) {
		t.Errorf("%v\n%s", err, out)
	}
	_, err = configured(t, absent, base+"exclude = [\"flask\", \"six\", \"numpy\"]\n", "rank")
	if exitCode(err) != exitRefused || !strings.Contains(err.Error(), "excluded leaves nothing") {
		t.Errorf("an exclude list that leaves nothing: %v", err)
	}
	_, err = configured(t, absent, base+"exclude = [\"-x\"]\n", "rank")
	if exitCode(err) != exitUsage {
		t.Errorf("a name that is none: %v", err)
	}
	_, err = configured(t, absent, base+"weight = { rankings = 0 }\n", "rank")
	if exitCode(err) != exitUsage || !errors.Is(err, popularity.ErrConfig) {
		t.Errorf("all weights of what is there 0: %v", err)
	}
	out, err = configured(t, absent, "[rank.clickhouse]\ndays = 7\n", "rank", "--show-query")
	if err != nil || !strings.Contains(out, "today() - 7") {
		t.Errorf("the configured query: %v\n%s", err, out)
	}
	for _, size := range []string{"5XB", "lots", "-1GB", "0", ""} {
		if _, err := configured(t, absent, base, "rank", "--explain", "six", "--budget", size); exitCode(err) != exitUsage || strings.Contains(err.Error(), "\n") {
			t.Errorf("a budget of %q: %v", size, err)
		}
	}
}

func quote(s string) string { return "\"" + s + "\"" }

func TestExplainByTheLastPlan(t *testing.T) {
	s, err := snapshot.Create(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	file := rankingFile(t, "flask\nsix\n")
	explain := func(args ...string) string {
		t.Helper()
		out, err := configured(t, s.Dir(), "", append([]string{"rank", "--ranking", file, "--explain"}, args...)...)
		if err != nil {
			t.Errorf("%v: %v", args, err)
		}
		return out
	}
	if out := explain("six", "--budget", "1GB"); !strings.Contains(out, "no plan with a budget was made yet") {
		t.Errorf("without a plan: %s", out)
	}
	if err := builder.SavePlan(s, &builder.Report{Budget: &builder.BudgetReport{Budget: 5000, Options: []builder.Option{
		{Project: "flask", Filename: "flask-1.0-py3-none-any.whl", Size: 100, Disk: 500, Hits: 9, From: 500, Taken: true},
		{Project: "six", Filename: "six-1.0-py3-none-any.whl", Size: 100, Disk: 500, Hits: 7, Counted: true, From: 5500},
		{Project: "werkzeug", Filename: "werkzeug-1.0-py3-none-any.whl", Size: 100, Disk: 500, NeededBy: "flask", From: -1},
	}}}); err != nil {
		t.Fatal(err)
	}
	if out := explain("six"); !strings.Contains(out, "out: six-1.0") || !strings.Contains(out, "7 hits expected, by its count, from a budget of 5.5 kB on") || !strings.Contains(out, "cut falls before six-1.0") {
		t.Errorf("explained: %s", out)
	}
	if out := explain("six", "--budget", "6kB"); !strings.Contains(out, "  in: six-1.0") || !strings.Contains(out, "cut falls before werkzeug") {
		t.Errorf("with another budget: %s", out)
	}
	if out := explain("werkzeug"); !strings.Contains(out, "needed by flask, no budget takes it") {
		t.Errorf("a need: %s", out)
	}
	if out := explain("six", "--json"); !strings.Contains(out, `"from": 5500`) {
		t.Errorf("json: %s", out)
	}
	// A damaged plan is none.
	if err := os.WriteFile(filepath.Join(s.PagesDir(), "plan.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := explain("six", "--budget", "1GB"); !strings.Contains(out, "no plan") {
		t.Errorf("with a damaged plan: %s", out)
	}
}

// What was revoked is said to be, with the name that takes it back.
func TestExplainKnowsDenials(t *testing.T) {
	s, err := snapshot.Create(filepath.Join(t.TempDir(), "store"))
	if err == nil {
		err = s.PutDenials([]snapshot.Denial{{Project: "six", Version: "1.0", Reason: "it steals"}, {Project: "flask"}})
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := configured(t, s.Dir(), "", "rank", "--ranking", rankingFile(t, "six\n"), "--explain", "six")
	if err != nil || !strings.Contains(out, "  denied: six==1.0, by larder revoke") || strings.Contains(out, "flask") {
		t.Errorf("%v\n%s", err, out)
	}
}
