package pypi_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"larder/builder"
	"larder/builder/pypi"
	"larder/builder/pypi/pypitest"
	"larder/snapshot"
	"larder/snapshot/check"
	"larder/snapshot/image"
)

// damaged is a world whose store somebody damages between two builds. It has no
// interpreter, so that its many builds start no process.
type damaged struct {
	*world
	wheel    snapshot.Object // alpha's
	warnings []string
}

func newDamaged(t *testing.T, options pypitest.Options) *damaged {
	t.Helper()
	d := &damaged{world: newWorld(t, options)}
	d.leaveOutInterpreter()
	d.cfg.Warn = func(line string) { d.warnings = append(d.warnings, line) }
	alpha := pypitest.Wheel{Name: "alpha", Console: []string{"alpha = alpha:main"}, Files: []pypitest.File{
		{Path: "alpha.py", Text: "def main():\n    print('alpha')\n"}, {Path: "pkg/data.txt", Text: strings.Repeat("data\n", 999)}}}
	d.add(alpha, pypitest.Wheel{Name: "beta", Requires: []string{"alpha"}}, pypitest.Wheel{Name: "pip", Version: "99.0"})
	d.wheel.Digest = snapshot.Sum(alpha.Bytes())
	return d
}

// leaveOutInterpreter makes builds that start no process: their layers have no bytecode.
func (w *world) leaveOutInterpreter() {
	w.cfg.Targets = slices.Clone(w.cfg.Targets)
	t := w.cfg.Targets[0].Own.(pypi.Target)
	t.Interpreter = nil
	w.cfg.Targets[0] = t.Builder()
}

// rebuild builds again and checks that the store is whole, and says so of the
// damage when it should.
func (d *damaged) rebuild(warning string, edit ...func(*builder.Config)) *builder.Report {
	d.t.Helper()
	d.warnings = nil
	r, err := d.build(append([]func(*builder.Config){ranking("alpha", "beta")}, edit...)...)
	if err != nil {
		d.t.Fatalf("build: %v", err)
	}
	if len(r.Skipped) > 0 {
		d.t.Errorf("skipped %v", r.Skipped)
	}
	if said := strings.Join(d.warnings, "\n"); !strings.Contains(said, warning) {
		d.t.Errorf("the warnings %q do not say %q", said, warning)
	}
	d.clean()
	if cur, err := d.store.Current(); err != nil || cur.String() != r.Snapshot {
		d.t.Errorf("current is %s, %v, want %s", cur, err, r.Snapshot)
	}
	return r
}

// clean is `larder verify --full`, of the whole store or of snapshots.
func (d *damaged) clean(ids ...snapshot.ID) {
	d.t.Helper()
	r, err := check.Run(d.t.Context(), d.store, ids, check.Options{Full: true})
	if err != nil {
		d.t.Fatal(err)
	}
	for _, f := range r.Findings {
		d.t.Errorf("after the build: %s", f)
	}
}

func (d *damaged) id(r *builder.Report) snapshot.ID {
	id, err := snapshot.ParseDigest(r.Snapshot)
	if err != nil {
		d.t.Fatal(err)
	}
	return id
}

func (d *damaged) imagePath(r *builder.Report) string { return d.store.ImagePath(d.id(r)) }

func (d *damaged) objectPath(o snapshot.Object) string {
	return filepath.Join(d.store.ObjectsDir(), o.Path())
}

// rewrite changes a file where it lies: same inode, same mode.
func rewrite(t *testing.T, path string, edit func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, edit(b), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, info.Mode()); err != nil {
		t.Fatal(err)
	}
}

