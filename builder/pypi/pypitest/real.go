package pypitest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sync/errgroup"

	"larder/popularity"
)

// Of the most popular projects so many are asked for, and so many must have a wheel here.
const (
	realProjects = 130
	realWheels   = 100
)

// Real returns the files of real wheels, for tests that may use the package index (LARDER_E2E=1).
// The first test downloads them, with the pip of python3 and from its index, into the user's cache
// directory, where they stay.
func Real(t testing.TB) []string {
	t.Helper()
	if os.Getenv("LARDER_E2E") != "1" {
		t.Skip("needs real wheels: set LARDER_E2E=1")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "larder-test", "wheels")
	files := glob(dir)
	if len(files) < realWheels {
		download(t, dir)
		files = glob(dir)
	}
	if len(files) < realWheels {
		t.Fatalf("%d wheels in %s, want %d: is there a package index?", len(files), dir, realWheels)
	}
	return files
}

func glob(dir string) []string {
	files, _ := filepath.Glob(filepath.Join(dir, "*.whl")) // it fails of bad patterns only
	return files
}

// download fetches a wheel of each project. One that has none is no loss: they are counted later.
func download(t testing.TB, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var g errgroup.Group
	g.SetLimit(4)
	for _, e := range popularity.Starter().Entries[:realProjects] {
		g.Go(func() error {
			// Beside the wheels, for one rename each: a killed test leaves no half of one.
			tmp, err := os.MkdirTemp(filepath.Dir(dir), "download-*")
			if err != nil {
				return err
			}
			defer os.RemoveAll(tmp)
			pip := exec.CommandContext(t.Context(), "python3", "-I", "-m", "pip", "download", "-q",
				"--disable-pip-version-check", "--no-cache-dir", "--no-deps", "--only-binary", ":all:", "-d", tmp, e.Project)
			if out, err := pip.CombinedOutput(); err != nil {
				t.Logf("%s: %v: %.300s", e.Project, err, out)
				return nil
			}
			for _, f := range glob(tmp) {
				err = errors.Join(err, os.Rename(f, filepath.Join(dir, filepath.Base(f))))
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}
