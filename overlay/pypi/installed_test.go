package pypi

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Installed tells what was installed since a time, by whom, for which Python, wherever programs look,
// and nothing of what an image brought, came from elsewhere than an index, or lies outside.
func TestInstalled(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	put := func(dir, site, name, installer string) {
		t.Helper()
		d := filepath.Join(dir, site, name+".dist-info")
		must(os.MkdirAll(d, 0o755))
		must(os.WriteFile(filepath.Join(d, "METADATA"), nil, 0o644))
		if installer != "" {
			must(os.WriteFile(filepath.Join(d, "INSTALLER"), []byte(installer+"\n"), 0o644))
		}
	}
	put(root, "usr/local/lib/python3.11/site-packages", "old-1.0", "pip")
	put(outside, "lib/python3.11/site-packages", "secret-1.0", "pip")
	time.Sleep(20 * time.Millisecond) // the kernel's clock of changes ticks every 4 ms
	since := time.Now()
	time.Sleep(20 * time.Millisecond)
	put(root, "usr/local/lib/python3.11/site-packages", "New_One-1.0", "pip")
	put(root, "usr/local/lib/python3.11/dist-packages", "deb-1.0", "")
	put(root, "usr/lib/python3/dist-packages", "shared-1.0", "pip")
	put(root, "srv/app/.venv/lib/python3.12/site-packages", "usual-1.0", "uv")
	put(root, "opt/conda/lib/python3.10/site-packages", "onpath-1.0", "evil\x1b[2J word")
	put(root, "home/a/.local/lib/python3.9/site-packages", "user-1.0", "pip")
	put(root, "nowhere/lib/python3.9/site-packages", "unseen-1.0", "pip")
	put(root, "opt/venv/lib/python3.11/site-packages", "local-1.0", "pip")
	must(os.WriteFile(filepath.Join(root, "opt/venv/lib/python3.11/site-packages/local-1.0.dist-info/direct_url.json"), nil, 0o644))
	must(os.MkdirAll(filepath.Join(root, "opt/venv/lib/python3.11/site-packages/gone-1.0.dist-info"), 0o755))
	must(os.Symlink("lib", filepath.Join(root, "opt/venv/lib64")))
	must(os.Symlink("/usr/lib", filepath.Join(root, "lib"))) // as /lib of a merged /usr is
	must(os.Symlink(outside, filepath.Join(root, "venv")))   // leads nowhere in the root
	must(os.Symlink("../../../../../../../../../../"+outside, filepath.Join(root, "srv/app/venv")))
	must(os.Symlink(filepath.Join(outside, "lib/python3.11/site-packages/secret-1.0.dist-info"), filepath.Join(root, "opt/venv/lib/python3.11/site-packages/link-1.0.dist-info")))
	pipe := filepath.Join(root, "opt/venv/lib/python3.11/site-packages/pipe-1.0.dist-info")
	must(os.MkdirAll(pipe, 0o755))
	must(os.WriteFile(filepath.Join(pipe, "METADATA"), nil, 0o644))
	must(unix.Mkfifo(filepath.Join(pipe, "INSTALLER"), 0o644)) // to open it would be to wait

	env := map[string]string{"PATH": "/usr/bin:/opt/conda/bin:relative/bin", "HOME": "/home/a"}
	look := func() (found []string) {
		fd, err := os.OpenFile(root, unix.O_PATH|unix.O_DIRECTORY, 0)
		must(err)
		defer fd.Close()
		for _, p := range Environments.Installed(fd, "/srv/app", func(key string) string { return env[key] }, since) {
			found = append(found, fmt.Sprintf("%s %s %s %s %s", p.Project, p.Version, p.Target, p.Client, p.Ecosystem))
		}
		slices.Sort(found)
		return found
	}
	want := []string{
		"New_One 1.0 3.11 pip pypi", "deb 1.0 3.11  pypi", "onpath 1.0 3.10  pypi", "pipe 1.0 3.11  pypi", "shared 1.0  pip pypi", "user 1.0 3.9 pip pypi", "usual 1.0 3.12 uv pypi",
	}
	if got := look(); !slices.Equal(got, want) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	// A container's files are its own: a million of them costs no more than the bounds.
	for n := range maxInstalled + 10 {
		put(root, "usr/local/lib/python3.11/site-packages", fmt.Sprintf("many-%d", n), "")
	}
	if got := look(); len(got) > maxInstalled {
		t.Errorf("%d found", len(got))
	}
}