// The ways in which a file of a store is found damaged.
var (
	emptied   = func(t *testing.T, path string) { rewrite(t, path, func([]byte) []byte { return nil }) }
	truncated = func(t *testing.T, path string) { rewrite(t, path, func(b []byte) []byte { return b[:len(b)/2] }) }
	flipped   = func(t *testing.T, path string) {
		rewrite(t, path, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
	}
	missing  = func(t *testing.T, path string) { must(t, os.Remove(path)) }
	writable = func(t *testing.T, path string) { must(t, os.Chmod(path, 0o666)) }
	linked   = func(t *testing.T, path string) { missing(t, path); must(t, os.Symlink("/etc/hostname", path)) }
	pipe     = func(t *testing.T, path string) { missing(t, path); must(t, unix.Mkfifo(path, 0o444)) }
	replaced = func(t *testing.T, path string) {
		missing(t, path)
		must(t, os.MkdirAll(filepath.Join(path, "below"), 0o755))
	}
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A name changed inside current's image is not copied into the next one. The file
// itself is replaced, not written: a mount of it keeps what it has.
func TestDamagedImageIsNotCopied(t *testing.T) {
	d := newDamaged(t, pypitest.Options{})
	lock := d.lock("requirements.txt", "alpha==1.0\n")
	first := d.rebuild("", lock)
	path := d.imagePath(first)
	whole, err := os.ReadFile(path)
	must(t, err)
	rewrite(t, path, func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("alpha.py"), []byte("alphq.py")) })
	mounted, err := os.Open(path)
	must(t, err)
	defer mounted.Close()
	before, err := os.ReadFile(path)
	must(t, err)
	if bytes.Equal(before, whole) {
		t.Fatal("the image has no such name")
	}

	r := d.rebuild("larder verify", lock)
	if r.Snapshot != first.Snapshot || !r.Published {
		t.Errorf("published %t %s, want %s put in the place of the damaged one", r.Published, r.Snapshot, first.Snapshot)
	}
	if said := strings.Join(d.warnings, "\n"); !strings.Contains(said, first.Snapshot[:12]) {
		t.Errorf("the warnings do not name the snapshot: %q", said)
	}
	after := make([]byte, len(before))
	if _, err := mounted.ReadAt(after, 0); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the open file changed: %v", err)
	}
	if all, err := d.store.List(); err != nil || len(all) != 1 || all[0].Sequence != 1 {
		t.Errorf("snapshots: %+v, %v", all, err)
	}
	if again := d.rebuild("", lock); again.Published || len(d.warnings) > 0 {
		t.Errorf("once more: %+v, %q", again, d.warnings)
	}
}

// Any bit of the image may be the one.
func TestFlippedImageIsNotCopied(t *testing.T) {
	d := newDamaged(t, pypitest.Options{})
	first := d.rebuild("")
	rng := rand.New(rand.NewPCG(8, 1))
	for range 80 {
		path := d.imagePath(first)
		at := -1
		rewrite(t, path, func(b []byte) []byte {
			at = rng.IntN(8 * len(b))
			b[at/8] ^= 1 << (at % 8)
			return b
		})
		if r := d.rebuild("larder verify"); r.Snapshot != first.Snapshot {
			t.Errorf("bit %d: made %s, want %s", at, r.Snapshot, first.Snapshot)
		}
	}
}

