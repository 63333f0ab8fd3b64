package maven_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"larder/builder"
	"larder/builder/fetch"
	"larder/builder/maven"
	"larder/builder/maven/maventest"
	"larder/builder/maven/settings"
	"larder/snapshot"
	"larder/snapshot/check"
	"larder/snapshot/image"
	shared "larder/snapshot/maven"
)

// world is a repository on loopback, a store, and a Maven of the test's own that asks for what it is told to.
type world struct {
	*testing.T
	*maventest.Repository
	store    *snapshot.Store
	cfg      builder.Config
	pom      string
	asks     []string // paths; the build fails where one that is not "?path" is not there
	answers  map[string]string
	warnings []string
}

func newWorld(t *testing.T, all ...maventest.Release) *world {
	store, err := snapshot.Create(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, Repository: maventest.NewRepository(t, all...), store: store, answers: map[string]string{}}
	w.pom = maventest.Project(t, t.TempDir(), maventest.Release{ID: "own:project:1"})
	e := maven.EcosystemOf(settings.Config{Repository: w.URL(), Access: fetch.Access{Retries: -1}}, w.ask)
	targets, err := e.Targets(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.cfg = builder.Config{Store: store, Ecosystems: []builder.Ecosystem{e}, Targets: targets, Views: []string{"maven"}, Warn: func(s string) { w.warnings = append(w.warnings, s) }}
	return w
}

// ask is Maven.
func (w *world) ask(_ context.Context, _ string, repository http.Handler) error {
	for _, name := range w.asks {
		name, maybe := strings.CutPrefix(name, "?")
		got := httptest.NewRecorder()
		repository.ServeHTTP(got, httptest.NewRequest("GET", "/"+name, nil))
		w.answers[name] = got.Body.String()
		if got.Code != http.StatusOK && !maybe {
			return fmt.Errorf("mvn: could not find %s: status %d", name, got.Code)
		}
	}
	return nil
}

func (w *world) build(edit ...func(*builder.Config)) (*builder.Report, error) {
	cfg := w.cfg
	cfg.Locks = []string{w.pom}
	for _, e := range edit {
		e(&cfg)
	}
	w.warnings = nil
	return builder.Build(w.Context(), cfg)
}

func (w *world) must(edit ...func(*builder.Config)) (*builder.Report, *image.Image) {
	w.Helper()
	r, err := w.build(edit...)
	if err != nil {
		w.Fatal(err)
	}
	w.sound()
	return r, w.image(r.Snapshot)
}

func (w *world) sound() {
	w.Helper()
	found, err := check.Run(w.Context(), w.store, nil, check.Options{Full: true})
	if err != nil || len(found.Findings) > 0 {
		w.Errorf("verify: %+v, %v", found, err)
	}
}

func (w *world) image(text string) *image.Image {
	w.Helper()
	id, err := snapshot.ParseDigest(text)
	if err != nil {
		w.Fatal(err)
	}
	img, err := image.OpenSnapshot(w.store, id)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { img.Close() })
	return img
}

