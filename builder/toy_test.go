package builder_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"larder/builder"
	"larder/builder/toytest"
	"larder/snapshot"
	"larder/snapshot/check"
	"larder/snapshot/ecosystem"
	"larder/snapshot/image"
)

// toy is a store and the index of the toy ecosystem.
type toy struct {
	*testing.T
	store    *snapshot.Store
	index    string
	builds   func(string) snapshot.Built
	warnings []string
}

func newToy(t *testing.T) *toy {
	store, err := snapshot.Create(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return &toy{T: t, store: store, index: t.TempDir()}
}

// lock writes a lock of lines and returns its path.
func (t *toy) lock(lines ...string) string {
	path := filepath.Join(t.TempDir(), "toy.lock")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func (t *toy) build(locks ...string) (*builder.Report, error) {
	cfg := t.config()
	cfg.Locks = locks
	return builder.Build(t.Context(), cfg)
}

func (t *toy) config() builder.Config {
	e := toytest.Ecosystem(func() string { return t.index })
	targets, err := e.Targets(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.warnings = nil
	return builder.Config{
		Store: t.store, Ecosystems: []builder.Ecosystem{e}, Targets: targets, Views: []string{"toy"}, Builds: t.builds,
		Warn: func(line string) { t.warnings = append(t.warnings, line) },
	}
}

func (t *toy) must(locks ...string) *builder.Report {
	t.Helper()
	r, err := t.build(locks...)
	if err != nil {
		t.Fatal(err)
	}
	found, err := check.Run(t.Context(), t.store, nil, check.Options{Full: true})
	if err != nil || len(found.Findings) > 0 {
		t.Errorf("verify: %v, %v", found, err)
	}
	return r
}

func (t *toy) open(r *builder.Report) *image.Image {
	t.Helper()
	id, err := snapshot.ParseDigest(r.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	img, err := image.OpenSnapshot(t.store, id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	return img
}

// A new ecosystem is a package and a registration: the build plans, fetches, checks, unpacks, lays
// out and publishes what its index and its lock say.
func TestToyBuild(t *testing.T) {
	toy := newToy(t)
	one := toytest.Pack(t, toy.index, "one", "1.0", map[string]string{
		"share/one.txt": "one\n", "bin/one": "#!/bin/sh\n", "link": "->share/one.txt", "empty": "", "hollow/": "", "same": "shared\n"})
	two := toytest.Pack(t, toy.index, "two", "2.0", map[string]string{"share/two.txt": "two\n", "same": "shared\n"})
	toytest.Pack(t, toy.index, "three", "3.0", map[string]string{"share/three.txt": "three\n"})
	lock := toy.lock(one, two)
	first := toy.must(lock)
	if first.Wheels != 2 || first.Layers != 2 || !first.Published || first.FetchedBytes == 0 {
		t.Errorf("first: %+v", first)
	}
	img := toy.open(first)
	digest := strings.Fields(one)[2]
	env, err := img.ReadLink(snapshot.NoBuilt.ByLock("toy", snapshot.Sum([]byte(one+two)).String()))
	if err != nil {
		t.Fatal(err)
	}
	env = strings.TrimLeft(env, "./") + "/"
	for path, want := range map[string]string{
		env + "share/one.txt": "one\n", env + "share/two.txt": "two\n", env + "same": "shared\n", env + "empty": "",
		"by-name/toy/one/1.0/share/one.txt": "one\n", "by-hash/toy/" + digest + "/bin/one": "#!/bin/sh\n", "views/toy/DIGESTS": one + two,
	} {
		if got, err := fs.ReadFile(img, path); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v, want %q", path, got, err, want)
		}
	}
	for path, want := range map[string]fs.FileMode{env + "bin/one": 0o755, env + "hollow": fs.ModeDir | 0o755, env + "link": fs.ModeSymlink | 0o777, env + "share/one.txt": 0o644} {
		if info, err := img.Lstat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want mode %v", path, info, err, want)
		}
	}
	if m, err := img.Manifest(); err != nil || len(m.Artifacts) != 2 || m.Artifacts[0].Ecosystem != "toy" || !strings.Contains(string(m.Artifacts[0].Detail), digest) {
		t.Errorf("manifest: %+v, %v", m, err)
	}

	// Nothing is asked of the index for what the snapshot has.
	if err := os.Rename(toy.index, toy.index+".away"); err != nil {
		t.Fatal(err)
	}
	if again := toy.must(lock); again.Snapshot != first.Snapshot || again.Published || again.FetchedBytes != 0 || again.ReusedBytes != first.FetchedBytes || len(toy.warnings) > 0 {
		t.Errorf("again: %+v, %q", again, toy.warnings)
	}
	if _, err := toy.build(lock, toy.lock(one)); err == nil || !errors.Is(err, builder.ErrUnreachable) {
		t.Errorf("an index that is away: %v", err)
	}
}

// A lock may name two versions of a project: each stays what it is when the next build asks no index.
func TestToyTwoVersions(t *testing.T) {
	toy := newToy(t)
	lock := toy.lock(toytest.Pack(t, toy.index, "one", "1.0", map[string]string{"a": "1\n"}), toytest.Pack(t, toy.index, "one", "2.0", map[string]string{"b": "2\n"}))
	first := toy.must(lock)
	if err := os.Rename(toy.index, toy.index+".away"); err != nil {
		t.Fatal(err)
	}
	if again := toy.must(lock); again.Snapshot != first.Snapshot || again.Layers != 2 || len(toy.warnings) > 0 {
		t.Errorf("%+v, %q", again, toy.warnings)
	}
}

// What a lock names and the index does not have just so fails the build, and the store stays as it was.
func TestToyRefused(t *testing.T) {
	toy := newToy(t)
	one := toytest.Pack(t, toy.index, "one", "1.0", map[string]string{"one.txt": "one\n"})
	evil := toytest.Pack(t, toy.index, "evil", "1.0", map[string]string{"../evil": "x"})
	first := toy.must(toy.lock(one))
	if err := os.WriteFile(filepath.Join(toy.index, "two-1.0.tar"), []byte("not what was promised"), 0o644); err != nil {
		t.Fatal(err)
	}
	two := "two 1.0 " + strings.Repeat("ab", 64) + "\n"
	if err := os.WriteFile(filepath.Join(toy.index, "DIGESTS"), []byte(one+evil+two), 0o644); err != nil {
		t.Fatal(err)
	}
	for lock, want := range map[string]string{
		evil: `"../evil"`, two: "its digest is", "none 1.0 00\n": "the index has no such parcel of none",
	} {
		if _, err := toy.build(toy.lock(one, lock)); !errors.Is(err, builder.ErrRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("lock %q: %v; want ErrRefused saying %s", lock, err, want)
		}
	}
	if id, err := toy.store.Current(); err != nil || id.String() != first.Snapshot {
		t.Errorf("current is %s, %v", id, err)
	}
}

// A lost object of a layer, a view or an artifact is made again by the next build.
func TestToyDamage(t *testing.T) {
	toy := newToy(t)
	lock := toy.lock(toytest.Pack(t, toy.index, "one", "1.0", map[string]string{"share/one.txt": "one\n", "bin/one": "#!/bin/sh\n"}))
	first := toy.must(lock)
	var objects []snapshot.Object
	if err := toy.open(first).Walk("", func(e image.Entry) error {
		if e.Mode.IsRegular() && e.Size > 0 {
			objects = append(objects, e.Object)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if err := os.Remove(filepath.Join(toy.store.ObjectsDir(), o.Path())); err != nil && !errors.Is(err, unix.ENOENT) {
			t.Fatal(err)
		}
		if r := toy.must(lock); r.Snapshot != first.Snapshot {
			t.Errorf("without %s: made %s, want %s", o, r.Snapshot, first.Snapshot)
		}
	}
}

// others are the toy's locks, by another name.
type others struct{ ecosystem.Locks }

func (others) IsLock(path string) bool { return strings.HasSuffix(path, "other.lock") }

// A build may have locks of several ecosystems; each reads its own.
func TestLocksOfSeveralEcosystems(t *testing.T) {
	toy := newToy(t)
	one := toytest.Pack(t, toy.index, "one", "1.0", map[string]string{"one.txt": "one\n"})
	first := toytest.Ecosystem(func() string { return toy.index })
	other := first
	other.Name, other.Writers, other.Locks = "other", nil, others{first.Locks}
	otherLock := filepath.Join(t.TempDir(), "other.lock")
	if err := os.WriteFile(otherLock, []byte(one), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := builder.Build(context.Background(), builder.Config{
		Store: toy.store, Ecosystems: []builder.Ecosystem{first, other}, Locks: []string{toy.lock(one), otherLock},
		Targets: []builder.Target{{Target: snapshot.Target{Ecosystem: "toy", Tag: "toy"}}, {Target: snapshot.Target{Ecosystem: "other", Tag: "elsewhere"}}}, Views: []string{"toy"},
	})
	if err != nil {
		t.Fatal(err)
	}
	m, err := toy.open(r).Manifest()
	if err != nil || len(m.Environments) != 2 || len(m.Artifacts) != 2 || m.Artifacts[0].Ecosystem == m.Artifacts[1].Ecosystem {
		t.Errorf("%+v, %v", m, err)
	}
}

// A snapshot of an older format is no input: a build says so, and makes everything again.
func TestBuildOverAnOlderFormat(t *testing.T) {
	toy := newToy(t)
	lock := toy.lock(toytest.Pack(t, toy.index, "one", "1.0", map[string]string{"one.txt": "one\n"}))
	first := toy.must(lock)
	stage, err := toy.store.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stage.Close()
	manifest := []byte(`{"format":1,"targets":[],"wheels":[],"layers":[],"environments":[],"views":[]}`)
	o, err := stage.PutBytes(manifest, false)
	if err != nil {
		t.Fatal(err)
	}
	tree := image.NewTree()
	if err := tree.File(snapshot.ManifestPath, o, int64(len(manifest)), snapshot.Epoch); err != nil {
		t.Fatal(err)
	}
	if _, _, err := stage.Publish(func(w *os.File) error { return tree.Write(w) }, nil); err != nil {
		t.Fatal(err)
	}
	stage.Close()
	again, err := toy.build(lock)
	if err != nil || again.Snapshot != first.Snapshot {
		t.Errorf("%+v, %v", again, err)
	}
	if said := strings.Join(toy.warnings, "\n"); !strings.Contains(said, "format 1") || !strings.Contains(said, "everything is made again") {
		t.Errorf("said %q", said)
	}
}
