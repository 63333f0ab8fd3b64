package usage

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"larder/popularity/misses"
	leftovers "larder/popularity/pypi"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/pypi"
)

func TestMain(m *testing.M) {
	ecosystem.Register(ecosystem.Ecosystem{Name: pypi.Name, Leftovers: leftovers.Leftovers{}})
	os.Exit(m.Run())
}

const target = "cp311-manylinux_2_36_x86_64"

// stocked has alpha in two versions, beta, and the installer, pip.
func stocked() *Stock {
	row := func(project, version string, size int64) snapshot.ManifestArtifact {
		return snapshot.ManifestArtifact{Ecosystem: pypi.Name, Project: project, Version: version, Size: size, Index: "http://index.example/simple/",
			SHA256: snapshot.Sum([]byte(project + version)), Targets: []string{target}}
	}
	m := &snapshot.Manifest{Artifacts: []snapshot.ManifestArtifact{row("alpha", "1.0", 10), row("alpha", "2.0", 7), row("beta", "1.0", 100), row("pip", "26.0", 1000)}}
	for i, a := range m.Artifacts {
		m.Layers = append(m.Layers, snapshot.ManifestLayer{ID: fmt.Sprintf("%012d", i), Artifact: a.SHA256, Project: a.Project})
	}
	m.Targets = []snapshot.Target{{Tag: target, Installer: m.Layers[3].ID}}
	m.Environments = []snapshot.ManifestEnvironment{{ID: "eeeeeeeeeeee", Layers: []string{m.Layers[0].ID, m.Layers[2].ID}}}
	return StockOf(m)
}

func page(project string) string {
	return pypi.CacheName("http://index.example/simple/" + project + "/")
}

func got(kind string, projects ...string) (all []ecosystem.Miss) {
	for _, p := range projects {
		name, version, _ := strings.Cut(p, "==")
		all = append(all, ecosystem.Miss{Ecosystem: pypi.Name, Project: name, Version: version, Kind: kind})
	}
	return all
}

func present(client, python string, projects ...string) (all []ecosystem.Present) {
	for _, m := range got(ecosystem.Installed, projects...) {
		m.Target = python
		all = append(all, ecosystem.Present{Miss: m, Client: client})
	}
	return all
}

