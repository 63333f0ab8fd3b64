package pypi_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"larder/builder"
	"larder/builder/fetch"
	"larder/builder/pypi"
	"larder/builder/pypi/index"
	"larder/builder/pypi/pypitest"
	"larder/snapshot"
	"larder/snapshot/gc"
	"larder/snapshot/image"
)

// world is a loopback index, a store and the interpreter of the host.
type world struct {
	t     *testing.T
	index *pypitest.Index
	store *snapshot.Store
	cfg   builder.Config
}

func newWorld(t *testing.T, options pypitest.Options) *world {
	t.Helper()
	store, err := snapshot.Create(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, index: pypitest.NewIndex(t, options), store: store}
	targets, err := pypi.Ecosystem().Targets(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.cfg = builder.Config{Store: store, Targets: targets, Views: viewNames, Layers: builder.AllLayers}
	w.cfg.Ecosystems = of(w.client(index.Options{Limits: fetch.Limits{RetryBase: 1, RetryMax: 1}}))
	w.cfg.Warn = func(s string) { t.Log("warning: " + s) }
	return w
}

// viewNames are all views.
var viewNames = []string{"wheels", "pip", "pip-old", "poetry", "simple"}

// of is the ecosystem of an index.
func of(client *index.Client) []builder.Ecosystem {
	return []builder.Ecosystem{pypi.EcosystemOf(client)}
}

// python is the first target's minor version.
func (w *world) python() string { return w.cfg.Targets[0].Own.(pypi.Target).Tag.Python() }

func (w *world) client(o index.Options) *index.Client {
	w.t.Helper()
	c, err := index.New(index.Config{Indexes: []string{w.index.URL()}, Access: fetch.Access{TrustedHosts: []string{w.index.Host()}, Retries: 1}}, o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

func (w *world) add(wheels ...pypitest.Wheel) {
	for _, x := range wheels {
		w.index.AddFile(x.Name, pypitest.Artifact{Name: x.Filename(), Data: x.Bytes(), RequiresPython: x.RequiresPython})
	}
}

func (w *world) build(edit ...func(*builder.Config)) (*builder.Report, error) {
	cfg := w.cfg
	for _, e := range edit {
		e(&cfg)
	}
	return builder.Build(context.Background(), cfg)
}

func (w *world) must(edit ...func(*builder.Config)) *builder.Report {
	w.t.Helper()
	r, err := w.build(edit...)
	if err != nil {
		w.t.Fatalf("build: %v", err)
	}
	return r
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func ranking(projects ...string) func(*builder.Config) {
	return ranked(func(r *builder.Ranked) { r.Projects = projects })
}

// ranked edits what a build wants beside locks.
func ranked(edit func(*builder.Ranked)) func(*builder.Config) {
	return func(c *builder.Config) {
		r := c.Ranked["pypi"]
		r.Entries = maps.Clone(r.Entries)
		edit(&r)
		c.Ranked = map[string]builder.Ranked{"pypi": r}
	}
}

func (w *world) lock(name, text string) func(*builder.Config) {
	path := filepath.Join(w.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
	return func(c *builder.Config) { c.Locks = append(c.Locks, path) }
}

func (w *world) open(r *builder.Report) *image.Image {
	w.t.Helper()
	id, err := snapshot.ParseDigest(r.Snapshot)
	if err != nil {
		w.t.Fatalf("snapshot %q: %v", r.Snapshot, err)
	}
	img, err := image.OpenSnapshot(w.store, id)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { img.Close() })
	return img
}

func TestBuildPublishesViewsAndLayers(t *testing.T) {
	w := newWorld(t, pypitest.Options{})
	w.add(pypitest.Wheel{Name: "alpha", Version: "1.0"}, pypitest.Wheel{Name: "alpha", Version: "2.0", Console: []string{"alpha = alpha:main"}}, pypitest.Wheel{Name: "beta"})
	r := w.must(ranking("alpha", "beta"))
	if r.Wheels != 2 || r.Layers != 2 || len(r.Skipped) != 0 || !r.Published || r.FetchedBytes == 0 || r.ReusedBytes != 0 {
		t.Fatalf("report = %+v", r)
	}
	img := w.open(r)
	tag := w.cfg.Targets[0].Tag
	for _, p := range []string{
		"manifest.json", "targets/" + tag + ".json", "views/simple/index.html", "views/simple/alpha/index.json",
		"views/simple/+files/alpha-2.0-py3-none-any.whl", "by-name/" + tag + "/alpha/2.0",
	} {
		if _, err := fs.Stat(img, p); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
	if _, err := fs.Stat(img, "by-name/"+tag+"/alpha/1.0"); err == nil {
		t.Error("an old release was stocked")
	}
	link, err := img.ReadLink("by-name/" + tag + "/alpha/2.0")
	if err != nil || !strings.HasPrefix(link, "../../../l/") {
		t.Fatalf("by-name link = %q, %v", link, err)
	}
	layer := strings.TrimPrefix(link, "../../../")
	site := layer + "/lib/python" + w.python() + "/site-packages/"
	for _, p := range []string{"alpha.py", "alpha-2.0.dist-info/RECORD", "alpha-2.0.dist-info/INSTALLER"} {
		if _, err := fs.Stat(img, site+p); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
	if info, err := fs.Stat(img, layer+"/bin/alpha"); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("bin/alpha: %v, %v", info, err)
	}
	if pyc, _ := fs.Glob(img, site+"__pycache__/alpha.*.pyc"); len(pyc) != 1 {
		t.Errorf("bytecode of alpha.py: %v", pyc)
	}
}

// Promise 7, and that an unchanged build costs nothing.
func TestBuildTwiceIsTheSameSnapshot(t *testing.T) {
	w := newWorld(t, pypitest.Options{})
	for _, n := range []string{"a", "b", "c", "d", "e"} {
		w.add(pypitest.Wheel{Name: n})
	}
	first := w.must(ranking("a", "b", "c", "d", "e"))
	second := w.must(ranking("a", "b", "c", "d", "e"))
	if second.Snapshot != first.Snapshot || second.Published || second.FetchedBytes != 0 || second.ReusedBytes != first.FetchedBytes {
		t.Fatalf("second build = %+v", second)
	}
	if second.Layers != first.Layers || second.Objects != first.Objects || second.Bytes != first.Bytes {
		t.Errorf("second build counts otherwise: %+v, first %+v", second, first)
	}

	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	t.Setenv("TZ", "Asia/Kathmandu")
	t.Setenv("LC_ALL", "tr_TR.UTF-8")
	other, err := snapshot.Create(filepath.Join(t.TempDir(), "other"))
	if err != nil {
		t.Fatal(err)
	}
	third := w.must(ranking("e", "d", "c", "b", "a"), func(c *builder.Config) { c.Store, c.Jobs = other, 1 })
	if third.Snapshot != first.Snapshot {
		t.Errorf("another store, order, umask, zone, locale and job count made %s, not %s", third.Snapshot, first.Snapshot)
	}
}

// What a build adds to the pool is what its snapshot refers to: nothing waits for gc.
func TestBuildLeavesNoStrayObject(t *testing.T) {
	w := newWorld(t, pypitest.Options{})
	w.add(pypitest.Wheel{Name: "alpha", Console: []string{"alpha = alpha:main"}}, pypitest.Wheel{Name: "beta"})
	w.must(ranking("alpha", "beta"))
	r, err := gc.Run(t.Context(), w.store, gc.Options{Keep: 1, DryRun: true})
	if err != nil || r.Objects != 0 {
		t.Errorf("gc would remove %d objects, %v", r.Objects, err)
	}
}

func TestBuildSkipsWhatCannotBeHad(t *testing.T) {
	w := newWorld(t, pypitest.Options{})
	w.add(pypitest.Wheel{Name: "good"}, pypitest.Wheel{Name: "broken"}, pypitest.Wheel{Name: "wrong"}, pypitest.Wheel{Name: "hostile", Files: []pypitest.File{{Path: "../evil.py", Text: "x"}}})
	w.index.AddFile("source", pypitest.Artifact{Name: "source-1.0.tar.gz", Data: []byte("x")})
	bad := pypitest.Wheel{Name: "liar"}
	w.index.AddFile("liar", pypitest.Artifact{Name: bad.Filename(), Data: bad.Bytes(), SHA256: strings.Repeat("0", 64)})
	r := w.must(ranking("good", "absent", "source", "liar", "hostile"))
	want := map[string]string{"absent": "not found", "source": "no release has a wheel", "liar": "differ", "hostile": "refused"}
	if r.Wheels != 1 || len(r.Skipped) != len(want) {
		t.Fatalf("report = %+v", r)
	}
	for _, s := range r.Skipped {
		if !strings.Contains(s.Reason, want[s.Project]) {
			t.Errorf("%s was skipped because %q, want …%q…", s.Project, s.Reason, want[s.Project])
		}
	}
}

func TestBuildFailsForALock(t *testing.T) {
	w := newWorld(t, pypitest.Options{})
	w.add(pypitest.Wheel{Name: "good"}, pypitest.Wheel{Name: "hostile", Files: []pypitest.File{{Path: "../evil.py", Text: "x"}}})
	before := w.must(ranking("good"))
	for text, want := range map[string]string{
		"good==1.0\nabsent==2.0\n": "absent==2.0",
		"good==9.9\n":              "no version 9.9",
		"hostile==1.0\n":           "hostile",
		"good==1.0 --hash=sha256:" + strings.Repeat("1", 64) + "\n": "no wheel with a hash",
	} {
		_, err := w.build(w.lock("requirements.txt", text))
		if !errors.Is(err, builder.ErrRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("lock %q: %v; want ErrRefused naming %q", text, err, want)
		}
		if id, err := w.store.Current(); err != nil || id.String() != before.Snapshot {
			t.Fatalf("lock %q: current is %s, %v; want %s", text, id, err, before.Snapshot)
		}
	}
}

func TestBuildOfALockMergesItsEnvironment(t *testing.T) {
	w := newWorld(t, pypitest.Options{Mirror: true})
	w.add(
		pypitest.Wheel{Name: "alpha", Files: []pypitest.File{{Path: "ns/alpha.py", Text: "A=1\n"}, {Path: "shared.py", Text: "who='alpha'\n"}}},
		pypitest.Wheel{Name: "beta", Files: []pypitest.File{{Path: "ns/beta.py", Text: "B=1\n"}, {Path: "shared.py", Text: "who='beta'\n"}}},
	)
	lock := w.lock("requirements.txt", "alpha==1.0\nbeta==1.0\n")
	r := w.must(lock)
	img := w.open(r)
	links, err := fs.Glob(img, "by-lock/*/*")
	if err != nil || len(links) != 1 {
		t.Fatalf("by-lock: %v, %v", links, err)
	}
	target, err := img.ReadLink(links[0])
	if err != nil {
		t.Fatal(err)
	}
	env := strings.TrimPrefix(target, "../../")
	site := env + "/lib/python" + w.python() + "/site-packages/"
	for _, p := range []string{"ns/alpha.py", "ns/beta.py", "alpha-1.0.dist-info/RECORD", "beta-1.0.dist-info/RECORD"} {
		if _, err := fs.Stat(img, site+p); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
	// As pip leaves it, the alphabetically first project's file wins.
	if b, err := fs.ReadFile(img, site+"shared.py"); err != nil || string(b) != "who='alpha'\n" {
		t.Errorf("shared.py = %q, %v", b, err)
	}
	again := w.must(lock)
	if again.Snapshot != r.Snapshot || again.Published {
		t.Errorf("the same lock again made %+v", again)
	}
}

// A lock with hashes that the current snapshot has whole needs no index, except for
// the pip of private environments.
func TestBuildOfAKnownLockAsksNothing(t *testing.T) {
	w := newWorld(t, pypitest.Options{})
	x := pypitest.Wheel{Name: "alpha"}
	w.add(x)
	lock := w.lock("requirements.txt", "alpha==1.0 --hash=sha256:"+digestOf(x.Bytes())+"\n")
	first := w.must(lock)
	seen := len(w.index.Requests())
	second := w.must(lock)
	for _, q := range w.index.Requests()[seen:] {
		if strings.Contains(q.Path, "alpha") {
			t.Errorf("asked for %s", q.Path)
		}
	}
	if second.Snapshot != first.Snapshot {
		t.Errorf("made %s, not %s", second.Snapshot, first.Snapshot)
	}
}

func TestBuildOfADeadIndexPublishesNothing(t *testing.T) {
	w := newWorld(t, pypitest.Options{})
	w.add(pypitest.Wheel{Name: "good"})
	before := w.must(ranking("good"))
	for _, p := range []string{"good", "a", "b", "c", "d"} {
		w.index.Fault(w.index.PagePath(p), pypitest.Fault{Status: 500})
	}
	_, err := w.build(ranking("good", "a", "b", "c", "d"))
	if !errors.Is(err, builder.ErrUnreachable) {
		t.Errorf("err = %v, want ErrUnreachable", err)
	}
	if id, _ := w.store.Current(); id.String() != before.Snapshot {
		t.Errorf("current is %s, want %s", id, before.Snapshot)
	}
}

func TestBuildOfNothingIsRefused(t *testing.T) {
	w := newWorld(t, pypitest.Options{})
	if _, err := w.build(); !errors.Is(err, builder.ErrRefused) {
		t.Errorf("err = %v, want ErrRefused", err)
	}
	if _, err := w.build(ranking("absent")); !errors.Is(err, builder.ErrRefused) {
		t.Errorf("err = %v, want ErrRefused", err)
	}
	if _, err := w.store.Current(); !errors.Is(err, snapshot.ErrNoSnapshot) {
		t.Errorf("current: %v, want none", err)
	}
}

func TestDryRunFetchesNothing(t *testing.T) {
	w := newWorld(t, pypitest.Options{Mirror: true})
	w.add(pypitest.Wheel{Name: "alpha"}, pypitest.Wheel{Name: "beta"})
	r := w.must(ranking("alpha", "beta"), func(c *builder.Config) { c.DryRun = true })
	if len(r.Plan) != 2 || r.Plan[0].Size <= 0 || r.FetchedBytes != r.Plan[0].Size+r.Plan[1].Size || r.Snapshot != "" {
		t.Errorf("report = %+v", r)
	}
	for _, q := range w.index.Requests() {
		if q.Method == "GET" && strings.HasPrefix(q.Path, "/files/") {
			t.Errorf("fetched %s", q.Path)
		}
	}
}

// No code of a package runs: a source that would leave a trace when imported, or a
// .pth file that Python would execute, leaves none.
func TestBuildRunsNoPackageCode(t *testing.T) {
	w := newWorld(t, pypitest.Options{})
	trace := filepath.Join(t.TempDir(), "trace")
	code := "import pathlib; pathlib.Path(" + strconv.Quote(trace) + ").touch()\n"
	w.add(pypitest.Wheel{Name: "evil", Files: []pypitest.File{
		{Path: "evil.py", Text: code}, {Path: "evil.pth", Text: code}, {Path: "sitecustomize.py", Text: code},
		{Path: "usercustomize.py", Text: code}, {Path: "marshal.py", Text: code}, {Path: "setup.py", Text: code},
	}})
	w.must(ranking("evil"))
	if _, err := os.Stat(trace); err == nil {
		t.Fatal("the build ran code of a package")
	}
	// The trap works: the interpreter does run it when asked to.
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "evil.py"), []byte(code), 0o644)
	cmd := exec.Command("python3", "-c", "import evil")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if _, err := os.Stat(trace); err != nil {
		t.Fatal("the trap does not work, so the test shows nothing")
	}
}
