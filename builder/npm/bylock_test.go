package npm_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"larder/builder"
	"larder/builder/npm/npmtest"
	"larder/snapshot"
)

// addressed is a lock with the addresses that the registry publishes, as npm writes it.
func (w *world) addressed(places map[string]npmtest.Package) (lock string) {
	lock = npmtest.Lock(w.T, w.TempDir(), places)
	npmtest.Addresses(w.T, lock, func(name, version string) string {
		return strings.TrimSuffix(w.URL(), "/") + npmtest.TarballPath(npmtest.Package{Name: name, Version: version})
	})
	return lock
}

// A registry is asked for nothing but the tarballs where a lock has their integrity and address, and what comes
// of it is what comes of asking. An older integrity is no reason not to ask, and a dry run asks.
func TestLockTellsAll(t *testing.T) {
	w := newWorld(t, left, left2, scope, old)
	places := map[string]npmtest.Package{"node_modules/left": left, "node_modules/@corp/right": scope, "node_modules/@corp/right/node_modules/left": left2, "node_modules/alias": left}
	lock := w.addressed(places)
	_, told := w.must(lock)
	want := []string{"GET /@corp/right/-/right-1.2.3-rc.1.tgz", "GET /left/-/left-1.0.0.tgz", "GET /left/-/left-2.0.0.tgz"}
	log := w.Requests()
	if slices.Sort(log); !slices.Equal(log, want) {
		t.Errorf("asked %q", log)
	}
	asking := newWorld(t)
	asking.Registry, asking.cfg.Ecosystems = w.Registry, w.cfg.Ecosystems
	_, asked := asking.must(npmtest.Lock(t, t.TempDir(), places))
	one, err := told.Manifest()
	other, err2 := asked.Manifest()
	if err != nil || err2 != nil || len(one.Artifacts) != 3 || !reflect.DeepEqual(one.Artifacts, other.Artifacts) {
		t.Errorf("asking the registry gives others: %v, %v:\n%+v\n%+v", err, err2, one.Artifacts, other.Artifacts)
	}
	if log := w.Requests(); !slices.Contains(log, "GET /left") {
		t.Errorf("the other build did not ask: %q", log)
	}
	if _, err := w.build(w.addressed(map[string]npmtest.Package{"node_modules/left": left}), func(c *builder.Config) { c.DryRun = true }); err != nil || !slices.Contains(w.Requests(), "GET /left") {
		t.Errorf("a dry run did not ask: %v", err)
	}
	w.must(w.addressed(map[string]npmtest.Package{"node_modules/old": old}))
	if log := w.Requests(); !slices.Contains(log, "GET /old") {
		t.Errorf("did not ask whether there is a better digest: %q", log)
	}
}

// So it does where the snapshot before has a package without a layer.
func TestLockTellsOfKnown(t *testing.T) {
	w := newWorld(t, left)
	w.must("", ranks(builder.Ranked{Projects: []string{"left"}}), func(c *builder.Config) { c.Layers = builder.NoLayers })
	lock := w.addressed(map[string]npmtest.Package{"node_modules/left": left})
	then, _ := w.must(lock)
	fresh := newWorld(t)
	fresh.Registry, fresh.cfg.Ecosystems = w.Registry, w.cfg.Ecosystems
	if now, img := fresh.must(lock); now.Snapshot != then.Snapshot {
		m, err := img.Manifest()
		t.Errorf("another store has another snapshot: %+v, %v", m, err)
	}
}

