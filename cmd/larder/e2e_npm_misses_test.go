//go:build linux

package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"

	"larder/builder/npm/npmtest"
)

// What real npm had to download comes back as names, and what it found in the view does not; a build that
// nobody gave a ranking stocks it, and then npm finds that, too.
func TestE2ENPMMisses(t *testing.T) {
	needE2E(t)
	file := func(name, version string, fields ...any) npmtest.Package {
		p := npmtest.Package{Name: name, Version: version, Files: map[string]string{"index.js": "module.exports = '" + name + " " + version + "'\n"}, Fields: map[string]any{}}
		if len(fields) > 0 {
			p.Fields["dependencies"] = fields[0]
		}
		return p
	}
	one, two := file("one", "1.0.0"), file("@s/two", "2.0.0", map[string]string{"one": "1"})
	r := npmtest.NewRegistry(t, one, two, file("@s/late", "1.0.0", map[string]string{"later": "^1.1.0"}), file("@s/late", "1.1.0", map[string]string{"later": "^1.1.0"}), file("later", "1.1.0"), file("later", "2.0.0"))
	home, dir := t.TempDir(), t.TempDir()
	env := []string{"HOME=" + home}
	registryFor(func(key, value string) { env = append(env, key+"="+value) }, r)
	p := newProgram(t).with(env...)
	lock := npmtest.Lock(t, dir, map[string]npmtest.Package{"node_modules/@s/two": two, "node_modules/one": one})
	p.must("larder", "build", "--lock", lock)
	run := func(script string) string {
		t.Helper()
		return p.must("sh", "-euc", `cd "$0" && "$1" run --required -- sh -euc "$2"`, dir, p.bin, script)
	}
	missed := func(source string) (all []string) {
		t.Helper()
		var ranking struct {
			Entries []struct {
				Project string
				Missed  []string
			}
		}
		out := p.must("larder", "rank", "--ecosystem", "npm", "--source", source, "--json")
		if err := json.Unmarshal([]byte(out), &ranking); err != nil {
			t.Fatal(err)
		}
		for _, e := range ranking.Entries {
			all = append(all, append([]string{e.Project}, e.Missed...)...)
		}
		slices.Sort(all)
		return all
	}
	r.Requests()
	run(`npm ci >&2; npm install >&2; npm cache verify >&2; npm install --prefer-offline >&2`)
	if log := r.Tarballs(); len(log) > 0 {
		t.Errorf("npm fetches %q", log)
	}
	if got := missed("misses"); len(got) > 0 {
		t.Errorf("hits are misses: %q", got)
	}
	run(`npm ci >&2; npm install --no-save @s/late@1.0.0 >&2; node -p "require('@s/late')" >&2`)
	if log := r.Tarballs(); len(log) != 2 {
		t.Errorf("npm fetches %q", log)
	}
	want := []string{"1.0.0", "1.1.0", "@s+late", "later"}
	if got := missed("misses"); !slices.Equal(got, want) {
		t.Errorf("misses are %q, want %q", got, want)
	}
	// Python's are none of npm's.
	if out := p.must("larder", "rank", "--source", "misses"); out != "" {
		t.Errorf("misses of Python: %s", out)
	}
	var stats struct {
		Count struct {
			Clients map[string]struct{ Used, Downloaded int64 }
		}
	}
	if err := json.Unmarshal([]byte(p.must("larder", "stats", "--json")), &stats); err != nil || stats.Count.Clients["npm"].Downloaded != 2 || stats.Count.Clients["npm"].Used == 0 {
		t.Errorf("%+v, %v", stats, err)
	}
	// The newest versions; with a budget those that were missed, too.
	p.must("larder", "build", "--ecosystem", "npm", "--lock", lock)
	p.must("larder", "show", "pkg:npm/@s/late@1.1.0")
	p.must("larder", "show", "pkg:npm/later@2.0.0")
	p.must("larder", "build", "--ecosystem", "npm", "--budget", "1GB", "--lock", filepath.Join(dir, "package-lock.json"))
	p.must("larder", "show", "pkg:npm/@s/late@1.0.0")
	r.Requests()
	run(`npm ci >&2; npm install --no-save @s/late@1.0.0 >&2; node -p "require('@s/late')" >&2`)
	if log := r.Tarballs(); len(log) > 0 {
		t.Errorf("what was missed is fetched again: %q", log)
	}
	p.must("larder", "verify", "--full")
}