// What a snapshot lost is made again, when it is current and when a build comes back
// to an older one; "already current" is said of whole snapshots only.
func TestDamagedSnapshotIsMadeAgain(t *testing.T) {
	snapshotFile := func(name string, damage func(*testing.T, string)) func(*testing.T, *damaged, *builder.Report) {
		return func(t *testing.T, d *damaged, r *builder.Report) {
			damage(t, filepath.Join(filepath.Dir(d.imagePath(r)), name))
		}
	}
	object := func(path string, damage func(*testing.T, string)) func(*testing.T, *damaged, *builder.Report) {
		return func(t *testing.T, d *damaged, r *builder.Report) {
			damage(t, d.objectPath(d.objectAt(r, path)))
		}
	}
	for name, damage := range map[string]func(*testing.T, *damaged, *builder.Report){
		"image emptied":         snapshotFile("image.erofs", emptied),
		"image truncated":       snapshotFile("image.erofs", truncated),
		"image missing":         snapshotFile("image.erofs", missing),
		"image is a link":       snapshotFile("image.erofs", linked),
		"image is a pipe":       snapshotFile("image.erofs", pipe),
		"image is a directory":  snapshotFile("image.erofs", replaced),
		"no published.json":     snapshotFile("published.json", missing),
		"published.json flawed": snapshotFile("published.json", truncated),
		"no directory":          snapshotFile(".", supplanted),
		"layer file flipped":    object("/pkg/data.txt", flipped),
		"layer file missing":    object("/pkg/data.txt", missing),
		"layer file short":      object("/pkg/data.txt", truncated),
		"layer file empty":      object("/pkg/data.txt", emptied),
		"layer file writable":   object("/pkg/data.txt", writable),
		"layer file a link":     object("/pkg/data.txt", linked),
		"layer file a pipe":     object("/pkg/data.txt", pipe),
		"layer file a dir":      object("/pkg/data.txt", replaced),
		"command missing":       object("/bin/alpha", missing),
		"wheel missing":         object("+files/alpha-1.0-py3-none-any.whl", missing),
		"wheel short":           object("+files/alpha-1.0-py3-none-any.whl", truncated),
		"manifest missing":      object("manifest.json", missing),
		"manifest short":        object("manifest.json", truncated),
		"manifest flipped":      object("manifest.json", flipped),
		"target file flipped":   object(".json", flipped),
		"index page flipped":    object("simple/alpha/index.html", flipped),
	} {
		for _, older := range []bool{false, true} {
			if older && !slices.Contains([]string{"image truncated", "no published.json", "layer file short", "wheel missing"}, name) {
				continue
			}
			t.Run(fmt.Sprintf("%s/older=%t", name, older), func(t *testing.T) {
				t.Parallel()
				d := newDamaged(t, pypitest.Options{})
				first := d.rebuild("")
				if older {
					d.rebuild("", ranking("beta"))
				}
				damage(t, d, first)
				r := d.rebuild("")
				if r.Snapshot != first.Snapshot {
					t.Errorf("made %s, want %s", r.Snapshot, first.Snapshot)
				}
				if again := d.rebuild(""); again.Published || again.FetchedBytes != 0 || len(d.warnings) > 1 {
					t.Errorf("once more: %+v, %q", again, d.warnings)
				}
			})
		}
	}
}

// supplanted is a directory that became a file.
func supplanted(t *testing.T, path string) {
	must(t, os.RemoveAll(path))
	must(t, os.WriteFile(path, []byte("x"), 0o444))
}

// objectAt is the object of the one file whose path in the image ends so.
func (d *damaged) objectAt(r *builder.Report, suffix string) (o snapshot.Object) {
	d.t.Helper()
	img := d.open(r)
	must(d.t, img.Walk("", func(e image.Entry) error {
		if e.Mode.IsRegular() && e.Size > 0 && strings.HasSuffix(e.Path, suffix) {
			o = e.Object
		}
		return nil
	}))
	if o == (snapshot.Object{}) {
		d.t.Fatalf("no file ends in %s", suffix)
	}
	return o
}

// Every object of a snapshot that was lost, cut or changed is there again after the same build, and
// a build of something else does not publish it either.
func TestEveryDamagedObjectIsMadeAgain(t *testing.T) {
	d := newDamaged(t, pypitest.Options{})
	lock := d.lock("requirements.txt", "alpha==1.0\nbeta==1.0\n")
	first := d.rebuild("", lock)
	objects := map[snapshot.Object]string{}
	must(t, d.open(first).Walk("", func(e image.Entry) error {
		if e.Mode.IsRegular() && e.Size > 0 {
			objects[e.Object] = e.Path
		}
		return nil
	}))
	for _, damage := range []func(*testing.T, string){missing, truncated, flipped} {
		for o, path := range objects {
			damage(t, d.objectPath(o))
			if r := d.rebuild("", lock); r.Snapshot != first.Snapshot {
				t.Errorf("%s: made %s, want %s", path, r.Snapshot, first.Snapshot)
			}
		}
	}
	for o, path := range objects {
		flipped(t, d.objectPath(o))
		other, err := d.build(ranking("alpha", "beta"))
		must(t, err)
		if other.Snapshot == first.Snapshot {
			t.Errorf("%s: made %s again", path, other.Snapshot)
		}
		d.clean(d.id(other))
		d.rebuild("", lock)
	}
	if len(objects) < 15 {
		t.Errorf("only %d objects", len(objects))
	}
}

