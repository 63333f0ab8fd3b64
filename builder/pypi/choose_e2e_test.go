package pypi

import (
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"testing"

	"larder/builder"
	"larder/builder/pypi/index"
	"larder/popularity"
	"larder/snapshot"
)

// The plan for the demo's 60 projects is what the interpreter's own pip would
// install: the same files, from the index pip is configured for.
func TestE2EChoiceAgreesWithPip(t *testing.T) {
	if os.Getenv("LARDER_E2E") == "" {
		t.Skip("needs the package index: LARDER_E2E=1")
	}
	targets, err := FindTargets(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	python := targets[0].Interpreter.Executable
	cfg, err := index.FromPip(t.Context(), []string{python})
	if err != nil {
		t.Fatal(err)
	}
	client, err := index.New(cfg, index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var names []string
	for _, e := range popularity.Starter().Top(60).Entries {
		names = append(names, e.Project)
	}

	args := []string{"-m", "pip", "install", "--dry-run", "--no-deps", "--ignore-installed", "--only-binary", ":all:", "--quiet", "--report", "-"}
	cmd := exec.Command(python, append(args, names...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("pip: %v", err)
	}
	var report struct {
		Install []struct {
			Download struct {
				URL string `json:"url"`
			} `json:"download_info"`
		} `json:"install"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	var pips []string
	for _, i := range report.Install {
		pips = append(pips, path.Base(i.Download.URL))
	}

	store, err := snapshot.Create(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := builder.Build(t.Context(), builder.Config{
		Store: store, Ecosystems: []builder.Ecosystem{EcosystemOf(client)}, Targets: []builder.Target{targets[0].Builder()}, Ranked: map[string]builder.Ranked{"pypi": {Projects: names}}, DryRun: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	var ours []string
	for _, p := range r.Plan {
		ours = append(ours, p.Filename)
	}
	slices.Sort(ours)
	slices.Sort(pips)
	if len(pips) != 60 || !slices.Equal(ours, pips) {
		t.Errorf("we chose %d, pip %d:\n%v\n%v", len(ours), len(pips), ours, pips)
	}
}
