//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/builder/npm/npmtest"
)

// allModules prints what nodeModules does, of each node_modules of a project that is not in another one.
const allModules = `for d in $(find . -name node_modules -prune -printf '%P\n' | LC_ALL=C sort); do echo "$d:"; (cd "$d/.." && ` + nodeModules + `); done`

// workspacesProject makes a project on a registry of its own whose workspaces want different versions of one package,
// and locks and builds it.
func workspacesProject(t *testing.T) (p *program, dir string) {
	t.Helper()
	lib := func(version string, fields map[string]any) npmtest.Package {
		return npmtest.Package{Name: "lib", Version: version, Fields: fields,
			Files: map[string]string{"index.js": "module.exports = 'lib " + version + "'\n", "cli.js": "#!/usr/bin/env node\nconsole.log('lib " + version + "')\n"}}
	}
	bin := map[string]any{"bin": map[string]string{"lib": "cli.js"}, "dependencies": map[string]string{"@s/deep": "1"}}
	r := npmtest.NewRegistry(t, lib("1.0.0", bin), lib("2.0.0", bin), lib("3.0.0", bin),
		npmtest.Package{Name: "@s/deep", Version: "1.0.0", Files: map[string]string{"index.js": "module.exports = 'deep 1'\n"}},
		npmtest.Package{Name: "@s/deep", Version: "2.0.0", Files: map[string]string{"index.js": "module.exports = 'deep 2'\n"}},
		npmtest.Package{Name: "mac", Version: "1.0.0", Fields: map[string]any{"os": []string{"darwin"}}},
		npmtest.Package{Name: "mac", Version: "2.0.0", Fields: map[string]any{"os": []string{"darwin"}}},
		scripted("first", "1.0.0", nil, "install"), scripted("first", "2.0.0", nil, "postinstall"),
		npmtest.Package{Name: "later", Version: "1.0.0", Files: map[string]string{"index.js": "module.exports = 'later'\n"}},
	)
	env := []string{"LC_ALL=C.UTF-8"}
	registryFor(func(key, value string) { env = append(env, key+"="+value) }, r)
	p = newProgram(t).with(env...)
	dir = t.TempDir()
	const try = `console.log(require('./package.json').name, require('lib'), require('@s/deep'))` + "\n"
	for name, text := range map[string]string{
		"package.json": `{"name": "project", "version": "1.0.0", "workspaces": ["packages/*", "apps/@w/deep"], "scripts": {"try": "node try.js"},
			"dependencies": {"lib": "1", "@s/deep": "2", "first": "1", "linked": "file:libs/one"}, "optionalDependencies": {"mac": "1"}}`,
		"packages/a/package.json":   `{"name": "a", "version": "1.0.0", "scripts": {"try": "node try.js && lib"}, "dependencies": {"lib": "2", "linked": "file:../../libs/two"}, "bin": {"a": "try.js"}}`,
		"packages/b/package.json":   `{"name": "@w/b", "version": "1.0.0", "scripts": {"try": "node try.js && lib"}, "dependencies": {"lib": "3", "@s/deep": "1", "a": "1", "first": "2"}}`,
		"packages/c/package.json":   `{"name": "c", "version": "1.0.0", "scripts": {"try": "node try.js && lib"}, "dependencies": {"lib": "1"}, "optionalDependencies": {"mac": "2"}}`,
		"apps/@w/deep/package.json": `{"name": "deep-app", "version": "1.0.0", "dependencies": {"lib": "2"}}`,
		"libs/one/package.json":     `{"name": "linked", "version": "1.0.0"}`,
		"libs/two/package.json":     `{"name": "linked", "version": "2.0.0", "dependencies": {"lib": "3"}}`,
		"try.js":                    try, "packages/a/try.js": "#!/usr/bin/env node\n" + try, "packages/b/try.js": try, "packages/c/try.js": try, "apps/@w/deep/try.js": try,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p.must("sh", "-euc", `cd "$0" && npm install --package-lock-only`, dir)
	p.must("larder", "build", "--lock", filepath.Join(dir, "package-lock.json"))
	return p, dir
}

// Each workspace that npm ci gives a node_modules of its own has one, name by name, and npm and node take them all for that.
func TestE2EWorkspaces(t *testing.T) {
	needE2E(t)
	p, dir := workspacesProject(t)
	run := func(script string) string {
		t.Helper()
		return p.must("sh", "-euc", `cd "$0" && "$1" run --required -r package-lock.json -- sh -euc "$2"`, dir, p.bin, script)
	}
	want := p.must("sh", "-euc", `cd "$0" && npm ci --ignore-scripts >&2 && (`+allModules+`) && find . -name node_modules -prune -exec rm -r {} +`, dir)
	for _, line := range []string{"node_modules:", "packages/a/node_modules:", "packages/b/node_modules:", "apps/@w/deep/node_modules:", "libs/two/node_modules:", ".bin/lib l 777 ../lib/cli.js"} {
		if !strings.Contains("\n"+want, "\n"+line+"\n") {
			t.Errorf("npm ci makes no %s", line)
		}
	}
	if got := run(allModules); got != want || strings.Contains(got, "packages/c/node_modules") {
		t.Errorf("mounted:\n%s\nnpm ci:\n%s", got, want)
	}
	const says = "project lib 1.0.0 deep 2\na lib 2.0.0 deep 1\nlib 2.0.0\n@w/b lib 3.0.0 deep 1\nlib 3.0.0\nc lib 1.0.0 deep 2\nlib 1.0.0\n"
	const try = `npm run -s try; for w in a @w/b c; do npm run -s -w "$w" try; done`
	if got := run(try); got != says {
		t.Errorf("the programs say\n%s, want\n%s", got, says)
	}
	scripts := p.must("sh", "-euc", `cp -r "$0" "$1" && cd "$1" && npm ci >&2 && rm node_modules/.package-lock.json && `+allModules, dir, filepath.Join(t.TempDir(), "project"))
	if got := p.must("sh", "-euc", `cd "$0" && "$1" run --required --scripts run -r package-lock.json -- sh -euc "$2"`, dir, p.bin, "rm node_modules/.package-lock.json; "+allModules); got != scripts || strings.Count(got, "first/ran f ") != 2 {
		t.Errorf("with scripts:\n%s\nnpm ci:\n%s", got, scripts)
	}
	if got := p.must("sh", "-euc", `cd "$0" && find . -name node_modules`, dir); got != "" {
		t.Errorf("left: %s", got)
	}
	if got := run("npm install --offline"); !strings.Contains(got, "up to date") {
		t.Errorf("npm install says %s", got)
	}
	run("npm ls --all >&2")
	copied := t.TempDir()
	p.must("sh", "-euc", `cp -r "$0"/. "$1"`, dir, copied)
	dir = copied
	if got := run(`npm rebuild >&2; npm install -w a later lib@3 >&2; npm ls >&2; cd packages/a; node -p "require('later') + require('lib')"; cd ../..
		npm uninstall -w @w/b lib >&2; ls packages/b/node_modules/lib 2>/dev/null || true
		npm prune >&2; npm dedupe >&2; npm ls >&2; npm ci >&2; npm run -s -w a try`); !strings.HasPrefix(got, "laterlib 3.0.0\na lib 3.0.0") {
		t.Errorf("on the mounts: %q", got)
	}
}
