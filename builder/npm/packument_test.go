package npm_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"larder/builder"
	"larder/builder/npm/npmtest"
	"larder/snapshot"
	"larder/snapshot/check"
	"larder/snapshot/image"
	shared "larder/snapshot/npm"
)

var both = []string{shared.ViewNPM, shared.ViewPackuments}

// stocked is a world with view npm of a lock of three packages.
func stocked(t *testing.T) (w *world, lock string) {
	w = newWorld(t, left, left2, scope)
	lock = npmtest.Lock(t, t.TempDir(), map[string]npmtest.Package{"node_modules/left": left2, "node_modules/@corp/right": scope, "node_modules/@corp/right/node_modules/left": left})
	w.must(lock)
	w.Requests()
	w.Packuments()
	return w, lock
}

// indexed are the entries of npm's index in a view, by address, the last of each.
func indexed(t *testing.T, img *image.Image, view string) map[string]map[string]any {
	t.Helper()
	all := map[string]map[string]any{}
	err := fs.WalkDir(img, "views/"+view+"/_cacache/index-v5", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(img, name)
		lines := strings.Split(string(text), "\n")
		var entry map[string]any
		if _, line, _ := strings.Cut(lines[len(lines)-1], "\t"); err == nil {
			err = json.Unmarshal([]byte(line), &entry)
		}
		all[entry["metadata"].(map[string]any)["url"].(string)] = entry
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return all
}

// The view has all that a registry says of each package that is stocked, by one request each; a build asks only
// whether it changed, and without the view nothing is asked and nothing of it stays.
func TestPackuments(t *testing.T) {
	w, lock := stocked(t)
	without, img := w.must(lock)
	if log := w.Requests(); len(log) > 0 || without.Answers != nil || len(indexed(t, img, shared.ViewPackuments)) > 0 {
		t.Errorf("off by default: %q, %v", log, without.Answers)
	}
	w.cfg.Views = both
	r, img := w.must(lock)
	if sent, same := w.Packuments(); !slices.Equal(sent, []string{"@corp/right", "left"}) || len(same) > 0 || len(w.Tarballs()) > 0 {
		t.Errorf("sent %q, same %q", sent, same)
	}
	if a := r.Answers[shared.ViewPackuments]; a == nil || a.Projects != 2 || a.Fetched != 2 || a.Missing != 0 || a.Bytes == 0 || a.FetchedBytes != a.Bytes {
		t.Errorf("%+v", a)
	}
	entries := indexed(t, img, shared.ViewPackuments)
	entry := entries[w.URL()+"@corp%2fright"]
	if len(entries) != 2 || entry == nil {
		t.Fatalf("%v", entries)
	}
	sums, err := shared.ParseIntegrity(entry["integrity"].(string))
	if err != nil {
		t.Fatal(err)
	}
	hex := sums[0].Hex()
	body, err := fs.ReadFile(img, "views/npm-packuments/_cacache/content-v2/sha512/"+hex[:2]+"/"+hex[2:4]+"/"+hex[4:])
	if err != nil || !strings.Contains(string(body), `"readme":"All of @corp/right"`) || entry["size"] != float64(len(body)) {
		t.Errorf("%.200s, %v, %v", body, entry, err)
	}
	meta := entry["metadata"].(map[string]any)
	if got, want := fmt.Sprint(meta["reqHeaders"], meta["resHeaders"], meta["time"]), `map[accept:application/json] map[content-type:application/json date:Tue, 01 Jan 1980 00:00:00 GMT etag:"1-all" vary:Accept] 3.155328e+11`; got != want {
		t.Errorf("%s, want %s", got, want)
	}

	// Once more nothing changed, here or in a new store; without a registry it is the same, too.
	again, _ := w.must(lock)
	if sent, same := w.Packuments(); again.Snapshot != r.Snapshot || len(sent) > 0 || len(same) != 2 || again.Answers[shared.ViewPackuments].Fetched != 0 || again.Answers[shared.ViewPackuments].FetchedBytes != 0 {
		t.Errorf("sent %q, same %q, %+v", sent, same, again.Answers)
	}
	fresh := newWorld(t)
	fresh.Registry, fresh.cfg.Ecosystems, fresh.cfg.Views = w.Registry, w.cfg.Ecosystems, both
	if other, _ := fresh.must(lock); other.Snapshot != r.Snapshot {
		t.Error("another store has another snapshot")
	}
	if sent, _ := w.Packuments(); len(sent) != 2 {
		t.Errorf("versions and packuments by %q", sent)
	}
	w.Requests()
	offline, err := w.build(lock, func(c *builder.Config) { c.Offline = true })
	if err != nil || offline.Snapshot != r.Snapshot || len(w.Requests()) > 0 || len(w.warnings) != 1 || !strings.Contains(w.warnings[0], "has of 2 packages what the registry said before: no registry is asked") {
		t.Errorf("offline: %+v, %q, %v", offline, w.warnings, err)
	}

	// What changed comes, and what has not does not.
	w.Add(pkg("left", "3.0.0"))
	changed, img := w.must(lock)
	if sent, same := w.Packuments(); changed.Snapshot == r.Snapshot || !slices.Equal(sent, []string{"left"}) || !slices.Equal(same, []string{"@corp/right"}) || changed.Answers[shared.ViewPackuments].Fetched != 1 {
		t.Errorf("sent %q, same %q, %+v", sent, same, changed.Answers)
	}
	if tag := indexed(t, img, shared.ViewPackuments)[w.URL()+"left"]["metadata"].(map[string]any)["resHeaders"].(map[string]any)["etag"]; tag != `"3-all"` {
		t.Errorf("etag %v", tag)
	}
	w.cfg.Views = []string{shared.ViewNPM}
	if off, _ := w.must(lock); off.Snapshot != without.Snapshot {
		t.Error("something of the view stays")
	}
	w.cfg.Views = []string{shared.ViewPackuments}
	if _, img := w.must(lock); len(indexed(t, img, shared.ViewNPM)) != 0 || len(indexed(t, img, shared.ViewPackuments)) != 2 {
		t.Error("the view is not one of its own")
	}
}

// What a ranking stocks has it by the request by which the version was chosen. The image can be made again of its
// manifest alone.
func TestPackumentsRanked(t *testing.T) {
	w := newWorld(t, left, left2, scope)
	w.cfg.Views = both
	// Of a lock that says all, nothing else is asked.
	_, img := w.must(w.addressed(map[string]npmtest.Package{"node_modules/@corp/right": scope}))
	if log := w.Requests(); len(log) != 2 || len(indexed(t, img, shared.ViewPackuments)) != 1 {
		t.Errorf("asked %q", log)
	}
	w.Packuments()
	_, img = w.must("", ranks(builder.Ranked{Projects: []string{"left"}}))
	if sent, same := w.Packuments(); !slices.Equal(sent, []string{"left"}) || len(same) > 0 || len(indexed(t, img, shared.ViewPackuments)) != 1 {
		t.Errorf("sent %q, same %q", sent, same)
	}
	id, err := w.store.Current()
	if err == nil {
		err = os.Remove(w.store.ImagePath(id))
	}
	if err != nil {
		t.Fatal(err)
	}
	report, err := builder.Repair(t.Context(), w.cfg)
	if sent, same := w.Packuments(); err != nil || len(report.Left) > 0 || len(report.Mended) != 1 || len(sent)+len(same) > 0 {
		t.Errorf("%+v, %v; sent %q, same %q", report, err, sent, same)
	}
}

// A packument that is of no use is left out with one line, and all else is stocked; where the registry only
// fails, what it said before stays.
func TestPackumentFaults(t *testing.T) {
	text := func(kind, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("ETag", `"x"`)
			fmt.Fprint(w, text)
		}
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	const kind = "application/json"
	for name, c := range map[string]struct {
		fault http.HandlerFunc
		says  string
		stays bool // what was said before
	}{
		"gone":        {status(404), "left (read versions of left: status 404 not found", false},
		"forbidden":   {status(403), "left (read versions of left: the index refuses it (status 403)", false},
		"failing":     {status(503), "status 503", true},
		"login":       {status(401), "status 401", true},
		"broken":      {text(kind, `{"name":"left","versions":{`), "not a registry's answer", true},
		"more":        {text(kind, `{"name":"left","versions":{}} {}`), "not a registry's answer", true},
		"another's":   {text(kind, `{"name":"right","versions":{}}`), `and names "right"`, true},
		"a page":      {text("text/html", `<html>`), `it is of type "text/html"`, true},
		"signed":      {text(kind, `{"name":"left","versions":{"1.0.0":{"dist":{"tarball":"https://registry.example/left.tgz?token=s3cret"}}}}`), "left (addresses in it have a user or a query", false},
		"with a user": {text(kind, `{"name":"left","versions":{"1.0.0":{"dist":{"tarball":"https://u:s3cret@registry.example/left.tgz"}}}}`), "left (addresses in it have a user or a query", false},
		"long": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Vary", strings.Repeat("x", 2048))
			text(kind, `{"name":"left","versions":{}}`)(w, r)
		}, "left (its headers have more than 2048 bytes)", false},
		"not to be had": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "private, No-Store")
			text(kind, `{"name":"left","versions":{}}`)(w, r)
		}, "left (the registry says no-store)", false},
	} {
		t.Run(name, func(t *testing.T) {
			w, lock := stocked(t)
			w.cfg.Views = both
			build := func(entries int, says string) {
				t.Helper()
				r, err := w.build(lock)
				if err != nil || len(w.warnings) != 1 || !strings.Contains(w.warnings[0], says) || strings.Contains(w.warnings[0], "\n") || strings.Contains(w.warnings[0], "s3cret") {
					t.Fatalf("%q, want %s; %v", w.warnings, says, err)
				}
				img := w.open(r)
				if got := indexed(t, img, shared.ViewPackuments); len(got) != entries || len(indexed(t, img, shared.ViewNPM)) != 3 {
					t.Errorf("the view has %v", got)
				}
				if m, err := fs.ReadFile(img, snapshot.ManifestPath); err != nil || strings.Contains(string(m), "s3cret") {
					t.Errorf("the manifest: %s, %v", m, err)
				}
			}
			w.Fault("/left", c.fault)
			build(1, c.says)
			w.Fault("/left", nil)
			if _, err := w.build(lock); err != nil || len(w.warnings) > 0 {
				t.Fatal(w.warnings, err)
			}
			w.Fault("/left", c.fault)
			if c.stays {
				build(2, "has of 1 packages what the registry said before: read versions of left: ")
			} else {
				build(1, c.says)
			}
		})
	}
}

