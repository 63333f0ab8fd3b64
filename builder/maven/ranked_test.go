package maven_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"larder/builder"
	"larder/builder/fetch"
	"larder/builder/maven"
	"larder/builder/maven/maventest"
	"larder/builder/maven/settings"
	"larder/popularity"
	"larder/snapshot"
)

// ranks has a build stock releases by a ranking.
func ranks(budget int64, entries ...popularity.Entry) func(*builder.Config) {
	r := builder.Ranked{Budget: budget, Entries: map[string]popularity.Entry{}}
	for _, e := range entries {
		r.Projects, r.Entries[e.Project] = append(r.Projects, e.Project), e
	}
	return func(c *builder.Config) { c.Locks, c.Ranked = nil, map[string]builder.Ranked{"maven": r} }
}

// entry is a project with versions, each perhaps with a file: "1.0/left-1.0.jar".
func entry(project string, versions ...string) popularity.Entry {
	e := popularity.Entry{Project: project}
	for _, v := range versions {
		version, file, _ := strings.Cut(v, "/")
		e.Versions = append(e.Versions, popularity.Version{Version: version, File: file, Count: 1})
	}
	return e
}

func paths(w *world, snapshot string) (names []string) {
	for name := range w.view(w.image(snapshot)) {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Of a ranked version the POM is stocked with the files that containers downloaded; where none is known, with its jar
// if there is one. What cannot be had is skipped, with the reason, and what was taken is held.
func TestRanking(t *testing.T) {
	w := newWorld(t, parent, left, left2, right)
	entries := []popularity.Entry{
		entry("org.corp:left", "1.0/left-1.0-linux-x86_64.jar", "1.0/left-1.0.pom", "2.0", "9.9"), entry("org.corp:parent", "3/parent-3.pom"),
		entry("com.other:right.js"), entry("org.corp:none", "1", "1/none-1.jar"), {Project: "org.corp:pinned", Pins: []string{"1"}, Versions: []popularity.Version{{Version: "2"}}},
	}
	r, _ := w.must(ranks(0, entries...))
	want := []string{maventest.Path(left.ID, "-linux-x86_64.jar"), maventest.Path(left.ID, ".pom"), maventest.Path(left2.ID, ".jar"), maventest.Path(left2.ID, ".pom"), maventest.Path(parent.ID, ".pom")}
	if got := paths(w, r.Snapshot); !slices.Equal(got, want) {
		t.Errorf("stocked %q", got)
	}
	if len(w.warnings) > 0 {
		t.Errorf("%q", w.warnings)
	}
	var skips []string
	for _, s := range r.Skipped {
		skips = append(skips, s.Project+" "+s.Version+": "+s.Reason)
	}
	if want := []string{"com.other:right.js : no version of it is known: a ranking names it as GROUP:ARTIFACT:VERSION", "org.corp:left 9.9: the repository has no version 9.9 of it",
		"org.corp:none 1: the repository has no version 1 of it", "org.corp:pinned 1: the repository has no version 1 of it"}; !slices.Equal(skips, want) {
		t.Errorf("skipped %q", skips)
	}
	// What a list names, or a pin, keeps its jar when a container downloads another file of it.
	jar, native := maventest.Path(left.ID, ".jar"), maventest.Path(left.ID, "-linux-x86_64.jar")
	for _, e := range []popularity.Entry{entry("org.corp:left", "1.0", "1.0/left-1.0-linux-x86_64.jar"),
		{Project: "org.corp:left", Pins: []string{"1.0"}, Versions: []popularity.Version{{Version: "1.0", File: "left-1.0-linux-x86_64.jar"}}}} {
		both, _ := newWorld(t, left).must(ranks(0, e))
		if both.Wheels != 3 {
			t.Errorf("%+v: %d files, and not POM, %s and %s", e, both.Wheels, jar, native)
		}
	}
	// A jar without its POM, and a file that another repository has.
	odd := newWorld(t, left2)
	odd.Put(maventest.Path(left2.ID, ".pom"), nil)
	alone, _ := odd.must(ranks(0, entry("org.corp:left", "2.0/left-2.0.jar", "2.0/left-2.0-mac.jar")))
	if got := paths(odd, alone.Snapshot); !slices.Equal(got, []string{maventest.Path(left2.ID, ".jar")}) || len(alone.Skipped) > 0 {
		t.Errorf("stocked %q, %+v", got, alone.Skipped)
	}
	if len(odd.warnings) == 0 || !strings.HasSuffix(odd.warnings[0], "pkg:maven/org.corp/left@2.0: the repository has no left-2.0-mac.jar, which a container downloaded") {
		t.Errorf("%q", odd.warnings)
	}
	held, err := w.store.Firsts("maven")
	if err != nil || len(held) != len(want) || held[want[0]].SHA256 != snapshot.Sum([]byte("native")) {
		t.Errorf("%+v, %v", held, err)
	}
	// Again, and on another store, it is the same; what is there is not asked for.
	w.Requests()
	again, _ := w.must(ranks(0, entries...), func(c *builder.Config) { c.Jobs = 1 })
	if again.Snapshot != r.Snapshot || again.FetchedBytes > 0 || len(w.Fetched()) > 0 {
		t.Errorf("%+v", again)
	}
	fresh := newWorld(t)
	fresh.cfg.Ecosystems = w.cfg.Ecosystems
	if other, _ := fresh.must(ranks(0, entries...)); other.Snapshot != r.Snapshot {
		t.Error("another store has another snapshot")
	}
	// Beside a project, each file once.
	w.asks = filesOf(left, right)
	both, _ := w.must(ranks(0, entries...), func(c *builder.Config) { c.Locks = []string{w.pom} })
	if got := paths(w, both.Snapshot); len(got) != len(want)+len(filesOf(left, right))-2 {
		t.Errorf("with a project: %q", got)
	}
	fresh = newWorld(t) // whichever of them asks first
	fresh.cfg.Ecosystems, w.asks = w.cfg.Ecosystems, filesOf(left, right)
	if other, _ := fresh.must(ranks(0, entries...), func(c *builder.Config) { c.Locks = []string{w.pom} }); other.Snapshot != both.Snapshot {
		t.Error("another store has another snapshot of both")
	}
	// A dry run lists it with the sizes, and takes nothing.
	empty := newWorld(t)
	empty.cfg.Ecosystems = w.cfg.Ecosystems
	plan, err := empty.build(ranks(0, entries...), func(c *builder.Config) { c.DryRun = true })
	if err != nil || len(plan.Plan) != len(want) || plan.Plan[len(want)-1].Size != int64(len("native")) {
		t.Errorf("%+v, %v", plan, err)
	}
	if held, err := empty.store.Firsts("maven"); err != nil || len(held) > 0 {
		t.Errorf("%v, %v", held, err)
	}
	if _, err := w.build(ranks(0, entries...), func(c *builder.Config) { c.Offline, c.Force = true, true }); err != nil {
		t.Errorf("offline: %v", err)
	}
}

// A budget takes releases in the order of the ranking.
func TestBudget(t *testing.T) {
	w := newWorld(t, left, left2, right)
	var size int64
	for _, name := range []string{".pom", ".jar"} {
		size += int64(len(left2.Files()[maventest.Path(left2.ID, name)]))
	}
	entries := []popularity.Entry{entry("org.corp:left", "2.0"), entry("com.other:right.js", "1.0+b")}
	r, _ := w.must(ranks(size, entries...))
	if got := paths(w, r.Snapshot); !slices.Equal(got, filesOf(left2)) || r.Budget == nil || r.Budget.Disk != size || r.Budget.LeftOut != 2 {
		t.Errorf("stocked %q, %+v", got, r.Budget)
	}
	if _, err := w.build(ranks(10, entries...)); !errors.Is(err, builder.ErrBudget) || !strings.Contains(err.Error(), "a budget of 10 B takes no file: the first one, left-2.0.") {
		t.Error(err)
	}
}

// A ranked release is what it was first, whatever the repository says now, and whoever is asked; a checksum that is
// wrong, or none, is why it is skipped.
func TestRankingHeld(t *testing.T) {
	w := newWorld(t, left2, right)
	jar := maventest.Path(left2.ID, ".jar")
	w.must(ranks(0, entry("org.corp:left", "2.0")))
	other := maventest.NewRepository(t, left2, right)
	other.Put(jar, []byte("another"))
	fresh := newWorld(t)
	fresh.store = w.store
	fresh.cfg.Store = w.store
	fresh.cfg.Ecosystems = []builder.Ecosystem{maven.EcosystemOf(settings.Config{Repository: other.URL(), Access: fetch.Access{Retries: -1}}, w.ask)}
	// While it is there, nobody is asked.
	r, _ := fresh.must(ranks(0, entry("org.corp:left", "2.0")))
	if got := string(fresh.view(fresh.image(r.Snapshot))[jar]); got != string(left2.Files()[jar]) {
		t.Errorf("%q", got)
	}
	removeObject(t, w.store, left2.Files()[jar])
	r, err := fresh.build(ranks(0, entry("org.corp:left", "2.0"), entry("com.other:right.js", "1.0+b")))
	if err != nil || len(r.Skipped) != 1 || !strings.Contains(r.Skipped[0].Reason, "left-2.0.jar of org.corp:left:2.0 is not what it was on ") {
		t.Errorf("%+v, %v", r, err)
	}
	for name, c := range map[string]struct{ path, text, says string }{
		"other bytes": {jar, "another", "bytes differ from what the index published"},
		"no checksum": {jar + ".sha1", "", "and no checksum that counts"},
		"a page":      {jar + ".sha1", "<html>", "not a checksum that counts"},
	} {
		w := newWorld(t, left2, right)
		w.Fault(c.path, func(rw http.ResponseWriter, _ *http.Request) {
			if c.text == "" {
				rw.WriteHeader(http.StatusNotFound)
			}
			fmt.Fprint(rw, c.text)
		})
		r, err := w.build(ranks(0, entry("org.corp:left", "2.0"), entry("com.other:right.js", "1.0+b")))
		if err != nil || len(r.Skipped) != 1 || !strings.Contains(r.Skipped[0].Reason, c.says) || strings.Contains(r.Skipped[0].Reason, "\n") {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// What is revoked by its bytes is not stocked, also where these are known only once they came; what its version has
// beside it is.
func TestRankingRevoked(t *testing.T) {
	for _, name := range []string{".jar", ".pom"} {
		w := newWorld(t, left2, right)
		entries := []popularity.Entry{entry("org.corp:left", "2.0"), entry("com.other:right.js", "1.0+b")}
		denied := maventest.Path(left2.ID, name)
		if _, err := builder.Revoke(t.Context(), w.cfg, snapshot.Denial{SHA256: snapshot.Sum(left2.Files()[denied])}, false); err != nil {
			t.Fatal(err)
		}
		want := slices.DeleteFunc(filesOf(left2, right), func(path string) bool { return path == denied })
		first, err := w.build(ranks(0, entries...))
		if err != nil || !slices.Equal(paths(w, first.Snapshot), want) || len(first.Skipped) != 1 || !strings.Contains(first.Skipped[0].Reason, "revoked") {
			t.Fatalf("%s: %+v, %v", name, first, err)
		}
		// One that the store has had, by what it knows of it.
		if _, err := builder.Revoke(t.Context(), w.cfg, snapshot.Denial{SHA256: snapshot.Sum(left2.Files()[denied])}, true); err != nil {
			t.Fatal(err)
		}
		if _, err := w.build(ranks(0, entries...)); err != nil {
			t.Fatal(err)
		}
		if _, err := builder.Revoke(t.Context(), w.cfg, snapshot.Denial{SHA256: snapshot.Sum(left2.Files()[denied])}, false); err != nil {
			t.Fatal(err)
		}
		again, err := w.build(ranks(0, entries...))
		if err != nil || again.Snapshot != first.Snapshot || !slices.Equal(again.Skipped, first.Skipped) {
			t.Errorf("%s: %+v, and first %+v, %v", name, again.Skipped, first.Skipped, err)
		}
	}
}

// The outage of a repository replaces nothing.
func TestRankingOutage(t *testing.T) {
	w := newWorld(t, left2, right)
	w.Fault(maventest.Path(right.ID, ".pom.sha1"), func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusBadGateway) })
	w.Fault(maventest.Path(left2.ID, ".pom.sha1"), func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusBadGateway) })
	if _, err := w.build(ranks(0, entry("org.corp:left", "2.0"), entry("com.other:right.js", "1.0+b"))); !errors.Is(err, builder.ErrUnreachable) {
		t.Error(err)
	}
}
