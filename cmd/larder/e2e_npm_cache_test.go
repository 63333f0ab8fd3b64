//go:build linux

package main

import (
	"path/filepath"
	"strings"
	"testing"

	"larder/builder/npm/npmtest"
)

// In a command that larder runs, npm's cache has what locks named: npm ci asks the registry for nothing and
// leaves nothing but its logs. What npm does to its cache, it does to its own.
func TestE2ENPMCache(t *testing.T) {
	needE2E(t)
	one := npmtest.Package{Name: "one", Version: "1.0.0", Files: map[string]string{"index.js": "module.exports = 1\n"}}
	two := npmtest.Package{Name: "@s/two", Version: "2.0.0", Files: map[string]string{"index.js": "module.exports = 2\n"}, Fields: map[string]any{"dependencies": map[string]string{"one": "1"}}}
	late := npmtest.Package{Name: "late", Version: "1.0.0", Files: map[string]string{"index.js": "module.exports = 3\n"}}
	r := npmtest.NewRegistry(t, one, two, late)
	home, dir := t.TempDir(), t.TempDir()
	env := []string{"HOME=" + home, "npm_config_omit_lockfile_registry_resolved=false"}
	registryFor(func(key, value string) { env = append(env, key+"="+value) }, r)
	p := newProgram(t).with(env...)
	npmtest.Lock(t, dir, map[string]npmtest.Package{"node_modules/@s/two": two, "node_modules/one": one})
	// Made by npm itself, it has addresses: npm then asks for no versions.
	p.must("sh", "-euc", `cd "$0" && rm package-lock.json && npm install --package-lock-only --cache "$1"`, dir, t.TempDir())
	p.must("larder", "build", "--lock", filepath.Join(dir, "package-lock.json"))
	r.Requests()
	run := func(script string) string {
		t.Helper()
		return p.must("sh", "-euc", `cd "$0" && "$1" run --required -- sh -euc "$2"`, dir, p.bin, script)
	}
	if got := run(`npm ci >&2; node -p "require('@s/two') + require('one')"; find ~/.npm -type f -newer package-lock.json | grep -v /_logs/ || true`); got != "3\n" {
		t.Errorf("npm ci and what it leaves in its cache: %q", got)
	}
	if log := r.Requests(); len(log) > 0 {
		t.Errorf("npm ci asks for %q", log)
	}
	if got := run(`npm ci --offline >&2; npm cache verify; npm ci --offline >&2; npm cache clean --force >&2; ls ~/.npm/_cacache/content-v2 2>/dev/null || echo clean; npm ci >&2; npm install --no-save late >&2; node -p "require('late')"`); !strings.Contains(got, "Content verified: 2 (") || !strings.HasSuffix(got, "clean\n3\n") {
		t.Errorf("tidying: %s", got)
	}
	if log := r.Tarballs(); len(log) != 3 {
		t.Errorf("after npm cache clean: %q", log)
	}
	run(`rm -rf node_modules; npm ci --offline >&2`)
	if log := r.Requests(); len(log) > 0 {
		t.Errorf("another command after it asks for %q", log)
	}
	p.must("larder", "verify", "--full")
}