// An address that might be of anything is not taken from a lock, whatever its integrity.
func TestForeignAddress(t *testing.T) {
	evil := npmtest.Package{Name: "left", Version: "1.0.0", Files: map[string]string{"index.js": "evil\n"}}
	elsewhere := npmtest.NewRegistry(t, evil)
	for _, address := range []string{
		elsewhere.URL() + "left/-/left-1.0.0.tgz", "ROOTevil/-/evil-1.0.0.tgz", "ROOTleft/-/left-1.0.0.tgz?x", "ROOTleft/-/left-1.0.0.tgz#x", "ROOTleft/-/left-1.0.1.tgz",
		"ROOTleft/-/../-/left-1.0.0.tgz", "ROOT/left/-/left-1.0.0.tgz", "ROOTuploads/left-1.0.0.tgz",
	} {
		w := newWorld(t, left)
		lock := npmtest.Lock(t, t.TempDir(), map[string]npmtest.Package{"node_modules/left": evil})
		npmtest.Addresses(t, lock, func(string, string) string { return strings.Replace(address, "ROOT", w.URL(), 1) })
		tgz := func(rw http.ResponseWriter, _ *http.Request) { rw.Write(evil.Tarball()) }
		for _, path := range []string{"/evil/-/evil-1.0.0.tgz", "/uploads/left-1.0.0.tgz", "/left/-/left-1.0.1.tgz", "/left/-/../-/left-1.0.0.tgz", "//left/-/left-1.0.0.tgz"} {
			w.Fault(path, tgz)
		}
		if _, err := w.build(lock); !errors.Is(err, builder.ErrRefused) || !strings.Contains(err.Error(), "the lock has the integrity") {
			t.Errorf("%s: %v", address, err)
		}
		if log := w.Requests(); !slices.Equal(log, []string{"GET /left"}) || len(elsewhere.Requests()) > 0 {
			t.Errorf("%s: %q", address, log)
		}
	}
}

// What a lock says and a registry does not have so, is what the registry says of it, or a line about both.
func TestLockSaysOtherwise(t *testing.T) {
	other := left
	other.Files = map[string]string{"index.js": "other\n"}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	bytes := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "something else") }
	const tgz = "/left/-/left-1.0.0.tgz"
	for name, c := range map[string]struct {
		published []npmtest.Package
		fault     http.HandlerFunc
		is        error
		says      string
		asked     bool
	}{
		"another integrity": {[]npmtest.Package{other}, nil, builder.ErrRefused, "the lock has the integrity sha512-", true},
		"no package":        {nil, nil, builder.ErrRefused, "read versions of left: status 404 not found", true},
		"no version":        {[]npmtest.Package{left2}, nil, builder.ErrRefused, "the registry has no version 1.0.0 of left", true},
		"other bytes":       {[]npmtest.Package{left}, bytes, builder.ErrRefused, "bytes differ from what the index published: sha512 is ", true},
		"no tarball":        {[]npmtest.Package{left}, status(404), builder.ErrRefused, "status 404 not found", true},
		"forbidden":         {[]npmtest.Package{left}, status(403), builder.ErrRefused, "the index refuses it (status 403)", true},
		"tarball's fault":   {[]npmtest.Package{left}, status(502), builder.ErrUnreachable, "status 502 bad gateway", false},
		"login needed":      {[]npmtest.Package{left}, status(401), builder.ErrUnreachable, "status 401 unauthorized", false},
	} {
		w := newWorld(t, c.published...)
		w.Fault(tgz, c.fault)
		lock := w.addressed(map[string]npmtest.Package{"node_modules/left": left})
		r, err := w.build(lock)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") || r.Published {
			t.Errorf("%s: %v, want %s", name, err, c.says)
		}
		if log := w.Requests(); slices.Contains(log, "GET /left") != c.asked || len(log) > 3 {
			t.Errorf("%s: %q", name, log)
		}
		if _, err := w.store.Current(); !errors.Is(err, snapshot.ErrNoSnapshot) {
			t.Errorf("%s: %v", name, err)
		}
	}

	// The registry has moved it: its own address counts, also in npm's cache.
	w := newWorld(t, left)
	moved := "/moved/left.tgz"
	w.Fault(tgz, status(404))
	w.Fault(moved, func(rw http.ResponseWriter, _ *http.Request) { rw.Write(left.Tarball()) })
	w.Fault("/left", func(rw http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(rw, `{"name":"left","versions":{"1.0.0":{"dist":{"integrity":%q,"tarball":%q}}}}`, left.Integrity(), moved)
	})
	_, img := w.must(w.addressed(map[string]npmtest.Package{"node_modules/left": left}))
	key := sha256.Sum256([]byte("make-fetch-happen:request-cache:" + strings.TrimSuffix(w.URL(), "/") + moved))
	bucket := hex.EncodeToString(key[:])
	if _, err := fs.Stat(img, "views/npm/_cacache/index-v5/"+path.Join(bucket[:2], bucket[2:4], bucket[4:])); err != nil {
		t.Error(err)
	}
}