func TestCount(t *testing.T) {
	for _, tc := range []struct {
		name   string
		use    Use
		want   string // client: used downloaded bytes
		missed string
	}{
		{"nothing", Use{}, "", ""},
		{"attached and not used", Use{Parts: []Part{{Client: "pip"}}}, "pip 0 0 0", ""},
		// The page of the installer is asked to tell of a newer one; that of a stranger proves nothing.
		{"pages", Use{Parts: []Part{{Client: "pip", Asked: []string{page("alpha"), page("pip"), page("other"), "junk"}}}}, "pip 1 0 7", ""},
		{"a page and a download", Use{Parts: []Part{{Client: "pip", Asked: []string{page("alpha"), page("beta")}, Got: got(ecosystem.Downloaded, "alpha==3.0", "x==1")}}}, "pip 1 2 100", ""},
		{"merged", Use{Parts: []Part{{Client: Environment, Layers: []string{"e/eeeeeeeeeeee", "l/000000000003"}}}}, "environment 2 0 110", ""},
		{"stacked", Use{Parts: []Part{{Client: Environment, Layers: []string{"l/000000000001", "l/ffffffffffff"}}}}, "environment 1 0 7", ""},
		{"a straggler", Use{Parts: []Part{{Client: "pip"}, {Client: Environment, Layers: []string{"l/000000000000"}, Got: got(ecosystem.Installed, "beta==1.0", "gamma==1.0")}}},
			"environment 1 1 10, pip 1 0 100", ""},
		{"an upgrade in an environment", Use{Parts: []Part{{Client: "pip", Got: got(ecosystem.Downloaded, "alpha==3.0")},
			{Client: Environment, Layers: []string{"l/000000000000"}, Got: got(ecosystem.Installed, "alpha==3.0")}}}, "environment 0 0 0, pip 0 1 0", ""},
		{"a container's own files", Use{Parts: []Part{{Client: "pip"}}, Installed: present("pip", "3.11", "beta==1.0", "gamma==1.0", "alpha==9.0")},
			"pip 1 2 100", "gamma==1.0 alpha==9.0"},
		{"for another interpreter", Use{Parts: []Part{{Client: "pip"}}, Installed: present("pip", "3.12", "beta==1.0")}, "pip 0 1 0", "beta==1.0"},
		{"by a client without a cache here", Use{Parts: []Part{{Client: "pip"}}, Installed: present("uv", "", "beta==1.0")}, "pip 0 0 0, uv 0 1 0", ""},
		{"seen twice", Use{Parts: []Part{{Client: "pip", Asked: []string{page("beta")}, Got: got(ecosystem.Downloaded, "gamma==1.0")}},
			Installed: present("pip", "3.11", "beta==1.0", "gamma==1.0")}, "pip 1 1 100", ""},
	} {
		c, missed := stocked().Count(tc.use)
		var clients, names []string
		for _, name := range []string{Environment, "pip", "uv"} {
			if one, ok := c.Clients[name]; ok {
				clients = append(clients, fmt.Sprintf("%s %d %d %d", name, one.Used, one.Downloaded, one.SparedBytes))
			}
		}
		for _, m := range missed {
			names = append(names, m.Project+"=="+m.Version)
		}
		if s, m := strings.Join(clients, ", "), strings.Join(names, " "); s != tc.want || m != tc.missed || c.Attaches() != 1 {
			t.Errorf("%s: %q, want %q; missed %q, want %q", tc.name, s, tc.want, m, tc.missed)
		}
	}
	// Of a snapshot that is gone only the downloads are known.
	var none *Stock
	c, _ := none.Count(Use{Container: true, Parts: []Part{{Client: "pip", Asked: []string{page("alpha")}, Got: got(ecosystem.Downloaded, "x==1")}, {Client: Environment, Layers: []string{"e/eeeeeeeeeeee"}}}})
	if all := c.All(); all.Used != 0 || all.Downloaded != 1 || all.Attaches != 2 || c.Containers != 1 {
		t.Errorf("without a snapshot: %+v", c)
	}
}

