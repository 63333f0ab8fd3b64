package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"larder/builder"
	"larder/popularity/usage"
	"larder/snapshot/ecosystem"
)

// The page has what the store has: its snapshots, their projects, who holds them, how builds
// went and what the host lacks; and names stay names.
func TestReport(t *testing.T) {
	s, old, current := stockedStore(t)
	if err := builder.AppendHistory(s, builder.RunOf(nil, time.Now(), exitNetwork, "the <index> is down")); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 18, 6, 0, 0, 0, time.UTC)
	got := []ecosystem.Miss{{Ecosystem: "pypi", Project: "absent", Version: "1", Kind: ecosystem.Downloaded}}
	if err := usage.Append(s, usage.Use{Snapshot: current, Container: true, Attached: at, Ended: at, Parts: []usage.Part{{Client: "pip", Got: got}}}); err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(t.TempDir(), "ranking.txt")
	if err := os.WriteFile(list, []byte("numpy\nnot-stocked\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "larder.html")
	config := "[rank]\nranking = [" + quote(list) + "]\n"
	out, err := configured(t, s.Dir(), config, "report", "-o", file)
	if err != nil || !strings.HasPrefix(out, "wrote "+file) {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := html.Parse(strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	text := map[string]string{} // by section
	for n := range doc.Descendants() {
		if n.Type != html.TextNode || n.Parent.Data == "style" || n.Parent.Data == "script" {
			continue
		}
		for up := range n.Ancestors() {
			for _, a := range up.Attr {
				if up.Data == "section" && a.Key == "id" {
					text[a.Val] += n.Data + " "
				}
			}
		}
	}
	for section, want := range map[string][]string{
		"problems": {"timer", "failed at", "the <index> is down", "without builds the snapshot ages", "larder build"},
		"disk":     {current.String()[:12], old.String()[:12], "current", "objects", "would free"},
		"stock":    {"flask", "numpy"},
		"ranking":  {"1 of the first 2", "2 not-stocked"},
		"builds":   {"the <index> is down"},
		"time":     {"week of 2026-11-16: 0 %, 0 of 1", "week of 2026-11-16: 1 downloaded"},
	} {
		for _, w := range want {
			if !strings.Contains(text[section], w) {
				t.Errorf("%s lacks %q: %s", section, w, text[section])
			}
		}
	}
	for _, bad := range [][]string{{"report"}, {"report", "-o", ""}, {"report", "-o", "/dev/null/x"}, {"report", "-o", file, "more"}} {
		if _, err := configured(t, s.Dir(), config, bad...); exitCode(err) != exitUsage || hintOf(err) == "" {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if out, err := configured(t, s.Dir(), config, "report", "-o", file, "--json"); err != nil || !strings.Contains(out, `"wrote": `+quote(file)) {
		t.Errorf("--json: %v: %s", err, out)
	}
}
