//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"larder/builder/npm/npmtest"
)

// addNode adds the host's node and npm to a root file system.
func (w *world) addNode() {
	w.t.Helper()
	script := `set -eu
put() { mkdir -p "$1$(dirname "$2")"; cp -L "$2" "$1$2"; }
node=$(readlink -f "$(command -v node)"); npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
for f in "$node" /usr/bin/env $(ldd "$node" /usr/bin/env | grep -o '/[^ ]*' | grep -v : | sort -u); do put "$0" "$f"; done
mkdir -p "$0/usr/lib/node_modules" "$0/usr/bin"; cp -r "$npm" "$0/usr/lib/node_modules/npm"
[ "$node" = /usr/bin/node ] || ln -sf "$node" "$0/usr/bin/node"
ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$0/usr/bin/npm"
[ ! -e /usr/bin/ldd ] || put "$0" /usr/bin/ldd`
	if out, err := exec.Command("sh", "-c", script, w.rootfs).CombinedOutput(); err != nil {
		w.t.Fatalf("%v: %s", err, out)
	}
}

// A container of node gets the node_modules of its profile's lock, which node and npm take for what npm ci
// leaves, and npm's cache, with which npm ci needs no network. Neither the host nor the next container sees what it does.
func TestE2ERuncNode(t *testing.T) {
	a := npmtest.Package{Name: "a", Version: "1.0.0", Files: map[string]string{"index.js": "module.exports = 'a ' + require('@s/b')\n", "cli.js": "#!/usr/bin/env node\nconsole.log('ran')\n"},
		Fields: map[string]any{"dependencies": map[string]string{"@s/b": "2"}, "bin": map[string]string{"a": "cli.js"}}}
	b := npmtest.Package{Name: "@s/b", Version: "2.0.0", Files: map[string]string{"index.js": "module.exports = 'b'\n"}}
	project := filepath.Join(t.TempDir(), "app")
	w := newWorld(t, fmt.Sprintf("[profile.app]\nlock = %q\nvenv = \"/srv/app/node_modules\"\n", filepath.Join(project, "package-lock.json")))
	w.addNode()
	r := npmtest.NewRegistry(t, a, b)
	larder := filepath.Join(t.TempDir(), "larder")
	must(t, os.MkdirAll(project, 0o755))
	must(t, os.WriteFile(filepath.Join(project, "package.json"), []byte(`{"name": "app", "version": "1.0.0", "dependencies": {"a": "1"}}`), 0o644))
	for _, command := range [][]string{
		{"go", "build", "-tags", "urfave_cli_no_docs", "-o", larder, "larder/cmd/larder"},
		{"sh", "-c", `cd "$0" && npm install --package-lock-only`, project},
		{larder, "--store", w.store, "build", "--lock", filepath.Join(project, "package-lock.json")},
	} {
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Env = append(os.Environ(), "npm_config_registry="+r.URL(), "npm_config_audit=false", "npm_config_update_notifier=false", "npm_config_omit_lockfile_registry_resolved=false", "npm_config_cache="+t.TempDir())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", command, err, out)
		}
	}
	for _, uid := range []int{0, 1000} {
		srv := filepath.Join(w.rootfs, "srv/app")
		must(t, os.RemoveAll(srv))
		must(t, os.MkdirAll(srv, 0o755))
		for _, name := range []string{"package.json", "package-lock.json"} {
			data, err := os.ReadFile(filepath.Join(project, name))
			must(t, err)
			must(t, os.WriteFile(filepath.Join(srv, name), data, 0o644))
			must(t, os.Chown(filepath.Join(srv, name), uid, uid))
		}
		must(t, os.Chown(srv, uid, uid))
		const script = `set -e; cd /srv/app; node -p "require('a')"; node_modules/.bin/a; stat -c %u node_modules/a/index.js
npm ls --all | grep -c b@2; npm install --offline | grep -o 'up to date'; echo x >node_modules/a/new
npm ci --offline >&2; ls node_modules/a; node -p "require('a')"; npm cache verify | grep -c 'Content verified: 2'; npm cache clean --force >/dev/null 2>&1`
		s := w.spec(script, "--profile", "app", "--required")
		s.Process.Env = []string{"PATH=/usr/bin:/bin", "npm_config_update_notifier=false", "npm_config_audit=false", "CI=1"}
		s.Process.User = specs.User{UID: uint32(uid), GID: uint32(uid)}
		before := w.host()
		out := w.output(fmt.Sprint("node-", uid), s)
		if want := fmt.Sprintf("a b\nran\n%d\n1\nup to date\ncli.js\nindex.js\npackage.json\na b\n1\n", uid); out != want {
			t.Errorf("as %d it printed %q, want %q; the hook says %s", uid, out, want, w.logged())
		}
		w.unchanged(before)
		if _, err := os.Lstat(filepath.Join(srv, "node_modules/a")); err == nil || strings.Contains(w.logged(), "without") {
			t.Errorf("it left something: %v, %s", err, w.logged())
		}
	}
	if log := r.Tarballs(); len(log) != 2 {
		t.Errorf("fetched: %q", log)
	}
}
