package index_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"larder/builder/pypi/index"
)

// TestE2E reads and fetches from the index this machine's pip is configured
// for, and compares every URL, hash and byte with what that pip would take.
func TestE2E(t *testing.T) {
	if os.Getenv("LARDER_E2E") != "1" {
		t.Skip("set LARDER_E2E=1 to use the real index")
	}
	config, err := index.FromPip(t.Context(), []string{"python3"})
	if err != nil {
		t.Fatal(err)
	}
	cache, err := index.OpenPageCache(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, config, index.Options{UserAgent: "larder/test", Cache: cache})
	names := []string{"flask", "requests", "MarkupSafe", "click", "six"}
	cmd := exec.Command("python3", append([]string{"-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps", "--only-binary", ":all:", "--report", "-"}, names...)...)
	cmd.Dir = t.TempDir()
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ask pip: %v", err)
	}
	var report struct {
		Install []struct {
			Metadata struct{ Name, Version string }
			Download struct {
				URL     string
				Archive struct {
					Hashes map[string]string
					Hash   string
				} `json:"archive_info"`
			} `json:"download_info"`
		}
	}
	if err := json.Unmarshal(out, &report); err != nil || len(report.Install) != len(names) {
		t.Fatalf("%v, %d of %d", err, len(report.Install), len(names))
	}
	var wg sync.WaitGroup
	for _, in := range report.Install {
		wg.Go(func() {
			if err := fetchAs(t, c, in.Metadata.Name, in.Download.URL, strings.TrimPrefix(in.Download.Archive.Hash, "sha256=")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	_, err = c.Project(t.Context(), "larder-test-no-such-project-0x1f")
	check(t, err, index.ErrNotFound)
	t.Logf("%d indexes, %+v", len(c.Indexes()), c.Stats())
}

// fetchAs gets the file that pip chose for a project.
func fetchAs(t *testing.T, c *index.Client, name, url, sum string) error {
	p, err := c.Project(t.Context(), name)
	if err != nil {
		return err
	}
	for _, f := range p.Files {
		if f.URL != url {
			continue
		}
		if f.SHA256 != sum {
			return fmt.Errorf("%s: sha256 is %s, pip has %s", f.Filename, f.SHA256, sum)
		}
		size, err := c.Size(t.Context(), f)
		if err != nil {
			return err
		}
		var to memory
		n, err := c.Fetch(t.Context(), f, &to)
		if err != nil {
			return err
		}
		if got := sha256.Sum256(to.b); n != size || hex.EncodeToString(got[:]) != sum {
			return fmt.Errorf("%s: %d bytes of %d", f.Filename, n, size)
		}
		if b, err := c.FetchMetadata(t.Context(), f); err != nil {
			t.Logf("%s: no metadata: %v", f.Filename, err)
		} else if !strings.Contains(strings.ToLower(string(b)), "name: "+strings.ToLower(name)) {
			return fmt.Errorf("metadata of another project: %.80q", b)
		}
		return nil
	}
	return fmt.Errorf("%s: pip takes a URL that is not among our %d files", name, len(p.Files))
}
