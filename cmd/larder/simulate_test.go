package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/builder/pypi/pypitest"
	"larder/popularity/simulate"
)

func TestSimulateRefuses(t *testing.T) {
	sets := filepath.Join(t.TempDir(), "sets.json")
	if err := os.WriteFile(sets, []byte(`[{"id":"a","category":"web","requirements":["alpha"]}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		say  string
	}{
		{[]string{"--simulate", filepath.Join(t.TempDir(), "absent")}, exitRefused, "absent"},
		{[]string{"--simulate", t.TempDir()}, exitRefused, "no *.json file"},
		{[]string{"--simulate", sets, "--budget", "5XB"}, exitUsage, "5XB"},
		{[]string{"--simulate", sets, "--explain", "six"}, exitUsage, "two questions"},
		{[]string{"--simulate", sets, "--target", "cp311-win_amd64"}, exitUsage, "win_amd64"},
		{[]string{"--simulate", sets, "--uv", "/no/such/uv"}, exitUsage, "/no/such/uv"},
		{[]string{"--budget", "5GB"}, exitUsage, "no budget"},
	} {
		out, err := rank(t, t.TempDir(), append(c.args, "--cache", t.TempDir())...)
		if exitCode(err) != c.code || !strings.Contains(err.Error(), c.say) || strings.Contains(err.Error(), "\n") || out != "" {
			t.Errorf("%v: exit %d, %v, printed %q", c.args, exitCode(err), err, out)
		}
	}
}

// simulatedUV answers as uv pip compile does, from what it is asked.
const simulatedUV = `#!/bin/sh
in=$(cat)
[ "$UV_INDEX_URL" = "$WANT_INDEX" ] || { echo "asked another index: $UV_INDEX_URL" >&2; exit 2; }
case "$in" in *beta==9*) echo "No solution found: Because beta==9 has no usable wheels and you require beta==9" >&2; exit 1;; esac
echo 'lock-version = "1.0"'
echo 'created-by = "test"'
for r in $in; do printf '[[packages]]\nname = "%s"\nversion = "%s"\n[[packages.wheels]]\nname = "%s-%s-py3-none-any.whl"\nurl = "http://files.example/%s-%s-py3-none-any.whl"\nhashes = {sha256 = "%064d"}\n' "${r%%==*}" "${r##*==}" "${r%%==*}" "${r##*==}" "${r%%==*}" "${r##*==}" 0; done
`

func TestSimulate(t *testing.T) {
	world := pypitest.NewIndex(t, pypitest.Options{})
	for patch := 1; patch <= 9; patch++ { // 1.0 is the ninth older patch of its series, which the rule does not offer
		w := pypitest.Wheel{Name: "alpha", Version: fmt.Sprintf("1.0.%d", patch)}
		world.AddFile(w.Name, pypitest.Artifact{Name: w.Filename(), Data: w.Bytes()})
	}
	for _, w := range []pypitest.Wheel{{Name: "alpha", Version: "1.0"}, {Name: "alpha", Version: "2.0"}, {Name: "beta", Version: "1.0"}, {Name: "rare", Version: "1.0"}} {
		world.AddFile(w.Name, pypitest.Artifact{Name: w.Filename(), Data: w.Bytes()})
	}
	for _, e := range world.Env() {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	t.Setenv("WANT_INDEX", world.URL())
	uv := filepath.Join(t.TempDir(), "uv")
	if err := os.WriteFile(uv, []byte(simulatedUV), 0o755); err != nil {
		t.Fatal(err)
	}
	sets := filepath.Join(t.TempDir(), "sets.json")
	text := `[{"id":"one","category":"web","requirements":["alpha==2.0","rare==1.0"]},{"id":"two","category":"web","requirements":["alpha==1.0","beta==9","rare==1.0"]},{"id":"three","category":"ml","requirements":["beta==9"]}]`
	if err := os.WriteFile(sets, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cache := t.TempDir()
	for range 2 {
		world.Reset()
		out, err := rank(t, filepath.Join(t.TempDir(), "absent"), "--simulate", sets, "--uv", uv, "--cache", cache, "--ranking", rankingFile(t, "alpha\nbeta\nother\n"), "--budget", "1GB", "--json")
		if err != nil {
			t.Fatal(err)
		}
		var got simulate.Report
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatal(err)
		}
		// alpha 2.0 is the newest and stocked, 1.0 is too old a patch of its series; rare is not ranked.
		if got.Sets != 2 || got.Wheels != 4 || len(got.Curve) != 1 || got.Curve[0].HitWheels != 0.25 || got.Curve[0].ByCategory["web"] != 0.25 {
			t.Errorf("%+v", got)
		}
		if len(got.Missed) != 2 || got.Missed[0].Project != "rare" || got.Missed[0].Sets != 2 || got.Missed[1].Version != "1.0" {
			t.Errorf("missed: %+v", got.Missed)
		}
		// The first set missed rare, which helps the second.
		if got.AfterAll[0].HitWheels != 0.75 || got.AfterOther[0].HitWheels != 0.5 {
			t.Errorf("after misses: %+v, others %+v", got.AfterAll, got.AfterOther)
		}
		// By folds: what each says adds up.
		if len(got.Folds) != 2 || got.Folds[0].Wheels+got.Folds[1].Wheels != 4 || len(got.AfterThreeAll) != 1 || got.AfterThreeAll[0].HitWheels != 0.75 || got.Other[0].HitWheels != 0 {
			t.Errorf("folds %+v; after three rounds %+v; others %+v", got.Folds, got.AfterThreeAll, got.Other)
		}
		if len(got.NeedSdist) != 1 || got.NeedSdist[0].ID != "two" || len(got.Unresolved) != 1 || got.Unresolved[0].ID != "three" {
			t.Errorf("apart: %+v, %+v", got.NeedSdist, got.Unresolved)
		}
		for _, q := range world.Requests() {
			if strings.Contains(q.Path, "other") {
				t.Errorf("asked for %s", q.Path)
			}
		}
	}
	out, err := rank(t, filepath.Join(t.TempDir(), "absent"), "--simulate", sets, "--uv", uv, "--cache", cache, "--ranking", rankingFile(t, "alpha\nbeta\n"))
	if err != nil || !strings.Contains(out, "2 sets, 4 wheels") || !strings.Contains(out, "counted apart: two asks for what has no wheel: beta==9") || !strings.Contains(out, "50 GB") ||
		!strings.Contains(out, "fold 2 of them") || !strings.Contains(out, "after three rounds") {
		t.Errorf("%v\n%s", err, out)
	}
}
