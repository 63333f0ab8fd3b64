package npm_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"larder/builder"
	"larder/builder/fetch"
	"larder/builder/npm"
	"larder/builder/npm/npmtest"
	"larder/builder/npm/registry"
	"larder/snapshot"
	"larder/snapshot/check"
	"larder/snapshot/image"
	shared "larder/snapshot/npm"
)

// world is a registry on loopback and a store.
type world struct {
	*testing.T
	*npmtest.Registry
	store    *snapshot.Store
	cfg      builder.Config
	warnings []string
}

func newWorld(t *testing.T, packages ...npmtest.Package) *world {
	store, err := snapshot.Create(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, Registry: npmtest.NewRegistry(t, packages...), store: store}
	e := npm.EcosystemOf(registry.Config{Registry: w.URL(), Access: fetch.Access{Retries: -1}})
	targets, err := e.Targets(t.Context(), []string{"linux-x64-glibc"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.cfg = builder.Config{Store: store, Ecosystems: []builder.Ecosystem{e}, Targets: targets, Views: []string{"npm"}, Warn: func(s string) { w.warnings = append(w.warnings, s) }}
	return w
}

func (w *world) build(lock string, edit ...func(*builder.Config)) (*builder.Report, error) {
	cfg := w.cfg
	cfg.Locks = []string{lock}
	for _, e := range edit {
		e(&cfg)
	}
	w.warnings = nil
	return builder.Build(w.Context(), cfg)
}

func (w *world) must(lock string, edit ...func(*builder.Config)) (*builder.Report, *image.Image) {
	w.Helper()
	r, err := w.build(lock, edit...)
	if err != nil {
		w.Fatal(err)
	}
	found, err := check.Run(w.Context(), w.store, nil, check.Options{Full: true})
	if err != nil || len(found.Findings) > 0 || len(w.warnings) > 0 {
		w.Errorf("verify: %v, %v; warnings: %q", found, err, w.warnings)
	}
	return r, w.open(r)
}

// open is the snapshot that a build made.
func (w *world) open(r *builder.Report) *image.Image {
	w.Helper()
	id, err := snapshot.ParseDigest(r.Snapshot)
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

var (
	left  = npmtest.Package{Name: "left", Version: "1.0.0", Files: map[string]string{"index.js": "left\n", "cli.js": "#!/usr/bin/env node\r\n", ".gitignore": "x\n"}, Fields: map[string]any{"bin": "cli.js"}}
	left2 = npmtest.Package{Name: "left", Version: "2.0.0", Files: map[string]string{"index.js": "left 2\n"}}
	scope = npmtest.Package{Name: "@corp/right", Version: "1.2.3-rc.1", Files: map[string]string{"index.js": "right\n", "lib/a.js": "a\n"}}
	old   = npmtest.Package{Name: "old", Version: "0.1.0", Files: map[string]string{"index.js": "old\n"}, SHA1: true}
)

// A build has each tarball of a lock as a layer and in npm's cache, two versions of one package each for
// itself, and fetches none that it has.
func TestBuild(t *testing.T) {
	w := newWorld(t, left, left2, scope, old)
	lock := npmtest.Lock(t, t.TempDir(), map[string]npmtest.Package{
		"node_modules/left": left, "node_modules/@corp/right": scope, "node_modules/@corp/right/node_modules/left": left2, "node_modules/old": old})
	r, img := w.must(lock)
	if want := []string{"GET /@corp/right/-/right-1.2.3-rc.1.tgz", "GET /left/-/left-1.0.0.tgz", "GET /left/-/left-2.0.0.tgz", "GET /old/-/old-0.1.0.tgz"}; !slices.Equal(w.Tarballs(), want) {
		t.Error("other tarballs were fetched")
	}
	if r.Wheels != 4 || r.Layers != 4 {
		t.Errorf("%+v", r)
	}
	by := func(p npmtest.Package) string { return "by-hash/linux-x64-glibc/" + p.Digest() + "/" }
	for file, want := range map[string]string{
		by(left) + "index.js": "left\n", by(left2) + "index.js": "left 2\n", by(scope) + "lib/a.js": "a\n", by(old) + "index.js": "old\n",
		by(left) + "cli.js": "#!/usr/bin/env node\n", by(left) + ".npmignore": "x\n",
		"by-name/linux-x64-glibc/@corp+right/1.2.3-rc.1/index.js": "right\n", "by-name/linux-x64-glibc/left/2.0.0/index.js": "left 2\n",
	} {
		if got, err := fs.ReadFile(img, file); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", file, got, err)
		}
	}
	if info, err := fs.Stat(img, by(left)+"cli.js"); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("%v, %v", info, err)
	}
	for _, p := range []npmtest.Package{left, left2, scope, old} {
		algorithm, _, _ := strings.Cut(p.Integrity(), "-")
		content := fmt.Sprintf("views/npm/_cacache/content-v2/%s/%s/%s/%s", algorithm, p.Digest()[:2], p.Digest()[2:4], p.Digest()[4:])
		if got, _, ok := img.Object(content); !ok || got.Digest != snapshot.Sum(p.Tarball()) {
			t.Errorf("%s: %v", content, got)
		}
		key := sha256.Sum256([]byte("make-fetch-happen:request-cache:" + strings.TrimSuffix(w.URL(), "/") + npmtest.TarballPath(p)))
		bucket := hex.EncodeToString(key[:])
		text, err := fs.ReadFile(img, "views/npm/_cacache/index-v5/"+path.Join(bucket[:2], bucket[2:4], bucket[4:]))
		if err != nil || !strings.Contains(string(text), p.Integrity()) {
			t.Errorf("%s: %q, %v", p.Name, text, err)
		}
	}

	// The same once more asks nothing, and is the same; so is what a new store makes of it.
	again, _ := w.must(lock)
	if log := w.Requests(); len(log) > 0 || again.Snapshot != r.Snapshot || again.FetchedBytes > 0 {
		t.Errorf("%q, %+v", log, again)
	}
	fresh := newWorld(t)
	fresh.Registry, fresh.cfg.Ecosystems = w.Registry, w.cfg.Ecosystems
	if other, _ := fresh.must(lock, func(c *builder.Config) { c.Jobs = 1 }); other.Snapshot != r.Snapshot {
		t.Error("another store has another snapshot")
	}
	w.Requests()

	// Another lock takes what is there.
	lock = npmtest.Lock(t, t.TempDir(), map[string]npmtest.Package{"node_modules/left": left2, "node_modules/alias": scope})
	w.must(lock)
	if log := w.Tarballs(); len(log) > 0 {
		t.Errorf("%q", log)
	}
}

// Each target finds its layers, which share their objects, and npm's cache has each tarball once.
func TestTwoTargets(t *testing.T) {
	w := newWorld(t, left)
	var err error
	if w.cfg.Targets, err = npm.FindTargets([]string{"linux-arm64-musl", "linux-x64-glibc", "linux-x64-glibc"}); err != nil || len(w.cfg.Targets) != 2 {
		t.Fatal(w.cfg.Targets, err)
	}
	r, img := w.must(npmtest.Lock(t, t.TempDir(), map[string]npmtest.Package{"node_modules/left": left}))
	if r.Layers != 2 || r.Wheels != 1 || len(w.Tarballs()) != 1 {
		t.Errorf("%+v", r)
	}
	for _, tag := range []string{"linux-arm64-musl", "linux-x64-glibc"} {
		for _, name := range []string{"by-hash/" + tag + "/" + left.Digest(), "by-name/" + tag + "/left/1.0.0"} {
			if _, err := fs.Stat(img, name+"/index.js"); err != nil {
				t.Error(err)
			}
		}
	}
}

// A lock's own digest may be the SHA-1 that registries publish beside what counts.
func TestOldLock(t *testing.T) {
	w := newWorld(t, left)
	sha1 := left
	sha1.SHA1 = true
	_, img := w.must(npmtest.Lock(t, t.TempDir(), map[string]npmtest.Package{"node_modules/left": sha1}))
	if _, err := fs.Stat(img, "by-hash/linux-x64-glibc/"+left.Digest()+"/index.js"); err != nil {
		t.Error(err)
	}
}

// What cannot be had, or must not be, fails the build with one line that says why, and nothing is
// published.
func TestFaults(t *testing.T) {
	bad := npmtest.Package{Name: "left", Version: "1.0.0", Raw: npmtest.Tar(npmtest.File("package/../../x", ""))}
	other := left
	other.Name, other.Raw = "other", left.Tarball()
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	page := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html>log in</html>")
	}
	answer := func(format string, args ...any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, format, args...) }
	}
	const meta, tgz = "/left", "/left/-/left-1.0.0.tgz"
	for name, c := range map[string]struct {
		published []npmtest.Package
		locked    npmtest.Package
		path      string
		fault     http.HandlerFunc
		is        error
		says      string
	}{
		"no package":        {nil, left, "", nil, builder.ErrRefused, "left==1.0.0 for linux-x64-glibc: read versions of left: status 404 not found"},
		"no version":        {[]npmtest.Package{left2}, left, "", nil, builder.ErrRefused, "the registry has no version 1.0.0 of left"},
		"another integrity": {[]npmtest.Package{{Name: "left", Version: "1.0.0"}}, left, "", nil, builder.ErrRefused, "the lock has the integrity sha512-"},
		"only a SHA-1":      {[]npmtest.Package{old}, npmtest.Package{Name: "old", Version: "0.1.0", Files: old.Files}, "", nil, builder.ErrRefused, "and the registry publishes sha1-"},
		"traversal":         {[]npmtest.Package{bad}, bad, "", nil, builder.ErrRefused, `refused left-1.0.0.tgz: entry "package/../../x" has a ".." in its name`},
		"of another name":   {[]npmtest.Package{other}, other, "", nil, builder.ErrRefused, `is published as other, and its package.json says "left"`},
		"other bytes":       {[]npmtest.Package{left}, left, tgz, answer("something else"), builder.ErrRefused, "bytes differ from what the index published: sha512 is "},
		"no tarball":        {[]npmtest.Package{left}, left, tgz, status(404), builder.ErrRefused, "status 404 not found"},
		"forbidden":         {[]npmtest.Package{left}, left, meta, status(403), builder.ErrRefused, "the index refuses it (status 403)"},
		"registry's fault":  {[]npmtest.Package{left}, left, meta, status(503), builder.ErrUnreachable, "status 503 service unavailable"},
		"tarball's fault":   {[]npmtest.Package{left}, left, tgz, status(502), builder.ErrUnreachable, "status 502 bad gateway"},
		"login needed":      {[]npmtest.Package{left}, left, meta, status(401), builder.ErrUnreachable, "status 401 unauthorized"},
		"a page":            {[]npmtest.Package{left}, left, meta, page, builder.ErrUnreachable, `not a registry's answer: it is of type "text/html"`},
		"of another":        {[]npmtest.Package{left}, left, meta, answer(`{"name":"right","versions":{}}`), builder.ErrUnreachable, `and names "right"`},
		"no integrity":      {[]npmtest.Package{left}, left, meta, answer(`{"name":"left","versions":{"1.0.0":{"dist":{"tarball":"x.tgz"}}}}`), builder.ErrRefused, "no integrity that counts"},
		"no address":        {[]npmtest.Package{left}, left, meta, answer(`{"name":"left","versions":{"1.0.0":{"dist":{"shasum":%q}}}}`, left.Shasum()), builder.ErrRefused, "names no address"},
		"of a file": {[]npmtest.Package{left}, left, meta, answer(`{"name":"left","versions":{"1.0.0":{"dist":{"integrity":%q,"tarball":"file:///etc/passwd"}}}}`, left.Integrity()),
			builder.ErrRefused, `scheme "file" is not http or https`},
	} {
		w := newWorld(t, c.published...)
		w.Fault(c.path, c.fault)
		lock := npmtest.Lock(t, t.TempDir(), map[string]npmtest.Package{"node_modules/" + c.locked.Name: c.locked})
		r, err := w.build(lock)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") || r.Published {
			t.Errorf("%s: %v, want %s", name, err, c.says)
		}
		if _, err := w.store.Current(); !errors.Is(err, snapshot.ErrNoSnapshot) {
			t.Errorf("%s: %v", name, err)
		}
		w.Fault(c.path, nil)
		if c.path != "" { // nothing of the fault stays
			w.must(lock)
		}
	}
}

