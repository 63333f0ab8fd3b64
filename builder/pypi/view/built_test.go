package view_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"larder/builder"
	"larder/builder/pypi/pypitest"
	"larder/builder/pypi/view"
	"larder/snapshot"
	"larder/snapshot/pypi"
)

// builtItem is a wheel that was built from the source at an address, for targets.
func builtItem(data []byte, filename, url string, source snapshot.Digest, kind string, targets ...string) *builder.Item {
	it := &builder.Item{Artifact: builder.Artifact{
		Project: "made", Version: "1.0", Filename: filename, URL: url, Digest: snapshot.Sum(data).String(), Object: snapshot.Object{Digest: snapshot.Sum(data)}, Size: int64(len(data)),
		Built: &snapshot.ManifestBuilt{Source: source, Recipe: snapshot.Sum([]byte("recipe")), Kind: kind},
	}}
	for _, tag := range targets {
		it.Picks = append(it.Picks, &builder.Pick{Artifact: it.Artifact, Target: tag})
	}
	return it
}

// A wheel that was built lies where pip looks for what it has built of the same source: for the Pythons
// that it was built for, by the source's link with and without its hash.
func TestBuiltEntries(t *testing.T) {
	const url = "https://files.example/made-1.0.tar.gz"
	source := snapshot.Sum([]byte("source"))
	it := builtItem([]byte("wheel"), "made-1.0-py3-none-any.whl", url, source, snapshot.Pure,
		"cp311-manylinux_2_36_x86_64", "cp39-manylinux_2_36_x86_64", "cp311-musllinux_1_2_x86_64")
	var want []string
	for _, python := range []string{"3.11", "3.9"} {
		for _, sum := range []string{source.String(), ""} {
			want = append(want, pypi.WheelDir(url, sum, python)+"/made-1.0-py3-none-any.whl")
		}
	}
	wrote := 0
	for _, v := range view.All {
		if v.Built == snapshot.NoBuilt || v.Entries == nil {
			continue
		}
		wrote++
		var got []string
		files := 0
		for _, e := range v.Entries(it) {
			got = append(got, e.Path)
			if e.Link == "" {
				files++
				if e.Object != it.Object || e.Size != it.Size {
					t.Errorf("%s: %s is %v", v.Name, e.Path, e.Object)
				}
			} else if e.Link != got[0] {
				t.Errorf("%s: %s leads to %s", v.Name, e.Path, e.Link)
			}
		}
		if !slices.Equal(got, want) || files != 1 {
			t.Errorf("%s: %d files, %q, want %q", v.Name, files, got, want)
		}
	}
	if wrote != 2 {
		t.Errorf("%d views of what was built", wrote)
	}
}

// Every pip of this machine installs what lies there: nothing is downloaded, nothing is built.
func TestBuiltEntriesPip(t *testing.T) {
	home, _ := os.UserHomeDir()
	pythons, _ := filepath.Glob(filepath.Join(home, ".pyenv/versions/3.*/bin/python"))
	seen := map[string]bool{}
	for _, python := range append(pythons, "python3") {
		cmd := exec.Command(python, "-c", "import pip, sys; print(pip.__version__, 'cp%d%d' % sys.version_info[:2])") // older than 3.8 is no target
		cmd.Dir = t.TempDir()
		out, err := cmd.Output()
		version, tag, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
		if _, bad := pypi.ParseTag(tag + "-manylinux_2_17_x86_64"); err != nil || bad != nil || seen[version] {
			continue
		}
		seen[version] = true
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			builtByPip(t, python, version, tag)
		})
	}
	if len(seen) == 0 {
		t.Fatal("no interpreter with pip found: install python3-pip")
	}
}

func builtByPip(t *testing.T, python, version, tag string) {
	index := pypitest.NewIndex(t, pypitest.Options{})
	source := []byte("no archive: who opens it fails")
	url := index.AddFile("made", pypitest.Artifact{Name: "made-1.0.tar.gz", Data: source})
	wheel := pypitest.Wheel{Name: "made", Version: "1.0"}
	it := builtItem(wheel.Bytes(), wheel.Filename(), url, snapshot.Sum(source), snapshot.Pure, tag+"-manylinux_2_17_x86_64")
	cache := t.TempDir()
	at := slices.IndexFunc(view.All, func(v builder.View) bool { return v.Name == pypi.ViewPipBuilt })
	for _, e := range view.All[at].Entries(it) {
		path := filepath.Join(cache, e.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, wheel.Bytes(), 0o444); err != nil {
			t.Fatal(err)
		}
	}
	lock := filepath.Join(t.TempDir(), "lock.txt")
	if err := os.WriteFile(lock, []byte("made==1.0 --hash=sha256:"+snapshot.Sum(source).String()+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	wants := [][]string{{"made"}, {"-r", lock}}
	if major, rest, _ := strings.Cut(version, "."); len(major) < 2 || major < "23" || major == "23" && strings.HasPrefix(rest, "0") {
		wants = wants[:1] // with hashes it does not look among what it has built
	}
	for _, want := range wants {
		into := t.TempDir()
		cmd := exec.Command(python, append([]string{"-m", "pip", "install", "--no-deps", "--cache-dir", cache, "--target", into}, want...)...)
		cmd.Env, cmd.Dir = append(index.Env(), "HOME="+t.TempDir()), into
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("pip install %s: %v\n%s", want, err, out)
		}
		if files, _ := filepath.Glob(filepath.Join(into, "made*")); len(files) < 2 {
			t.Errorf("pip install %s left %q", want, files)
		}
	}
	for _, r := range index.Requests() {
		if strings.Contains(r.Path, ".tar.gz") {
			t.Errorf("it asked for %s", r.Path)
		}
	}
}
