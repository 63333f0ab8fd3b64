//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/builder/npm/npmtest"
)

// scripted is a package whose scripts write down that they ran, and what they were told.
func scripted(name, version string, fields map[string]any, events ...string) npmtest.Package {
	scripts := map[string]string{}
	for _, event := range events {
		scripts[event] = `echo "$npm_lifecycle_event $npm_package_name@$npm_package_version optional=$npm_package_optional dev=$npm_package_dev $(pwd | sed s,.*/node_modules,node_modules,)" >>ran; command -v node-gyp >/dev/null && echo gyp >>ran`
	}
	all := map[string]any{"scripts": scripts, "hasInstallScript": true}
	for k, v := range fields {
		all[k] = v
	}
	return npmtest.Package{Name: name, Version: version, Files: map[string]string{"index.js": "module.exports = '" + name + "'\n"}, Fields: all}
}

// lockedProject makes a project, locks it with npm and has larder build the lock.
func lockedProject(t *testing.T, p *program, manifest string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	p.must("sh", "-euc", `cd "$0" && npm install --package-lock-only --ignore-scripts`, dir)
	p.must("larder", "build", "--lock", filepath.Join(dir, "package-lock.json"))
	return dir
}

// With --scripts run the packages' scripts run before the command, and node_modules is what npm ci leaves, file by
// file; without, none does.
func TestE2EInstallScripts(t *testing.T) {
	needE2E(t)
	in := scripted("in", "1.0.0", nil, "install")
	r := npmtest.NewRegistry(t,
		scripted("first", "1.0.0", nil, "preinstall", "install", "postinstall"),
		scripted("@s/second", "1.0.0", map[string]any{"dependencies": map[string]string{"first": "2"}, "bin": map[string]string{"second": "index.js"}}, "postinstall"),
		scripted("first", "2.0.0", nil, "install"),
		scripted("maybe", "1.0.0", nil, "postinstall"),
		scripted("bad", "1.0.0", map[string]any{"scripts": map[string]string{"postinstall": "echo once >>ran; echo says why >&2; exit 3"}}),
		scripted("quiet", "1.0.0", map[string]any{"hasInstallScript": false}),
		npmtest.Package{Name: "out", Version: "1.0.0", Fields: map[string]any{"dependencies": map[string]string{"in": "1"}, "bundleDependencies": []string{"in"}, "hasInstallScript": true},
			Files: map[string]string{"node_modules/in/package.json": in.Manifest(), "node_modules/in/index.js": "\n"}},
	)
	env := []string{"LC_ALL=C.UTF-8"}
	registryFor(func(key, value string) { env = append(env, key+"="+value) }, r)
	p := newProgram(t).with(env...)
	dir := lockedProject(t, p, `{"name": "project", "version": "1.0.0", "scripts": {"install": "echo the project >&2; exit 1"},
		"dependencies": {"first": "1", "@s/second": "1", "quiet": "1", "out": "1"}, "optionalDependencies": {"maybe": "1"}, "devDependencies": {"again": "npm:first@1"}}`)
	run := func(dir string, args ...string) (string, string, int) {
		t.Helper()
		return p.try("sh", append([]string{"-euc", `cd "$0" && larder=$1 && shift && "$larder" run --required -r package-lock.json "$@"`, dir, p.bin}, args...)...)
	}

	// The reference has no script of the project's own, which fails: nobody asked for it.
	want := p.must("sh", "-euc", `cp -r "$0" "$1" && cd "$1" && npm pkg delete scripts && npm ci >&2 && rm -f node_modules/.package-lock.json && `+nodeModules, dir, filepath.Join(t.TempDir(), "project"))
	got, errs, status := run(dir, "--scripts", "run", "--", "sh", "-euc", `rm node_modules/.package-lock.json; `+nodeModules)
	if status != 0 || got != want || strings.Count(got, "/ran f ") < 5 {
		t.Errorf("status %d, %s\nwith scripts:\n%s\nnpm ci:\n%s", status, errs, got, want)
	}
	if strings.Contains(errs, "did not run") {
		t.Errorf("it says %s", errs)
	}
	got, errs, status = run(dir, "--", "sh", "-c", "find node_modules -name ran")
	if got != "" || status != 0 || !strings.Contains(errs, "install scripts, which did not run: @s/second, first, in, maybe, out (--scripts run runs them)\n") {
		t.Errorf("without: status %d, %s%s", status, got, errs)
	}

	// What is kept has them run once.
	kept := filepath.Join(t.TempDir(), "kept")
	for n, args := range [][]string{{"--scripts", "none"}, {"--scripts", "run"}, {"--scripts", "run"}, {}} {
		want := []string{"0\n", "1\n", "1\n", "1\n"}[n]
		got, errs, status := run(dir, append(append([]string{"--instance", kept}, args...), "--", "sh", "-c", "grep -c ^postinstall node_modules/first/ran || true; true")...)
		if got = strings.TrimSpace(got) + "\n"; status != 0 || got != want && !(n == 0 && got == "\n") {
			t.Errorf("run %d of a kept instance: status %d, %q\n%s", n, status, got, errs)
		}
	}

	// One that fails is said, and the command does not run; in what is kept it is tried again.
	broken := lockedProject(t, p, `{"name": "broken", "version": "1.0.0", "dependencies": {"bad": "1"}}`)
	kept = filepath.Join(t.TempDir(), "broken")
	for range 2 {
		got, errs, status = run(broken, "--instance", kept, "--scripts", "run", "--", "echo", "ran")
		if got != "" || status != 125 || !strings.Contains(errs, "says why") || !strings.HasSuffix(errs, "larder: run install scripts: npm rebuild: exit status 3\nhint: npm rebuild's own message is above\n") {
			t.Errorf("one that fails: status %d, %s%s", status, got, errs)
		}
	}
	if got, _, _ = run(broken, "--instance", kept, "--", "cat", "node_modules/bad/ran"); got != "once\nonce\n" {
		t.Errorf("it ran %q", got)
	}
	// An optional one is said, too, and is no reason not to run.
	optional := lockedProject(t, p, `{"name": "optional", "version": "1.0.0", "dependencies": {"first": "1"}, "optionalDependencies": {"bad": "1"}}`)
	got, errs, status = run(optional, "--scripts", "run", "--", "sh", "-c", "grep -c . node_modules/first/ran; ls node_modules/bad/package.json")
	if got != "6\nnode_modules/bad/package.json\n" || status != 0 || !strings.Contains(errs, "larder: warning: run install scripts: npm rebuild: exit status 3: bad is optional, and stays as it was\n") {
		t.Errorf("an optional one that fails: status %d, %s%s", status, got, errs)
	}
	// Without npm nothing can run them.
	p = p.with("PATH=/nothing")
	if _, errs, status := p.try("larder", "run", "--required", "-r", filepath.Join(optional, "package-lock.json"), "--scripts", "run", "--", "/bin/true"); status != 125 ||
		errs != "larder: run install scripts: npm: command not found\nhint: have npm where the command's PATH finds it\n" {
		t.Errorf("without npm: status %d, %s", status, errs)
	}
}