// A dry run tells sizes and fetches nothing; without a registry there is what the store has.
func TestDryAndOffline(t *testing.T) {
	w := newWorld(t, left, scope)
	lock := npmtest.Lock(t, t.TempDir(), map[string]npmtest.Package{"node_modules/left": left, "node_modules/@corp/right": scope})
	dry := func(c *builder.Config) { c.DryRun = true }
	r, err := w.build(lock, dry)
	if err != nil || len(r.Plan) != 2 || r.Bytes != int64(len(left.Tarball())+len(scope.Tarball())) || r.Plan[0].Disk <= r.Plan[0].Size {
		t.Errorf("%+v, %v", r, err)
	}
	for _, line := range w.Requests() {
		if strings.HasPrefix(line, "GET") && strings.HasSuffix(line, ".tgz") {
			t.Error(line)
		}
	}
	offline := func(c *builder.Config) { c.Offline = true }
	if _, err := w.build(lock, offline); !errors.Is(err, builder.ErrUnreachable) {
		t.Error(err)
	}
	first, _ := w.must(lock)
	w.Requests()
	if again, _ := w.must(lock, offline); again.Snapshot != first.Snapshot || len(w.Requests()) > 0 {
		t.Error("offline it is another snapshot")
	}
}

func TestTargets(t *testing.T) {
	own, err := npm.FindTargets(nil)
	if err != nil || len(own) != 1 || own[0].Ecosystem != "npm" {
		t.Fatalf("%v, %v", own, err)
	}
	for _, bad := range []string{"linux-amd64-glibc", "cp311-manylinux_2_36_x86_64"} {
		if _, err := npm.FindTargets([]string{"linux-x64-glibc", bad}); !errors.Is(err, shared.ErrTag) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// What is damaged is fetched again by its digest, wherever the registry has it now; what is revoked is gone from
// layers, environments and npm's cache.
func TestRepairAndRevoke(t *testing.T) {
	w := newWorld(t, left, left2, scope)
	first, img := w.must(npmtest.Lock(t, t.TempDir(), map[string]npmtest.Package{"node_modules/left": left, "node_modules/@corp/right": scope, "node_modules/@corp/right/node_modules/left": left2}))
	for _, o := range []snapshot.Object{{Digest: snapshot.Sum(left2.Tarball())}, {Digest: snapshot.Sum([]byte("left 2\n"))}, {Digest: snapshot.Sum([]byte("#!/usr/bin/env node\n")), Exec: true}} {
		if err := os.Remove(filepath.Join(w.store.ObjectsDir(), o.Path())); err != nil {
			t.Fatal(err)
		}
	}
	w.Requests()
	report, err := builder.Repair(t.Context(), w.cfg)
	if err != nil || len(report.Left) > 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	if log := w.Tarballs(); !slices.Equal(log, []string{"GET /left/-/left-2.0.0.tgz"}) {
		t.Errorf("fetched %q", log)
	}
	found, err := check.Run(t.Context(), w.store, nil, check.Options{Full: true})
	if err != nil || len(found.Findings) > 0 {
		t.Errorf("%+v, %v", found, err)
	}
	content := func(p npmtest.Package) string {
		return "views/npm/_cacache/content-v2/sha512/" + path.Join(p.Digest()[:2], p.Digest()[2:4], p.Digest()[4:])
	}
	if _, _, ok := img.Object(content(scope)); !ok {
		t.Error("the test looks in the wrong place")
	}
	w.Requests()
	r, err := builder.Revoke(t.Context(), w.cfg, snapshot.Denial{Project: "@corp+right", Reason: "test"}, false)
	if err != nil || r.Snapshot == first.Snapshot || len(r.Environments) != 1 || len(w.Requests()) > 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	id, err := snapshot.ParseDigest(r.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	now, err := image.OpenSnapshot(w.store, id)
	if err != nil {
		t.Fatal(err)
	}
	defer now.Close()
	if _, _, ok := now.Object(content(scope)); ok {
		t.Error("npm's cache still has what is revoked")
	}
	if _, _, ok := now.Object(content(left)); !ok {
		t.Error("npm's cache lacks what is not revoked")
	}
}
