package npm_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"

	"larder/builder"
	"larder/builder/npm/npmtest"
	"larder/popularity"
	"larder/snapshot"
	"larder/snapshot/image"
)

// ranks has a build stock packages by a ranking, in snapshots' spelling.
func ranks(r builder.Ranked) func(*builder.Config) {
	return func(c *builder.Config) {
		c.Locks, c.Layers, c.Ranked = nil, builder.AutoLayers, map[string]builder.Ranked{"npm": r}
	}
}

func pkg(name, version string, fields ...any) npmtest.Package {
	p := npmtest.Package{Name: name, Version: version, Files: map[string]string{"index.js": name + " " + version + "\n"}, Fields: map[string]any{}}
	for i := 0; i < len(fields); i += 2 {
		p.Fields[fields[i].(string)] = fields[i+1]
	}
	return p
}

// Of a ranked package the version is stocked that npm installs where none is named, or those that it is pinned
// to; what npm would not install is skipped, with the reason.
func TestRanking(t *testing.T) {
	w := newWorld(t,
		pkg("plain", "1.0.0"), pkg("plain", "2.0.0"), pkg("@corp/scoped", "1.0.0"), pkg("Capital", "1.0.0"),
		pkg("pinned", "1.0.0"), pkg("pinned", "1.1.0"), pkg("pinned", "2.0.0"),
		// The tag is the last one's of a package here.
		pkg("old", "1.9.0"), pkg("old", "1.10.0"), pkg("old", "2.0.0-rc.1"), pkg("old", "3.0.0", "deprecated", "use another"),
		pkg("gone", "1.0.0", "deprecated", "no"), pkg("gone", "1.1.0", "deprecated", "no"), pkg("taken-back", "1.0.0"), pkg("taken-back", "2.0.0", "deprecated", ""),
		pkg("pre", "1.0.0-beta.2"), pkg("beta", "1.0.0-1", "deprecated", true),
		pkg("mac", "1.0.0", "os", []string{"darwin"}), pkg("not-linux", "1.0.0", "os", "!linux"), pkg("arm", "1.0.0", "cpu", []string{"arm64"}),
		pkg("here", "1.0.0", "os", []string{"!win32"}, "cpu", []string{"x64", "arm64"}, "libc", []string{"glibc"}), pkg("musl", "1.0.0", "libc", []string{"musl"}),
		pkg("unranked", "1.0.0"))
	ranked := builder.Ranked{
		Projects: []string{"plain", "@corp+scoped", "Capital", "pinned", "old", "gone", "taken-back", "pre", "beta", "mac", "not-linux", "arm", "here", "musl", "absent", "plain"},
		Entries:  map[string]popularity.Entry{"pinned": {Project: "pinned", Pins: []string{"1.0.0", "1.1.0", "7.0.0"}}},
	}
	r, img := w.must("", ranks(ranked))
	if got, want := versions(t, img), "@corp+scoped 1.0.0, Capital 1.0.0, gone 1.1.0, here 1.0.0, old 1.10.0, pinned 1.0.0, pinned 1.1.0, plain 2.0.0, pre 1.0.0-beta.2, taken-back 2.0.0"; got != want {
		t.Errorf("stocked %s, want %s", got, want)
	}
	var skips []string
	for _, s := range r.Skipped {
		skips = append(skips, fmt.Sprintf("%s %s %s: %s", s.Ecosystem, s.Project, s.Version, s.Reason))
	}
	want := []string{
		"npm absent : read versions of absent: status 404 not found",
		"npm arm : 1.0.0 is not for linux-x64-glibc: npm installs it on arm64",
		"npm beta : the registry has no release of beta",
		"npm mac : 1.0.0 is not for linux-x64-glibc: npm installs it on darwin",
		"npm musl : 1.0.0 is not for linux-x64-glibc: npm installs it on musl",
		"npm not-linux : 1.0.0 is not for linux-x64-glibc: npm installs it on !linux",
		"npm pinned 7.0.0: the registry has no version 7.0.0 of pinned",
	}
	if !slices.EqualFunc(skips, want, func(got, want string) bool { return strings.HasPrefix(got, want) }) {
		t.Errorf("skipped %q", skips)
	}
	for _, name := range []string{"by-name/linux-x64-glibc/@corp+scoped/1.0.0/index.js", "views/npm/_cacache/content-v2"} {
		if _, err := fs.Stat(img, name); err != nil {
			t.Error(err)
		}
	}
	// With a lock beside it, both are stocked; and each build makes the same.
	lock := npmtest.Lock(t, t.TempDir(), map[string]npmtest.Package{"node_modules/plain": pkg("plain", "1.0.0")})
	both := func(c *builder.Config) { locks := c.Locks; ranks(ranked)(c); c.Locks = locks }
	first, img := w.must(lock, both)
	if got := versions(t, img); !strings.Contains(got, "plain 1.0.0, plain 2.0.0") {
		t.Errorf("stocked %s", got)
	}
	if again, _ := w.must(lock, both, func(c *builder.Config) { c.Jobs = 1 }); again.Snapshot != first.Snapshot || again.FetchedBytes > 0 {
		t.Errorf("%+v", again)
	}
}

