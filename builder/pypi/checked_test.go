package pypi_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"larder/builder/pypi/pypitest"
	"larder/snapshot"
)

// A build reads what it takes over where something was done to the file, and the rest in turn: of a
// restored store everything, once.
func TestWhatIsReadBeforeItIsReused(t *testing.T) {
	d := newDamaged(t, pypitest.Options{})
	first := d.rebuild("")
	again := func() int64 {
		t.Helper()
		r := d.rebuild("")
		if r.Snapshot != first.Snapshot || r.Published || len(d.warnings) > 0 {
			t.Errorf("%+v, %q", r, d.warnings)
		}
		return r.CheckedBytes
	}
	// What is made again in every build, pages and the manifest, is compared with the pool whole.
	least, sum := first.Bytes, int64(0)
	for range 8 {
		n := again()
		least, sum = min(least, n), sum+n
	}
	if sum-8*least >= first.Bytes || sum < first.Bytes || least > first.Bytes/2 {
		t.Errorf("of %d bytes 8 builds read %d, at least %d each", first.Bytes, sum, least)
	}

	// A backup that was restored is another set of files.
	restored := filepath.Join(t.TempDir(), "store")
	if out, err := exec.Command("cp", "-a", d.store.Dir(), restored).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var err error
	d.store, err = snapshot.Open(restored)
	must(t, err)
	d.cfg.Store = d.store
	if n := again(); n != first.Bytes {
		t.Errorf("of a restored store of %d bytes it reads %d", first.Bytes, n)
	}
	sum = 0
	for range 8 {
		sum += again()
	}
	if sum-8*least >= first.Bytes || sum < first.Bytes {
		t.Errorf("after that, of %d bytes 8 builds read %d, at least %d each", first.Bytes, sum, least)
	}
}
