package wheel

import (
	"os"
	"path/filepath"
	"testing"
)

// cachedWheels are the wheels that TestE2E tests share: those of a cache outside
// the checkout, filled once from the configured index.
func cachedWheels(t *testing.T) []string {
	if os.Getenv("LARDER_E2E") != "1" {
		t.Skip("needs real wheels: set LARDER_E2E=1")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(cache, "larder-test", "wheels", "*.whl"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 100 {
		t.Fatalf("%d wheels in the test cache, want 100: pip download --no-deps --only-binary :all: -d ~/.cache/larder-test/wheels NAMES", len(files))
	}
	return files
}

// Real wheels must pass: a rule that refuses one in a thousand costs more than it
// protects.
func TestE2ERealWheelsPass(t *testing.T) {
	refused := 0
	files := cachedWheels(t)
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		st, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		w, err := Open(f, st.Size(), filepath.Base(name))
		if err == nil {
			err = w.Verify()
		}
		if err != nil {
			refused++
			t.Errorf("%v", err)
			continue
		}
		for _, n := range w.Notes {
			t.Logf("%s: %s", w.Filename, n)
		}
		f.Close()
	}
	t.Logf("%d wheels, %d refused", len(files), refused)
}