// view are the files of view maven, by path.
func (w *world) view(img *image.Image) map[string]string {
	w.Helper()
	all := map[string]string{}
	err := img.Walk("views/maven", func(e image.Entry) error {
		if !e.Mode.IsRegular() {
			return nil
		}
		text, err := fs.ReadFile(img, e.Path)
		all[strings.TrimPrefix(e.Path, "views/maven/")] = string(text)
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	return all
}

var (
	parent = maventest.Release{ID: "org.corp:parent:3", Packaging: "pom"}
	left   = maventest.Release{ID: "org.corp:left:1.0", Parent: "org.corp:parent:3", Contents: map[string]string{"Left.class": "left"}, Also: map[string]string{"-linux-x86_64.jar": "native", ".tar.gz": "all of it"}}
	left2  = maventest.Release{ID: "org.corp:left:2.0", Contents: map[string]string{"Left.class": "left 2"}}
	right  = maventest.Release{ID: "com.other:right.js:1.0+b", Contents: map[string]string{"Left.class": "left"}} // the same jar
)

// filesOf are the paths of releases.
func filesOf(all ...maventest.Release) (names []string) {
	for _, r := range all {
		for name := range r.Files() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// A build has what was asked for, each file as its repository has it and no other; it asks for nothing that it has, and
// what another store makes of it is the same.
func TestBuild(t *testing.T) {
	w := newWorld(t, parent, left, left2, right)
	const index = "org/corp/left/maven-metadata.xml"
	w.Put(index, []byte("<metadata/>"))
	w.asks = append(filesOf(parent, left, right), index, "?"+index+".sha1", "?org/corp/none/1/none-1.pom", "?.meta/prefixes.txt", maventest.Path(left.ID, ".jar.sha1"), "?"+maventest.Path(left.ID, ".jar.md5"))
	r, img := w.must()
	want := map[string]string{}
	for _, release := range []maventest.Release{parent, left, right} {
		for name, text := range release.Files() {
			want[name] = string(text)
			if w.answers[name] != string(text) {
				t.Errorf("Maven got %q as %s", w.answers[name], name)
			}
		}
	}
	got := w.view(img)
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s: %q", name, got[name])
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("in the view, too: %q", got)
	}
	if jar := maventest.Path(left.ID, ".jar"); strings.TrimSpace(w.answers[jar+".sha1"]) != maventest.Sum("sha1", []byte(want[jar])) || w.answers[index] != "<metadata/>" {
		t.Errorf("%q", w.answers)
	}
	if r.Wheels != len(want) || r.Layers != 0 || r.FetchedBytes == 0 || r.ReusedBytes != 0 || len(w.warnings) != 1 || !strings.Contains(w.warnings[0], "it looks up the versions of org.corp:left: ") {
		t.Errorf("%+v, %q", r, w.warnings)
	}
	m, err := img.Manifest()
	if err != nil || len(m.Artifacts) != len(want) || len(m.Environments) != 0 || m.Artifacts[0].Project != "com.other:right.js" || m.Artifacts[0].Index != w.URL() {
		t.Errorf("%+v, %v", m, err)
	}

	w.Requests()
	again, _ := w.must()
	for _, name := range w.Fetched() {
		if name != index && name != "org/corp/none/1/none-1.pom" {
			t.Errorf("asked again for %s", name)
		}
	}
	if again.Snapshot != r.Snapshot || again.FetchedBytes > 0 || again.Changes == nil || !again.Changes.None() {
		t.Errorf("%+v", again)
	}
	fresh := newWorld(t)
	fresh.cfg.Ecosystems, fresh.asks = w.cfg.Ecosystems, w.asks
	if other, _ := fresh.must(func(c *builder.Config) { c.Jobs = 1 }); other.Snapshot != r.Snapshot {
		t.Error("another store has another snapshot")
	}
	// Another project takes what is there, and its snapshot has no more than it needs.
	w.asks = filesOf(left2, parent)
	w.Requests()
	_, img = w.must()
	if got := w.Fetched(); !slices.Equal(got, filesOf(left2)) || len(w.view(img)) != 3 {
		t.Errorf("fetched %q", got)
	}
	// Back, and without a repository: the pool still has it.
	w.asks = filesOf(parent, left, right)
	w.Requests()
	back, _ := w.must(func(c *builder.Config) { c.Offline = true })
	if log := w.Requests(); len(log) > 0 || back.FetchedBytes > 0 {
		t.Errorf("%q, %+v", log, back)
	}
}

// The strongest checksum that is offered counts, and the manifest says which that was.
func TestChecksums(t *testing.T) {
	jar := maventest.Path(left2.ID, ".jar")
	text := string(left2.Files()[jar])
	for _, c := range []struct{ offered, counts string }{{"sha1", "sha1"}, {"sha1 sha256", "sha256"}, {"md5 sha1 sha256 sha512", "sha512"}} {
		w := newWorld(t, left2)
		w.Sums(slices.DeleteFunc(strings.Fields(c.offered), func(a string) bool { return a == "md5" })...)
		w.asks = filesOf(left2)
		_, img := w.must()
		m, err := img.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		sum, err := shared.DetailOf(m.Artifacts[0])
		if err != nil || sum.Algorithm() != c.counts || sum.Hex() != maventest.Sum(c.counts, []byte(text)) {
			t.Errorf("%s: %v, %v", c.offered, sum, err)
		}
	}
	// As programs write them, and as object stores refuse what they do not have.
	for name, line := range map[string]string{
		"upper case": strings.ToUpper(maventest.Sum("sha1", []byte(text))), "sha1sum": maventest.Sum("sha1", []byte(text)) + "  left-2.0.jar\n",
		"openssl": "SHA1(left-2.0.jar)= " + maventest.Sum("sha1", []byte(text)) + "\n",
	} {
		w := newWorld(t, left2)
		w.Put(jar+".sha1", []byte(line))
		w.Fault(jar+".sha512", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusForbidden) })
		w.asks = []string{jar}
		if _, err := w.build(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What cannot be had, or must not be, fails the build with one line that says why, and nothing is published; whatever
// Maven makes of it.
func TestFaults(t *testing.T) {
	jar, pom := maventest.Path(left2.ID, ".jar"), maventest.Path(left2.ID, ".pom")
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	answer := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
	}
	for name, c := range map[string]struct {
		path  string
		fault http.HandlerFunc
		is    error
		says  string
	}{
		"other bytes":         {jar, answer("something else"), fetch.ErrHash, "bytes differ from what the index published: sha1 is "},
		"empty":               {jar, answer(""), fetch.ErrHash, "sha1 is da39a3ee"},
		"wrong sha1":          {jar + ".sha1", answer(strings.Repeat("0a", 20)), fetch.ErrHash, "published is 0a0a0a"},
		"wrong sha512":        {jar + ".sha512", answer(strings.Repeat("0a", 64)), fetch.ErrHash, "sha512 is "},
		"no checksum":         {jar + ".sha1", status(404), builder.ErrRefused, "the repository has org/corp/left/2.0/left-2.0.jar and no checksum that counts (sha512, sha256, sha1)"},
		"checksum of a page":  {jar + ".sha1", answer("<html>log in</html>"), fetch.ErrRefused, "not a checksum that counts"},
		"short checksum":      {jar + ".sha1", answer("da39a3ee"), fetch.ErrRefused, "not a checksum that counts"},
		"empty checksum":      {jar + ".sha256", answer("\n"), fetch.ErrRefused, "it is empty"},
		"huge checksum":       {jar + ".sha512", answer(strings.Repeat("a", 100_000)), fetch.ErrRefused, "larger than 4096 bytes"},
		"repository's fault":  {jar, status(503), builder.ErrUnreachable, "status 503"},
		"checksum's fault":    {pom + ".sha1", status(502), builder.ErrUnreachable, "status 502"},
		"login needed":        {pom + ".sha1", status(401), builder.ErrUnreachable, "status 401"},
		"forbidden":           {jar, status(403), fetch.ErrRefused, "the index refuses it (status 403)"},
		"not there":           {jar, status(404), nil, "mvn: could not find " + jar},
		"neither it nor sha1": {pom, status(404), nil, "mvn: could not find " + pom},
	} {
		w := newWorld(t, left2)
		w.Fault(c.path, c.fault)
		w.asks = []string{jar, pom}
		for _, is := range []bool{false, true} { // Maven may go on without it
			if is {
				w.asks = []string{"?" + jar, "?" + pom}
			}
			r, err := w.build()
			if c.is == nil && is {
				if err != nil || r.Wheels != 1 {
					t.Errorf("%s, which need not be: %v, %+v", name, err, r)
				}
				continue
			}
			if hint := hintOf(err); c.is != nil && hint == "" {
				t.Errorf("%s: no hint with %v", name, err)
			}
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), w.pom) || r.Published {
				t.Errorf("%s: %v, want %s", name, err, c.says)
			}
			if _, err := w.store.Current(); !errors.Is(err, snapshot.ErrNoSnapshot) {
				t.Errorf("%s: %v", name, err)
			}
		}
		w.Fault(c.path, nil)
		w.asks = []string{jar, pom}
		w.must() // nothing of the fault stays
	}
}

func hintOf(err error) string {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		return hinted.Hint()
	}
	return ""
}

