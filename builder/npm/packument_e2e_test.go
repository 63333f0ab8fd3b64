package npm_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	shared "larder/snapshot/npm"
)

// With both views npm installs without a lock, is told by the registry that nothing changed, and fetches
// nothing; with --prefer-offline and --offline it does not even ask. What changed it gets, whatever was stocked.
func TestE2EPackuments(t *testing.T) {
	for _, c := range clients(t) {
		t.Run("npm "+c.version, func(t *testing.T) {
			w := newWorld(t, odd()...)
			w.Say(map[string]string{"Cache-Control": "public, max-age=300"}) // as the public ones do
			c := c.with(t, "npm_config_registry="+w.URL())
			project := func(dependencies string) string {
				dir := t.TempDir()
				if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"name":"p","version":"1.0.0","dependencies":`+dependencies+`}`), 0o644); err != nil {
					t.Fatal(err)
				}
				return dir
			}
			const needs = `{"odd":"1.0.0","left":"2.0.0"}`
			dir, own := project(needs), t.TempDir()
			c.must(dir, own, "install", "--package-lock-only")
			lock := filepath.Join(dir, "package-lock.json")
			w.cfg.Views = both
			_, img := w.must(lock)
			packages := []string{"@corp/right", "left", "odd"} // of "in", which is bundled, nothing is asked

			// Our entries are npm's own, but for when they came.
			ours, theirs := indexed(t, img, shared.ViewPackuments), entriesIn(t, own)
			for _, name := range packages {
				address := w.URL() + strings.Replace(name, "/", "%2f", 1)
				a, b := entryText(t, ours[address]), entryText(t, theirs[address])
				if a != b || a == "none" {
					t.Errorf("%s:\nours  %s\nnpm's %s", name, a, b)
				}
			}

			quiet := func(what, cache, dir string, args ...string) {
				t.Helper()
				w.Requests()
				c.must(dir, cache, args...)
				if log := w.Requests(); len(log) > 0 {
					t.Errorf("%s asks for %q", what, log)
				}
			}
			cache := view(t, img, shared.ViewPackuments)
			quiet("--prefer-offline", cache, project(needs), "install", "--prefer-offline")
			quiet("--offline", cache, project(needs), "install", "--offline")
			quiet("by name", cache, project(`{}`), "install", "odd", "--offline")
			if out := c.must(dir, cache, "cache", "verify"); !strings.Contains(out, "Content verified: 7 (") || strings.Contains(out, "Corrupted") || strings.Contains(out, "garbage-collected") {
				t.Errorf("npm cache verify says %s", out)
			}
			quiet("after npm cache verify", cache, project(needs), "install", "--offline")

			// Online each is asked for once, by its ETag; then npm has the registry's own date, and asks no more for as
			// long as the registry said.
			cache, dir = view(t, img, shared.ViewPackuments), project(needs)
			w.Packuments()
			c.must(dir, cache, "install")
			if sent, same := w.Packuments(); len(sent) > 0 || !slices.Equal(same, packages) || len(w.Tarballs()) > 0 {
				t.Errorf("npm install: sent %q, same %q", sent, same)
			}
			quiet("a second one", cache, project(needs), "install")
			c.must(dir, cache, "view", "left", "version")
			c.must(dir, cache, "outdated")
			if _, same := w.Packuments(); !slices.Contains(same, "left") {
				t.Errorf("npm view: same %q", same)
			}

			// Without the view, all of it comes; the test can fail.
			c.must(project(needs), view(t, img), "install")
			if sent, same := w.Packuments(); !slices.Equal(sent, packages) || len(same) > 0 || len(w.Tarballs()) > 0 {
				t.Errorf("without the view: sent %q, same %q", sent, same)
			}

			// A new release is seen, and only its own package comes again.
			w.Add(pkg("left", "2.1.0"))
			dir = project(`{"odd":"1.0.0","left":"^2.0.0"}`)
			c.must(dir, view(t, img, shared.ViewPackuments), "install")
			sent, same := w.Packuments()
			if text, err := os.ReadFile(filepath.Join(dir, "node_modules", "left", "index.js")); err != nil || string(text) != "left 2.1.0\n" || !slices.Equal(sent, []string{"left"}) || !slices.Equal(same, []string{"@corp/right", "odd"}) {
				t.Errorf("a new release: %q, %v; sent %q, same %q", text, err, sent, same)
			}

			// Of a registry without validators npm gets all anew, and with --prefer-offline nothing.
			w.Say(map[string]string{"ETag": ""})
			r, err := w.build(lock)
			if err != nil || len(w.warnings) != 1 {
				t.Fatalf("%+v, %q, %v", r, w.warnings, err)
			}
			cache = view(t, w.open(r), shared.ViewPackuments)
			quiet("--prefer-offline without validators", cache, project(needs), "install", "--prefer-offline")
			w.Packuments()
			c.must(project(needs), cache, "install")
			if sent, same := w.Packuments(); !slices.Equal(sent, packages) || len(same) > 0 {
				t.Errorf("without validators: sent %q, same %q", sent, same)
			}
			c.must(dir, cache, "cache", "clean", "--force")
		})
	}
}

// entriesIn are those of npm's own cache, by address, the last of each.
func entriesIn(t *testing.T, cache string) map[string]map[string]any {
	t.Helper()
	all := map[string]map[string]any{}
	err := filepath.WalkDir(filepath.Join(cache, "_cacache", "index-v5"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		lines := strings.Split(string(text), "\n")
		var entry map[string]any
		if _, line, _ := strings.Cut(lines[len(lines)-1], "\t"); err == nil {
			err = json.Unmarshal([]byte(line), &entry)
		}
		all[entry["metadata"].(map[string]any)["url"].(string)] = entry
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// entryText is an entry but for when it came.
func entryText(t *testing.T, entry map[string]any) string {
	t.Helper()
	if entry == nil {
		return "none"
	}
	delete(entry, "time")
	meta := entry["metadata"].(map[string]any)
	delete(meta, "time")
	delete(meta["resHeaders"].(map[string]any), "date")
	return fmt.Sprint(entry)
}