// What is made of a damaged wheel or METADATA is not: the wheel is fetched again,
// whatever view is added, and it is nobody's refused input.
func TestDamagedWheelIsFetchedAgain(t *testing.T) {
	views := func(names ...string) func(*builder.Config) {
		return func(c *builder.Config) { c.Views = names }
	}
	const metadata = "alpha-1.0.dist-info/METADATA"
	mirror := pypitest.Options{Mirror: true} // tells no size, and no METADATA is served
	for name, damage := range map[string]struct {
		index pypitest.Options
		path  string // in the image; "" is the wheel
		do    func(*testing.T, string)
	}{
		"wheel truncated":           {pypitest.Options{}, "", truncated},
		"wheel flipped":             {pypitest.Options{}, "", flipped},
		"wheel emptied":             {pypitest.Options{}, "", emptied},
		"wheel writable":            {pypitest.Options{}, "", writable},
		"wheel of mirror truncated": {mirror, "", truncated},
		"wheel of mirror flipped":   {mirror, "", flipped},
		"wheel of mirror emptied":   {mirror, "", emptied},
		"METADATA truncated":        {pypitest.Options{}, metadata, truncated},
		"METADATA flipped":          {pypitest.Options{}, metadata, flipped},
		"METADATA emptied":          {pypitest.Options{}, metadata, emptied},
	} {
		for _, added := range viewNames {
			t.Run(name+"/"+added, func(t *testing.T) {
				t.Parallel()
				d := newDamaged(t, damage.index)
				others := slices.DeleteFunc(slices.Clone(viewNames), func(v string) bool { return v == added })
				lock := d.lock("requirements.txt", "alpha==1.0\n")
				first := d.rebuild("", lock, views(others...))
				whole := d.wheel
				if damage.path != "" {
					whole = d.objectAt(first, damage.path)
				}
				damage.do(t, d.objectPath(whole))
				d.rebuild(whole.Path(), lock)
				if want := d.rebuild("", lock); want.Published || len(d.warnings) > 0 {
					t.Errorf("once more: %+v, %q", want, d.warnings)
				}
			})
		}
	}
}

// A wheel kept by a build that came no further is read before it is stocked.
func TestKeptWheelIsReadAgain(t *testing.T) {
	for name, damage := range map[string]func(*testing.T, string){"truncated": truncated, "flipped": flipped, "emptied": emptied} {
		for _, layers := range []builder.Layers{builder.AllLayers, builder.NoLayers} {
			t.Run(fmt.Sprintf("%s/layers=%v", name, layers), func(t *testing.T) {
				d := newDamaged(t, pypitest.Options{NoSize: true})
				set := func(c *builder.Config) { c.Layers = layers }
				first := d.rebuild("", set)
				wheel := d.objectAt(first, "+files/alpha-1.0-py3-none-any.whl")
				must(t, os.RemoveAll(filepath.Dir(d.imagePath(first))))
				must(t, os.Remove(filepath.Join(d.store.Dir(), "current")))
				damage(t, d.objectPath(wheel))
				if r := d.rebuild(wheel.Path(), set); r.Snapshot != first.Snapshot || r.FetchedBytes == 0 {
					t.Errorf("%+v, want snapshot %s", r, first.Snapshot)
				}
			})
		}
	}
}

// A file of a wheel that the pool has already, damaged, is not taken for the one that
// was just unpacked.
func TestUnpackedFileReplacesDamage(t *testing.T) {
	d := newDamaged(t, pypitest.Options{})
	first := d.rebuild("")
	shared := d.objectAt(first, "/pkg/data.txt")
	d.add(pypitest.Wheel{Name: "alpha", Version: "2.0", Files: []pypitest.File{{Path: "pkg/data.txt", Text: strings.Repeat("data\n", 999)}}})
	flipped(t, d.objectPath(shared))
	if r := d.rebuild(""); r.Snapshot == first.Snapshot || d.objectAt(r, "/pkg/data.txt") != shared {
		t.Errorf("%+v", r)
	}
}
