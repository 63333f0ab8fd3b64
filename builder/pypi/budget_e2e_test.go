package pypi_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"larder/builder"
	"larder/builder/pypi"
	"larder/builder/pypi/index"
	"larder/snapshot"
)

// What a budget takes can be installed by real pip from the snapshot alone: real
// projects with dependencies, extras and markers.
func TestE2EBudgetInstallsAlone(t *testing.T) {
	if os.Getenv("LARDER_E2E") == "" {
		t.Skip("LARDER_E2E is not set")
	}
	projects := []string{"flask", "pandas", "uvicorn", "tqdm", "rich", "pytest"}
	w := &world{t: t}
	var err error
	if w.store, err = snapshot.Create(filepath.Join(t.TempDir(), "store")); err != nil {
		t.Fatal(err)
	}
	if w.cfg.Targets, err = pypi.Ecosystem().Targets(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	pip, err := index.FromPip(t.Context(), []string{"python3"})
	if err != nil {
		t.Fatal(err)
	}
	client, err := index.New(pip, index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	w.cfg.Store, w.cfg.Ecosystems, w.cfg.Views = w.store, of(client), []string{"simple"}
	w.cfg.Ranked = map[string]builder.Ranked{"pypi": {Projects: projects, Budget: 2 << 30}}
	r := w.must()
	if len(r.Skipped) > 0 {
		t.Errorf("skipped %v", r.Skipped)
	}
	img := w.open(r)
	dir := t.TempDir()
	err = fs.WalkDir(img, "views/simple", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".whl") || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(img, path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, filepath.Base(path)), b, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, project := range projects {
		cmd := exec.Command("python3", "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-index", "--find-links", dir, "--only-binary", ":all:", "--target", t.TempDir(), project)
		cmd.Env = append(os.Environ(), "PIP_FIND_LINKS=", "PIP_CONFIG_FILE=/dev/null")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", project, err, out)
		}
	}
}