// Of a registry that says nothing by which npm could ask again, the view is for who does not ask; that is said.
func TestPackumentsWithoutValidators(t *testing.T) {
	w, lock := stocked(t)
	w.cfg.Views = both
	w.Say(map[string]string{"ETag": ""})
	for range 2 {
		r, err := w.build(lock)
		if a := r.Answers[shared.ViewPackuments]; err != nil || a.Fetched != 2 || len(w.warnings) != 1 || !strings.Contains(w.warnings[0], "of 2 packages the registry says neither an ETag nor a Last-Modified") {
			t.Errorf("%+v, %q, %v", a, w.warnings, err)
		}
	}
}

// What is damaged is had again while the registry says the same; else by the next build. What is revoked is
// gone from the view.
func TestPackumentRepairAndRevoke(t *testing.T) {
	w, lock := stocked(t)
	w.cfg.Views = both
	r, img := w.must(lock)
	damage := func() {
		t.Helper()
		entry := indexed(t, img, shared.ViewPackuments)[w.URL()+"left"]
		sums, err := shared.ParseIntegrity(entry["integrity"].(string))
		if err != nil {
			t.Fatal(err)
		}
		hex := sums[0].Hex()
		o, _, ok := img.Object("views/npm-packuments/_cacache/content-v2/sha512/" + hex[:2] + "/" + hex[2:4] + "/" + hex[4:])
		if !ok {
			t.Fatal("no content")
		}
		if err := os.Remove(filepath.Join(w.store.ObjectsDir(), o.Path())); err != nil {
			t.Fatal(err)
		}
	}
	damage()
	w.Packuments()
	report, err := builder.Repair(t.Context(), w.cfg)
	if sent, same := w.Packuments(); err != nil || len(report.Left) > 0 || len(w.warnings) > 0 || len(sent) > 0 || !slices.Equal(same, []string{"left"}) {
		t.Fatalf("%+v, %q, %v; sent %q, same %q", report, w.warnings, err, sent, same)
	}
	if again, _ := w.must(lock); again.Snapshot != r.Snapshot {
		t.Error("after the repair it is another snapshot")
	}
	damage()
	if again, err := w.build(lock); err != nil || again.Snapshot != r.Snapshot || len(w.warnings) > 0 {
		t.Errorf("a build after damage: %+v, %q, %v", again, w.warnings, err)
	}
	damage()
	w.Add(pkg("left", "3.0.0"))
	w.warnings = nil
	if report, err = builder.Repair(t.Context(), w.cfg); err != nil || len(report.Left) == 0 || len(w.warnings) != 1 || !strings.Contains(w.warnings[0], "what the registry said of left, in view npm-packuments, is damaged and cannot be had again: the registry says something else by now") {
		t.Errorf("%+v, %q, %v", report, w.warnings, err)
	}
	if changed, err := w.build(lock); err != nil || changed.Snapshot == r.Snapshot {
		t.Errorf("%+v, %v", changed, err)
	}
	w.Requests()
	revoked, err := builder.Revoke(t.Context(), w.cfg, snapshot.Denial{Project: "@corp+right", Reason: "test"}, false)
	if err != nil || len(w.Requests()) > 0 {
		t.Fatalf("%+v, %v", revoked, err)
	}
	now := w.open(&builder.Report{Snapshot: revoked.Snapshot})
	if got := indexed(t, now, shared.ViewPackuments); len(got) != 1 || got[w.URL()+"left"] == nil {
		t.Errorf("after revoke the view has %v", got)
	}
	id, err := w.store.Current()
	if err != nil {
		t.Fatal(err)
	}
	found, err := check.Run(t.Context(), w.store, []snapshot.ID{id}, check.Options{Full: true})
	if err != nil || len(found.Findings) > 0 {
		t.Errorf("%+v, %v", found, err)
	}
}
