package simulate

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"larder/popularity"
)

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadSetsRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"not json":     "<html>",
		"an object":    `{"id":"a"}`,
		"none":         `[]`,
		"no id":        `[{"requirements":["a"]}]`,
		"no lines":     `[{"id":"a","requirements":[]}]`,
		"an option":    `[{"id":"a","requirements":["--index-url=https://evil.example"]}]`,
		"a path":       `[{"id":"a","requirements":["./evil"]}]`,
		"a url":        `[{"id":"a","requirements":["a @ https://evil.example/a.whl"]}]`,
		"a file":       `[{"id":"a","requirements":["-r /etc/passwd"]}]`,
		"two lines":    `[{"id":"a","requirements":["a\n-r b"]}]`,
		"continued":    `[{"id":"a","requirements":["a \\"]}]`,
		"a variable":   `[{"id":"a","requirements":["a==${HOME}"]}]`,
		"wrong type":   `[{"id":"a","requirements":[1]}]`,
		"one id twice": `[{"id":"a","requirements":["a"]},{"id":"a","requirements":["b"]}]`,
	} {
		_, err := ReadSets(file(t, "sets.json", text))
		if !errors.Is(err, popularity.ErrRefused) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "absent"), t.TempDir()} {
		if _, err := ReadSets(path); !errors.Is(err, popularity.ErrRefused) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestReadSets(t *testing.T) {
	dir := filepath.Dir(file(t, "b.json", `[{"id":"z","category":"web","requirements":["A.b[x]>=1 ; python_version<'3'"],"dropped":0}]`))
	if err := os.WriteFile(filepath.Join(dir, "a.json"), []byte(`[{"id":"y","requirements":["c"]}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	sets, err := ReadSets(dir)
	if err != nil || len(sets) != 2 || sets[0].ID != "y" || sets[1].Category != "web" {
		t.Errorf("%+v, %v", sets, err)
	}
}

// A resolver that says what uv says: b has no wheel, c cannot be had, the network
// fails for d.
const fakeUV = `#!/bin/sh
case "$*" in *pylock.toml*) echo run >>"$LOG";; esac
in=$(cat)
case "$in" in
*d*) echo "error: Failed to fetch: connection refused" >&2; exit 2;;
*c*) echo "  × No solution found when resolving dependencies:
  ╰─▶ Because there is no version of c==9 and you require c==9, we can conclude
      that your requirements are unsatisfiable." >&2; exit 1;;
*b*) echo "  × No solution found when resolving dependencies:
  ╰─▶ Because b==1 has no usable wheels and you require
      b==1, we can conclude that your requirements are unsatisfiable." >&2; exit 1;;