// What is no file of a release is not there, whatever the repository says: nothing of it is fetched, and nothing
// stocked.
func TestOddPaths(t *testing.T) {
	w := newWorld(t, left2)
	odd := []string{
		"", "x", "../../etc/passwd", "org/../../../etc/passwd", "org/corp/left/2.0/../../../../x", "org/corp/left/2.0/", "org/corp/left/2.0/.hidden", "org/corp/left/2.0/left-2.0.", "org/corp/left/2.0/left-2.0", "org/corp/left/2.0/left-2.0-.jar",
		"org/corp/left/2.0/other-2.0.jar", "org/corp/left/2.0/left-2.0.jar/x", "org//left/2.0/left-2.0.jar", "org.corp/left/2.0/left-2.0.jar", "-org/left/2.0/left-2.0.jar", "org/le:ft/2.0/le:ft-2.0.jar", "org/left/[1,2)/left-[1,2).jar",
		"org/corp/left/2.0/left-2.0.jar.asc", "org/corp/left/${v}/left-${v}.pom", "org/corp/left/2.0/left-2.0.j\x00ar", strings.Repeat("a", 250) + "/left/2.0/left-2.0.jar", "org/corp/left/2.0/left-2.0.j%2far",
	}
	w.asks = []string{maventest.Path(left2.ID, ".jar")}
	for _, name := range odd {
		w.asks = append(w.asks, "?"+strings.ReplaceAll(strings.ReplaceAll(name, "%", "%25"), "\x00", "%00"))
	}
	_, img := w.must()
	if got := w.view(img); len(got) != 1 {
		t.Errorf("%q", got)
	}
	if got := w.Fetched(); len(got) != 1 {
		t.Errorf("fetched %q", got)
	}
	for _, name := range odd {
		if f, err := shared.ParsePath(name); !errors.Is(err, shared.ErrName) && !strings.HasSuffix(name, ".asc") {
			t.Errorf("%q is %+v, %v", name, f, err)
		}
	}
}

