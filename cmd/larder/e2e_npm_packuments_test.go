//go:build linux

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"larder/builder/npm/npmtest"
	"larder/snapshot/npm"
)

// A command that names view npm-packuments beside view npm installs without a lock: online npm asks once for each
// package and gets nothing of what has not changed, offline it asks for nothing. One that does not name it has it not.
func TestE2ENPMPackuments(t *testing.T) {
	needE2E(t)
	one := npmtest.Package{Name: "one", Version: "1.0.0", Files: map[string]string{"index.js": "module.exports = 1\n"}}
	two := npmtest.Package{Name: "@s/two", Version: "2.0.0", Files: map[string]string{"index.js": "module.exports = 2\n"}, Fields: map[string]any{"dependencies": map[string]string{"one": "1"}}}
	r := npmtest.NewRegistry(t, one, two)
	home, dir, locked := t.TempDir(), t.TempDir(), t.TempDir()
	env := []string{"HOME=" + home}
	registryFor(func(key, value string) { env = append(env, key+"="+value) }, r)
	p := newProgram(t).with(env...)
	lock := npmtest.Lock(t, locked, map[string]npmtest.Package{"node_modules/@s/two": two, "node_modules/one": one})
	p.must("larder", "build", "--lock", lock, "--view", npm.ViewNPM, "--view", npm.ViewPackuments)
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"name":"p","version":"1.0.0"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	r.Requests()
	run := func(script string, args ...string) string {
		t.Helper()
		all := append([]string{"-euc", `cd "$0" && larder=$1 script=$2 && shift 2 && "$larder" run --required "$@" -- sh -euc "$script"`, dir, p.bin, script + `; rm -rf node_modules`}, args...)
		return p.must("sh", all...)
	}
	views := []string{"--view", npm.ViewNPM, "--view", npm.ViewPackuments}
	const install, use = `npm install --no-save --no-package-lock @s/two >&2`, `; node -p "require('@s/two') + require('one')"`
	all := []string{"@s/two", "one"}
	asked := func(what string, sent, same []string) {
		t.Helper()
		gotSent, gotSame := r.Packuments()
		if log := r.Tarballs(); !slices.Equal(gotSent, sent) || !slices.Equal(gotSame, same) || len(log) > 0 {
			t.Errorf("%s: sent %q, same %q, tarballs %q", what, gotSent, gotSame, log)
		}
	}
	r.Packuments()
	run(install + use)
	asked("where nobody names it", all, nil)
	got := run(install+use+`; find ~/.npm -type f -newer package.json | sed "s|$HOME/.npm/||; /^_logs/d; /^_update/d; s|/.*/.*||" | sort | uniq -c | tr -s " "`, views...)
	asked("npm install", nil, all)
	if want := "3\n 2 _cacache\n"; got != want { // buckets of the index, no content
		t.Errorf("npm install says and leaves %q, want %q", got, want)
	}
	if got := run(install+` --prefer-offline`+use+`; rm -r node_modules; `+install+` --offline`+use, views...); got != "3\n3\n" {
		t.Errorf("offline: %q", got)
	}
	asked("offline", nil, nil)
	if got := run(`npm cache verify; `+install+` --offline`+use+`; npm cache clean --force >&2; rm -r node_modules; npm install --no-save --no-package-lock --offline @s/two >&2 || echo clean`, views...); !strings.Contains(got, "Content verified: 4 (") || strings.Contains(got, "garbage") || !strings.HasSuffix(got, "3\nclean\n") {
		t.Errorf("tidying: %s", got)
	}
	run(install+` --offline`, views...)
	asked("another command after npm cache clean", nil, nil)
	p.must("larder", "verify", "--full")
}