func versions(t *testing.T, img *image.Image) string {
	t.Helper()
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, a := range m.Artifacts {
		all = append(all, a.Project+" "+a.Version)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// A budget takes packages in the order of the ranking with their layers, of each the version that npm installs and
// then those that containers here downloaded, until there is no room for the next.
func TestBudget(t *testing.T) {
	noise := func(name, version string, size int) npmtest.Package {
		var b strings.Builder
		for i := uint32(len(name)); b.Len() < size; i = i*1664525 + 1013904223 {
			fmt.Fprintf(&b, "%08x", i*2654435761)
		}
		p := pkg(name, version)
		p.Files["noise"] = b.String()
		return p
	}
	a, b1, b2, big, c := noise("a", "1.0.0", 20_000), noise("b", "1.0.0", 30_000), noise("b", "2.0.0", 40_000), noise("big", "1.0.0", 400_000), noise("c", "1.0.0", 10_000)
	w := newWorld(t, a, b1, b2, big, c)
	disk := func(all ...npmtest.Package) (sum int64) {
		for _, p := range all {
			n := int64(len(p.Tarball()))
			sum += n + n*410/100
		}
		return sum
	}
	ranked := func(budget int64) func(*builder.Config) {
		return ranks(builder.Ranked{Projects: []string{"a", "b", "absent", "big", "c"}, Budget: budget, Entries: map[string]popularity.Entry{
			"b": {Project: "b", Missed: []string{"1.0.0", "9.9.9"}}, "c": {Project: "c", Pins: []string{"1.0.0"}, Missed: []string{"2.0.0"}}}})
	}
	for budget, want := range map[int64]string{
		disk(a): "a 1.0.0", disk(a, b2) - 1: "a 1.0.0", disk(a, b2): "a 1.0.0, b 2.0.0", disk(a, b1, b2): "a 1.0.0, b 1.0.0, b 2.0.0",
		disk(a, b1, b2, big) - 1: "a 1.0.0, b 1.0.0, b 2.0.0", // and not c, which there would be room for
		disk(a, b1, b2, big, c):  "a 1.0.0, b 1.0.0, b 2.0.0, big 1.0.0, c 1.0.0",
	} {
		r, err := w.build("", ranked(budget), func(c *builder.Config) { c.Locks, c.DryRun = nil, true })
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range r.Plan {
			got = append(got, p.Project+" "+p.Version)
		}
		slices.Sort(got)
		report := r.Budget // there is no other ecosystem here
		if text := strings.Join(got, ", "); text != want || report == nil || report.Disk > budget || report.Wheels != len(got) || report.LeftOut != 5-len(got) || len(r.Skipped) != 1 {
			t.Errorf("budget %d took %s, want %s: %+v, skipped %v", budget, text, want, report, r.Skipped)
		}
		for i, o := range report.Options {
			if o.Taken != (o.From <= budget) || o.Taken != (i < len(got)) || o.Place == 0 {
				t.Errorf("budget %d: %+v", budget, o)
			}
		}
	}
	// What a lock names is taken first, whatever the ranking says, and counts.
	lock := npmtest.Lock(t, t.TempDir(), map[string]npmtest.Package{"node_modules/big": big})
	with := func(budget int64) func(*builder.Config) {
		return func(c *builder.Config) { locks := c.Locks; ranked(budget)(c); c.Locks = locks }
	}
	_, img := w.must(lock, with(disk(big, a)))
	if got := versions(t, img); got != "a 1.0.0, big 1.0.0" {
		t.Errorf("with a lock: %s", got)
	}
	if _, err := w.build(lock, with(1000)); !errors.Is(err, builder.ErrBudget) || !strings.Contains(err.Error(), "takes no tarball but those of locks: those and a-1.0.0.tgz take about") || len(w.warnings) != 1 {
		t.Errorf("%v, %q", err, w.warnings)
	}
	if _, err := w.build("", ranked(1000), func(c *builder.Config) { c.Locks = nil }); !errors.Is(err, builder.ErrBudget) || !strings.Contains(err.Error(), "a budget of 1.0 kB takes no tarball: the first one, a-1.0.0.tgz, takes about") {
		t.Error(err)
	}
	// Without layers there is room for more; of unknown size nothing is taken, and a registry that ends is no reason.
	none := func(c *builder.Config) { c.Layers = builder.NoLayers }
	r, err := w.build("", ranked(int64(len(a.Tarball())+len(b2.Tarball()))), none, func(c *builder.Config) { c.Locks, c.DryRun = nil, true })
	if err != nil || r.Wheels != 2 || r.Budget.Unpacked != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	fresh := newWorld(t, a, b2)
	fresh.Fault("/a/-/a-1.0.0.tgz", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		_, _ = w.Write(a.Tarball())
	})
	_, img = fresh.must("", ranks(builder.Ranked{Projects: []string{"a", "b"}, Budget: 1 << 30}))
	if got := versions(t, img); got != "b 2.0.0" {
		t.Errorf("of unknown size: %s", got)
	}
}

// The outage of a registry is not hidden by what another ecosystem has.
func TestRankingOutage(t *testing.T) {
	var packages []npmtest.Package
	var projects []string
	for i := range 6 {
		packages = append(packages, pkg(fmt.Sprint("p", i), "1.0.0"))
		projects = append(projects, fmt.Sprint("p", i))
	}
	w := newWorld(t, packages...)
	for i := range 4 {
		w.Fault(fmt.Sprintf("/p%d/-/p%d-1.0.0.tgz", i, i), func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	}
	if _, err := w.build("", ranks(builder.Ranked{Projects: projects})); !errors.Is(err, builder.ErrUnreachable) || !strings.Contains(err.Error(), "4 of 6 projects could not be fetched") {
		t.Error(err)
	}
	if _, err := w.store.Current(); !errors.Is(err, snapshot.ErrNoSnapshot) {
		t.Error(err)
	}
	force := func(c *builder.Config) { c.Force = true }
	if r, err := w.build("", ranks(builder.Ranked{Projects: projects}), force); err != nil || r.Wheels != 2 {
		t.Errorf("%+v, %v", r, err)
	}
}