func store(t *testing.T) *snapshot.Store {
	t.Helper()
	s, err := snapshot.Create(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func all(snapshot.ID) *Stock { return stocked() }

// use is the nth use, of a command that took alpha, so many days after a Monday.
func use(n, days int) Use {
	return Use{Attached: time.Unix(1e9, int64(n)), Ended: time.Date(2026, 11, 16+days, 0, 0, n, 0, time.UTC), Parts: []Part{{Client: "pip", Asked: []string{page("alpha")}}}}
}

func total(t *testing.T, s *snapshot.Store) Weeks {
	t.Helper()
	w, err := Load(s, all)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWeeks(t *testing.T) {
	s := store(t)
	if w := total(t, s); len(w.Weeks) != 0 || w.Total().Attaches() != 0 {
		t.Errorf("of a new store: %+v", w)
	}
	for n, days := range []int{6, 7, 0, -1} {
		if err := Append(s, use(n, days)); err != nil {
			t.Fatal(err)
		}
	}
	if err := Append(s, use(0, 6)); err != nil { // read again, by another reader
		t.Fatal(err)
	}
	before := total(t, s)
	var starts []string
	for _, w := range before.Weeks {
		starts = append(starts, fmt.Sprint(w.Start, " ", w.Commands))
	}
	if got := strings.Join(starts, ", "); got != "2026-11-09 1, 2026-11-16 2, 2026-11-23 1" {
		t.Errorf("weeks %s", got)
	}
	if weeks, sum := before.Since(time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC)); len(weeks) != 2 || sum.Commands != 3 || sum.Clients["pip"].Used != 3 {
		t.Errorf("since: %+v", sum)
	}
	if _, err := Fold(s, all); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(total(t, s)), fmt.Sprint(before); got != want {
		t.Errorf("folded %s, want %s", got, want)
	}
	if fi, err := os.Stat(filepath.Join(s.UsageDir(), pendingName)); err != nil || fi.Size() != 0 {
		t.Errorf("pending: %v, %d bytes", err, fi.Size())
	}
}

// Killed between the weeks and the removal of what they count, nothing is counted twice, and what came
// meanwhile is counted. A torn line costs itself.
func TestFoldAgain(t *testing.T) {
	s := store(t)
	pending := filepath.Join(s.UsageDir(), pendingName)
	if err := Append(s, use(1, 0)); err != nil {
		t.Fatal(err)
	}
	lines, err := os.ReadFile(pending)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Fold(s, all); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pending, append(lines, `{"attached":"20`...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Append(s, use(2, 0)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := total(t, s).Total().Commands; got != 2 {
			t.Errorf("counted %d", got)
		}
		if _, err := Fold(s, all); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(s.UsageDir(), weeksName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Append(s, use(3, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := Fold(s, all); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("over damage: %v", err)
	}
	if b, _ := os.ReadFile(pending); len(b) == 0 {
		t.Error("what could not be counted is gone")
	}
}

func TestWeeksAreBounded(t *testing.T) {
	var f file
	for n := range maxWeeks + 30 {
		f.add(time.Date(2000, 1, 3+7*n, 0, 0, 0, 0, time.UTC).Format(time.DateOnly), Count{Commands: 1})
	}
	if len(f.Weeks.Weeks) != maxWeeks || f.Total().Commands != maxWeeks+30 {
		t.Errorf("%d weeks, %d in all", len(f.Weeks.Weeks), f.Total().Commands)
	}
}

// The naming rules of promtool check metrics: help and type before the samples, counters in _total,
// base units, labels in quotes, no name twice.
func TestMetrics(t *testing.T) {
	c, _ := stocked().Count(use(1, 0))
	seen := map[string]bool{}
	for _, count := range []Count{{}, c} {
		name := ""
		clear(seen)
		sample := regexp.MustCompile(`^(larder_[a-z_]+_total)\{[a-z]+="[a-z]+"\} \d+$`)
		for line := range strings.Lines(Metrics(count)) {
			line = strings.TrimSuffix(line, "\n")
			if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
				name, _, _ = strings.Cut(rest, " ")
				if seen[name] || !strings.HasSuffix(line, ".") {
					t.Errorf("%q", line)
				}
				seen[name] = true
				continue
			}
			if m := sample.FindStringSubmatch(line); line != "# TYPE "+name+" counter" && (m == nil || m[1] != name) {
				t.Errorf("%q after %s", line, name)
			}
		}
	}
	if len(seen) != 5 {
		t.Errorf("metrics: %v", seen)
	}
}

func TestOf(t *testing.T) {
	note := snapshot.Attached{Time: time.Unix(1, 2), Profile: "default", Mounts: []snapshot.Mounted{
		{Part: "pip", Dir: "pip", Lowers: []string{"views/pip"}}, {Part: Environment, Dir: "private", Lowers: []string{"e/eeeeeeeeeeee"}},
		{Part: Environment, Path: "/p/a/node_modules"}, {Part: Environment, Path: "/p/b/node_modules"}}} // further directories of it
	found := misses.Found{Parts: []misses.Part{{Name: "private", Misses: got(ecosystem.Installed, "x==1")}, {Name: "pip", Asked: []string{"k"}}, {Name: "stranger", Asked: []string{"k"}}}}
	u := Of(note, found, nil, time.Unix(5, 6))
	if !u.Container || len(u.Parts) != 2 || u.Parts[0].Layers != nil || len(u.Parts[0].Asked) != 1 || len(u.Parts[1].Layers) != 1 || len(u.Parts[1].Got) != 1 {
		t.Errorf("%+v", u)
	}
}