// Versions in the making are handed over, named, and not stocked.
func TestSnapshotVersions(t *testing.T) {
	w := newWorld(t, left2)
	const jar = "org/corp/left/3.0-SNAPSHOT/left-3.0-20260101.101010-1.jar"
	w.Put(jar, []byte("changes"))
	w.asks = []string{maventest.Path(left2.ID, ".jar"), jar, jar + ".sha1"}
	_, img := w.must()
	if got := w.view(img); len(got) != 1 || w.answers[jar] != "changes" {
		t.Errorf("%q, %q", got, w.answers)
	}
	if len(w.warnings) != 1 || !strings.Contains(w.warnings[0], "left out: org.corp:left:3.0-SNAPSHOT (a version in the making)") {
		t.Errorf("%q", w.warnings)
	}
}

func removeObject(t *testing.T, s *snapshot.Store, text []byte) {
	t.Helper()
	if err := os.Remove(filepath.Join(s.ObjectsDir(), snapshot.Object{Digest: snapshot.Sum(text)}.Path())); err != nil {
		t.Fatal(err)
	}
}

// A release stays what it was when the store first took it, whichever repository says otherwise, and after all
// snapshots with it are gone.
func TestHeld(t *testing.T) {
	w := newWorld(t, left2)
	jar := maventest.Path(left2.ID, ".jar")
	w.asks = []string{jar}
	first, _ := w.must()
	was := snapshot.Sum(left2.Files()[jar])
	removeObject(t, w.store, left2.Files()[jar])
	w.Put(jar, []byte("another"))
	refused := func() {
		t.Helper()
		_, err := w.build()
		want := "left-2.0.jar of org.corp:left:2.0 is not what it was on "
		if !errors.Is(err, builder.ErrRefused) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "its SHA-256 is "+snapshot.Sum([]byte("another")).String()+", and was "+was.String()) {
			t.Errorf("%v", err)
		}
		if !strings.Contains(hintOf(err), w.store.FirstsPath("maven")) {
			t.Errorf("%v has no hint of the file", err)
		}
	}
	refused()
	if id, err := w.store.Current(); err != nil || id.String() != first.Snapshot {
		t.Errorf("%v, %v", id, err)
	}
	other := maventest.NewRepository(t)
	other.Put(jar, []byte("another"))
	mine := w.cfg.Ecosystems
	w.cfg.Ecosystems = []builder.Ecosystem{maven.EcosystemOf(settings.Config{Repository: other.URL(), Access: fetch.Access{Retries: -1}}, w.ask)}
	refused()
	w.cfg.Ecosystems = mine
	// The operator has the last word.
	text, err := os.ReadFile(w.store.FirstsPath("maven"))
	if err != nil || strings.Count(string(text), "\n") != 1 {
		t.Fatalf("%s, %v", text, err)
	}
	if err := os.WriteFile(w.store.FirstsPath("maven"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.build(); err != nil {
		t.Error(err)
	}
	// Damaged, it stops builds: they would take anything.
	if err := os.WriteFile(w.store.FirstsPath("maven"), []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.build(); !errors.Is(err, snapshot.ErrDamaged) || !strings.Contains(err.Error(), "firsts/maven.jsonl, line 1") {
		t.Error(err)
	}
}

// What a failed build fetched is not fetched again.
func TestFailedBuild(t *testing.T) {
	w := newWorld(t, left, left2)
	w.asks = append(filesOf(left), "org/corp/none/1/none-1.jar")
	if _, err := w.build(); err == nil {
		t.Fatal("a build without its jar")
	}
	w.Requests()
	w.asks = filesOf(left, left2)
	w.must()
	if got := w.Fetched(); !slices.Equal(got, filesOf(left2)) {
		t.Errorf("fetched %q", got)
	}
	w.asks = nil
	if _, err := w.build(); !errors.Is(err, builder.ErrRefused) || !strings.Contains(err.Error(), "its build asked for nothing") {
		t.Error(err)
	}
}

// A project that moved to another group may have the same file under the same name in both: each is stocked.
func TestSameFile(t *testing.T) {
	one := maventest.Release{ID: "org.corp:moved:1.0", Contents: map[string]string{"Moved.class": "moved"}}
	two := one
	two.ID = "com.corp:moved:1.0"
	w := newWorld(t, one, two)
	w.asks = filesOf(one, two)
	want := slices.Sorted(slices.Values(w.asks))
	first, _ := w.must()
	again, _ := w.must()
	if got := paths(w, first.Snapshot); !slices.Equal(got, want) || first.Wheels != 4 || again.Snapshot != first.Snapshot {
		t.Errorf("stocked %q, %d files", got, first.Wheels)
	}
	removeObject(t, w.store, one.Files()[maventest.Path(one.ID, ".jar")])
	if r, err := builder.Repair(t.Context(), w.cfg); err != nil || len(r.Left) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
	w.sound()
	w = newWorld(t, one, two)
	r, _ := w.must(ranks(0, entry("org.corp:moved", "1.0"), entry("com.corp:moved", "1.0")))
	if got := paths(w, r.Snapshot); !slices.Equal(got, want) {
		t.Errorf("ranked: %q", got)
	}
}

// What is damaged is fetched again by its SHA-256, wherever the repository is now; what is revoked is gone from the
// view.
func TestRepairAndRevoke(t *testing.T) {
	w := newWorld(t, parent, left, left2, right)
	w.asks = filesOf(parent, left, left2, right)
	first, img := w.must()
	jar := maventest.Path(left2.ID, ".jar")
	remove := func() {
		t.Helper()
		removeObject(t, w.store, left2.Files()[jar])
	}
	repair := func(mends bool) {
		t.Helper()
		report, err := builder.Repair(t.Context(), w.cfg)
		if err != nil || (len(report.Left) == 0) != mends {
			t.Fatalf("%+v, %v", report, err)
		}
	}
	remove()
	w.Requests()
	repair(true)
	if got := w.Fetched(); !slices.Equal(got, []string{jar}) {
		t.Errorf("fetched %q", got)
	}
	w.sound()
	// Elsewhere, and no more where it was.
	remove()
	w.Put(jar, nil)
	other := maventest.NewRepository(t, left2)
	mine := w.cfg.Ecosystems
	w.cfg.Ecosystems = []builder.Ecosystem{maven.EcosystemOf(settings.Config{Repository: other.URL(), Access: fetch.Access{Retries: -1}}, w.ask)}
	repair(true)
	w.sound()
	w.cfg.Ecosystems = mine
	// Something else under its name is not it.
	remove()
	w.Put(jar, []byte("another"))
	repair(false)
	w.Put(jar, left2.Files()[jar])
	repair(true)

	w.Requests()
	r, err := builder.Revoke(t.Context(), w.cfg, snapshot.Denial{Ecosystem: "maven", Project: "org.corp:left", Version: "1.0"}, false)
	if err != nil || r.Snapshot == "" || r.Snapshot == first.Snapshot || len(r.Artifacts) != 4 || len(w.Requests()) > 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	now := w.view(w.image(r.Snapshot))
	for name := range w.view(img) {
		if _, has := now[name]; has == strings.HasPrefix(name, "org/corp/left/1.0/") {
			t.Errorf("%s: %v", name, has)
		}
	}
	// A build that asks for it does not get it, nor does it run what needs it.
	for _, name := range filesOf(left) {
		w.asks, w.answers = []string{"?" + name}, map[string]string{}
		_, err = w.build()
		want := "input refused: it asks for " + filepath.Base(name) + " of pkg:maven/org.corp/left@1.0, which is revoked: "
		if !errors.Is(err, builder.ErrRefused) || !strings.Contains(err.Error(), want) || hintOf(err) == "" || !strings.Contains(w.answers[name], "the build ends") {
			t.Errorf("%v, %q", err, w.answers)
		}
	}
	if log := w.Requests(); len(log) > 0 {
		t.Errorf("asked for %q", log)
	}
	// By its bytes, too.
	if _, err := builder.Revoke(t.Context(), w.cfg, snapshot.Denial{SHA256: snapshot.Sum(left2.Files()[jar])}, false); err != nil {
		t.Fatal(err)
	}
	w.asks, w.answers = []string{"?" + jar}, map[string]string{}
	if _, err = w.build(); !errors.Is(err, builder.ErrRefused) || !strings.Contains(err.Error(), "left-2.0.jar of pkg:maven/org.corp/left@2.0, which is revoked") || strings.Contains(w.answers[jar], "PK") {
		t.Errorf("%v, %q", err, w.answers)
	}
}

// What was under way when the build ended is no reason for anything: why it ended is.
func TestEndedWhileAsking(t *testing.T) {
	w := newWorld(t, left2)
	jar := maventest.Path(left2.ID, ".jar")
	asked := make(chan bool)
	w.Fault(jar, func(rw http.ResponseWriter, r *http.Request) {
		asked <- true
		<-r.Context().Done()
	})
	why := errors.New("it met a limit")
	w.cfg.Ecosystems = []builder.Ecosystem{maven.EcosystemOf(settings.Config{Repository: w.URL(), Access: fetch.Access{Retries: -1}}, func(ctx context.Context, _ string, repository http.Handler) error {
		ctx, end := context.WithCancel(ctx)
		answered := make(chan bool)
		go func() {
			repository.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/"+jar, nil))
			close(answered)
		}()
		<-asked
		end()
		<-answered
		return why
	})}
	if _, err := w.build(); !errors.Is(err, why) {
		t.Error(err)
	}
}

// A dry run says why there is none, and other targets are refused.
func TestDryRun(t *testing.T) {
	w := newWorld(t, left2)
	w.asks = filesOf(left2)
	_, err := w.build(func(c *builder.Config) { c.DryRun = true })
	if !errors.Is(err, builder.ErrRefused) || !strings.Contains(err.Error(), "a dry run fetches nothing") || len(w.Requests()) > 0 {
		t.Error(err)
	}
	if _, err := w.cfg.Ecosystems[0].Targets(t.Context(), []string{"cp311-manylinux_2_36_x86_64"}, nil); !errors.Is(err, shared.ErrTag) {
		t.Error(err)
	}
}

// A name that is a file of one release and a directory of another is one line, and nothing is published.
func TestFileAndDirectory(t *testing.T) {
	flat := maventest.Release{ID: "org.corp:left:2"}
	below := maventest.Release{ID: "org.corp.left.2:left-2.jar:1", Packaging: "pom"}
	w := newWorld(t, flat, below)
	w.asks = filesOf(flat, below)
	_, err := w.build()
	if !errors.Is(err, image.ErrRefused) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "org/corp/left/2/left-2.jar") {
		t.Error(err)
	}
	if _, err := w.store.Current(); !errors.Is(err, snapshot.ErrNoSnapshot) {
		t.Error(err)
	}
}