esac
echo "lock of $in"
`

func TestResolve(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	r := Resolver{UV: file(t, "uv", fakeUV), Cache: t.TempDir(), Python: "3.11", Platform: "x86_64-manylinux_2_36", Env: []string{"LOG=" + log, "PATH=" + os.Getenv("PATH")}}
	runs := func() int {
		b, _ := os.ReadFile(log)
		return strings.Count(string(b), "run")
	}
	for _, c := range []struct {
		requirements []string
		lock         string
		dropped      []string
		failed       string
		runs         int // all in all
	}{
		{[]string{"a==1"}, "lock of a==1\n", []string{}, "", 1},
		{[]string{"a==1"}, "lock of a==1\n", []string{}, "", 1}, // kept
		{[]string{"a==1", "B==1"}, "lock of a==1\n", []string{"B==1"}, "", 3},
		{[]string{"a==1", "B==1"}, "lock of a==1\n", []string{"B==1"}, "", 3},
		{[]string{"c==9"}, "", []string{}, "no version of c==9", 4},
		{[]string{"c==9"}, "", []string{}, "no version of c==9", 4},
	} {
		if c.requirements[len(c.requirements)-1] == "B==1" {
			c.requirements[1] = "b==1"
			c.dropped = []string{"b==1"}
		}
		got, err := r.Resolve(t.Context(), Set{ID: "x", Requirements: c.requirements})
		text := ""
		if got.Lock != "" {
			b, _ := os.ReadFile(got.Lock)
			text = string(b)
		}
		if err != nil || text != c.lock || !reflect.DeepEqual(got.Dropped, c.dropped) || !strings.Contains(got.Failed, c.failed) || (c.failed == "") != (got.Failed == "") || runs() != c.runs {
			t.Errorf("%v: %+v, %v, lock %q, %d runs", c.requirements, got, err, text, runs())
		}
	}
	// What the network did is no resolution, and is not kept.
	for range 2 {
		before := runs()
		if _, err := r.Resolve(t.Context(), Set{ID: "x", Requirements: []string{"d"}}); !errors.Is(err, popularity.ErrUnreachable) || strings.Contains(err.Error(), "\n") || runs() != before+1 {
			t.Errorf("network: %v", err)
		}
	}
	r.UV = filepath.Join(t.TempDir(), "absent")
	if _, err := r.Resolve(t.Context(), Set{ID: "x", Requirements: []string{"e"}}); err == nil {
		t.Error("resolved without uv")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.UV = file(t, "uv", fakeUV)
	if _, err := r.Resolve(ctx, Set{ID: "x", Requirements: []string{"f"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestMeasure(t *testing.T) {
	w := func(name string, size int64) Wheel {
		return Wheel{Project: name, Version: "1", Filename: name + "-1-py3-none-any.whl", Size: size}
	}
	sets := []Resolved{{"s1", "web", []Wheel{w("a", 10), w("b", 30)}}, {"s2", "ml", []Wheel{w("a", 10), w("c", 50)}}, {"s3", "web", []Wheel{w("c", 50)}}}
	stocked := map[string]bool{"a-1-py3-none-any.whl": true, "b-2-py3-none-any.whl": true}
	p := Measure(sets, Stock{stocked, map[string]bool{"a-1-py3-none-any.whl": true}}, 99)
	if want := (Point{99, 2, 0.4, 20.0 / 150, 0.4, map[string]float64{"web": 1.0 / 3, "ml": 0.5}}); !reflect.DeepEqual(p, want) {
		t.Errorf("%+v, want %+v", p, want)
	}
	m := Misses(sets, stocked)
	if len(m) != 2 || m[0] != (Missed{"c", "1", "c-1-py3-none-any.whl", 2, 50}) || m[1].Project != "b" {
		t.Errorf("%+v", m)
	}
	first, second := Halves(sets)
	if len(first) != 2 || first[0].ID != "s1" || first[1].ID != "s2" || second[0].ID != "s3" {
		t.Errorf("%v %v", first, second)
	}
	if p := Measure(nil, Stock{}, 0); p.HitWheels != 0 || p.HitBytes != 0 {
		t.Errorf("of nothing: %+v", p)
	}
}

func TestParseNeeds(t *testing.T) {
	got := parseNeeds([]byte("a==1\n    # via -r -\nb-c==2 ; python_version > '3'\n    # via a\nD==3\n    # via\n    #   a\n    #   b-c\n    #   d (extra)\n"))
	if want := map[string][]string{"a": {"b-c==2", "d==3"}, "b-c": {"d==3"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	// What the set asks for itself says nothing of what others get.
	if got, want := parseNeeds([]byte("d==3\n    # via\n    #   -r -\n    #   a\n")), map[string][]string{"a": {"d"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := parseNeeds([]byte("# via\n# via x\n\n\x00")); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

func TestPlatform(t *testing.T) {
	for target, want := range map[string]string{
		"cp311-manylinux_2_36_x86_64":   "x86_64-manylinux_2_36",
		"cp313t-manylinux_2_28_aarch64": "aarch64-manylinux_2_28",
		"cp312-musllinux_1_2_x86_64":    "x86_64-unknown-linux-musl",
		"cp311-linux_x86_64":            "",
		"cp311":                         "",
	} {
		if got, ok := Platform(target); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %t", target, got, ok)
		}
	}
}

// A set's fold goes by its name alone; both have about half of many.
func TestFold(t *testing.T) {
	for id, want := range map[string]int{"ml-genai-torch": 1, "llm-ai-agents-server": 2} {
		if got := Fold(id); got != want || got < 1 || got > Folds {
			t.Errorf("%s: fold %d, want %d", id, got, want)
		}
	}
	first := 0
	for i := range 1000 {
		if Fold(strconv.Itoa(i)) == 1 {
			first++
		}
	}
	if first < 400 || first > 600 {
		t.Errorf("%d of 1000 are in the first fold", first)
	}
}

// made is an index of made wheels: a budget of n takes the first n projects of the ranking.
type made struct{ sets []Resolved }

func (m made) Wheels(context.Context, []Locked) ([]Resolved, []Unstockable, error) {
	return m.sets, nil, nil
}
func (m made) Silent() int { return 0 }
func (m made) Stock(_ context.Context, entries []popularity.Entry, budget int64) (Stock, error) {
	taken := map[string]bool{}
	for _, e := range entries[:min(int(budget), len(entries))] {
		taken[e.Project+".whl"] = true
	}
	return Stock{Wheels: taken}, nil
}

// Hosts that report week by week get more with each week, where a budget has room for
// more; and a fold's figures are those of its sets, of the same stock.
func TestRunRoundsAndFolds(t *testing.T) {
	w := func(name string) Wheel { return Wheel{Project: name, Version: "1", Filename: name + ".whl", Size: 1} }
	// By fold: x1 and x3 report, x2 does not.
	index := made{[]Resolved{{"x1", "web", []Wheel{w("a"), w("b"), w("c")}}, {"x2", "web", []Wheel{w("a"), w("b")}}, {"x3", "ml", []Wheel{w("d")}}}}
	s := Simulation{
		Budgets: []int64{1, 2},
		Open:    func(context.Context, []Locked) (Index, error) { return index, nil },
		// One more of what was missed is ranked with each week.
		Rank: func(_ context.Context, log string, _ int64) ([]popularity.Entry, error) {
			entries := []popularity.Entry{{Project: "a"}}
			if log == "" {
				return entries, nil
			}
			days, err := os.ReadDir(log)
			for _, name := range []string{"b", "c", "d"}[:min(len(days), 3)] {
				entries = append(entries, popularity.Entry{Project: name})
			}
			if len(days) == 3 { // the newest first
				slices.Reverse(entries[1:])
			}
			return entries, err
		},
	}
	r, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	shares := func(points []Point) (out []float64) {
		for _, p := range points {
			out = append(out, p.HitWheels)
		}
		return out
	}
	for name, c := range map[string]struct {
		got  []Point
		want []float64
	}{
		"rankings": {r.Curve, []float64{2.0 / 6, 2.0 / 6}}, "others": {r.Other, []float64{0.5, 0.5}},
		"one": {r.AfterAll, []float64{2.0 / 6, 4.0 / 6}}, "one, others": {r.AfterOther, []float64{0.5, 1}},
		"three": {r.AfterThreeAll, []float64{2.0 / 6, 3.0 / 6}}, "three, others": {r.AfterThreeOther, []float64{0.5, 0.5}},
	} {
		if got := shares(c.got); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	sets, wheels := 0, 0
	for i, f := range r.Folds {
		if f.Fold != i+1 || len(f.Curve) != 2 || len(f.AfterThreeOther) != 2 {
			t.Errorf("fold %+v", f)
		}
		sets, wheels = sets+f.Sets, wheels+f.Wheels
		for _, s := range index.sets {
			if Fold(s.ID) == f.Fold && f.Sets == 1 && f.Curve[0].HitWheels != Measure([]Resolved{s}, Stock{Wheels: map[string]bool{"a.whl": true}}, 1).HitWheels {
				t.Errorf("fold %d: %+v", f.Fold, f.Curve[0])
			}
		}
	}
	if sets != r.Sets || wheels != r.Wheels || r.Sets != 3 || r.Wheels != 6 || len(r.Folds) != Folds {
		t.Errorf("%d sets and %d wheels in %d folds, of %d and %d", sets, wheels, len(r.Folds), r.Sets, r.Wheels)
	}
}
