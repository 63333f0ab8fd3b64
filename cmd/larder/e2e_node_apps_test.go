//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// appFiles are those of a project of real packages: a server, a linter, and a bundler whose install script matters.
var appFiles = map[string]string{
	"package.json":     `{"name": "apps", "version": "1.0.0", "dependencies": {"express": "4.21.2", "esbuild": "0.21.5"}, "devDependencies": {"eslint": "8.57.0"}}`,
	".eslintrc.json":   `{"root": true, "parserOptions": {"ecmaVersion": 2022}, "env": {"node": true}, "rules": {"no-unused-vars": "error"}}`,
	"lib/server.js":    "const http = require('http')\nconst app = require('express')()\napp.get('/', (_, res) => res.send('hello from ' + require('express/package.json').version))\nconst s = app.listen(0, () => http.get({port: s.address().port}, r => r.on('data', d => { console.log(String(d)); s.close() })))\n",
	"lib/wrong/bad.js": "const unused = 1\n",
}

// Real applications run on a mounted node_modules, as a user without rights, too, and what npm does to it ends right.
func TestE2ENodeApplications(t *testing.T) {
	needE2E(t)
	p := newProgram(t)
	user, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	// The registry is the one that the user's npm asks.
	p = p.with("npm_config_userconfig="+filepath.Join(user, ".npmrc"), "npm_config_audit=false", "npm_config_fund=false", "npm_config_update_notifier=false",
		"npm_config_omit_lockfile_registry_resolved=false", "CI=1", "NO_COLOR=1")
	dir := t.TempDir()
	for name, text := range appFiles {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p.must("sh", "-euc", `cd "$0" && npm install --package-lock-only --cache "$1"`, dir, filepath.Join(cache, "larder-npm", "cache"))
	p.must("larder", "build", "--lock", filepath.Join(dir, "package-lock.json"))
	run := func(script string, args ...string) string {
		t.Helper()
		all := append([]string{"-euc", `cd "$0" && larder=$1 script=$2 && shift 2 && "$larder" run --required -r package-lock.json "$@" -- sh -euc "$script"`, dir, p.bin, script}, args...)
		return p.must("sh", all...)
	}
	if got := run(`node lib/server.js; npx --offline eslint lib/*.js; npx --offline eslint lib/wrong && exit 1; npx --offline esbuild --version`); !strings.HasPrefix(got, "hello from 4.21.2\n") ||
		!strings.Contains(got, "no-unused-vars") || !strings.HasSuffix(got, "0.21.5\n") {
		t.Errorf("on the mount: %s", got)
	}
	// esbuild's script puts its program in the place of a script that starts it.
	if got := run(`head -c 4 node_modules/esbuild/bin/esbuild | tail -c 3; node_modules/.bin/esbuild --version`, "--scripts", "run"); got != "ELF0.21.5\n" {
		t.Errorf("with scripts: %q", got)
	}
	// All that npm does offline with what is there, on a copy: package.json is the project's own.
	p.must("chmod", "755", filepath.Dir(dir), dir)
	copied := filepath.Join(filepath.Dir(dir), "copied")
	again := filepath.Join(filepath.Dir(dir), "again") // npm changes the lock, too
	p.must("cp", "-r", dir, copied)
	p.must("cp", "-r", dir, again)
	dir = copied
	if got := run(`npm uninstall --offline esbuild >&2; ls node_modules/esbuild 2>/dev/null || echo removed
		npm ci --offline >&2; node lib/server.js
		npm cache verify | grep -c 'Content garbage' || true; npm cache clean --force >&2; ls ~/.npm/_cacache 2>/dev/null || echo cleaned; node lib/server.js`); got != "removed\nhello from 4.21.2\n0\ncleaned\nhello from 4.21.2\n" {
		t.Errorf("npm on the mount: %s", got)
	}
	// The same as another user, whose home and project are that user's.
	home := filepath.Join(filepath.Dir(dir), "home")
	p.must("mkdir", home)
	dir = again
	p.must("chown", "-R", "65534:65534", home, dir)
	p = p.with("npm_config_cache="+filepath.Join(home, ".npm"), "npm_config_userconfig=/dev/null")
	if got := run(`npm ls express >&2; npm ci --offline >&2; node lib/server.js; npm cache verify >&2; npm cache clean --force >&2; id -u; stat -c %u node_modules/express/package.json`, "--user", "65534"); !strings.HasSuffix(got, "hello from 4.21.2\n65534\n65534\n") {
		t.Errorf("as another user: %s", got)
	}
}
