package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/builder/pypi/pypitest"
)

// uvs are one for each generation of uv's cache that view uv is tried with; "" is the newest.
var uvs = []string{"0.6.17", "0.9.30", ""}

// An unmodified uv installs a lock from view uv: no wheel is downloaded, without a network too, and
// what is written into the container's part of the cache is small. What it does to its cache harms nobody.
func TestE2EUVVersions(t *testing.T) {
	needE2E(t)
	t.Parallel()
	p := newProgram(t)
	python := p.python()
	var paths []string
	for _, version := range uvs {
		venv := filepath.Join(t.TempDir(), "uv"+version)
		p.must(python, "-m", "venv", venv)
		spec := "uv"
		if version != "" {
			spec += "==" + version
		}
		p.must(filepath.Join(venv, "bin", "pip"), "install", "--quiet", spec)
		paths = append(paths, filepath.Join(venv, "bin", "uv"))
	}
	t.Run("sources", func(t *testing.T) { (&program{t, p.bin, p.env}).uvOfSources(python, paths) })
	t.Run("real", func(t *testing.T) { (&program{t, p.bin, p.env}).uvReal(python, paths[1:]) })
	for _, o := range []pypitest.Options{{}, {Mirror: true}} {
		x := pypitest.NewIndex(t, o)
		t.Run(fmt.Sprintf("mirror=%t", o.Mirror), func(t *testing.T) {
			(&program{t, p.bin, p.env}).uvVersions(x, o.Mirror, python, paths)
		})
	}
}

// uvReal tries uvs on real wheels, from the index that pip is configured for. Without a network nothing
// can be downloaded, so what is installed came from the view.
func (p *program) uvReal(python string, paths []string) {
	t := p.t
	p = p.with("LARDER_STORE=" + filepath.Join(t.TempDir(), "store"))
	if index, _, status := p.try(python, "-m", "pip", "config", "get", "global.index-url"); status == 0 {
		p = p.with("UV_DEFAULT_INDEX=" + strings.TrimSpace(index))
	}
	pins, n := p.resolved(python, "flask", "requests", "pyyaml")
	lock := p.file("requirements.txt", pins)
	build := []string{"build", "--lock", lock, "--view", "uv", "--view", "pip", "--json"}
	for _, path := range paths {
		build = append(build, "--with-uv", path)
	}
	p.must("larder", build...)
	for _, path := range paths {
		dir, inst := t.TempDir(), filepath.Join(t.TempDir(), "inst")
		p.must("larder", "run", "--required", "--view", "uv", "--instance", inst, "--", "sh", "-ec",
			`cd "$1"; "$3" -m venv --without-pip venv; "$2" pip install --offline --python venv/bin/python -r "$4"; venv/bin/python -c 'import flask, requests, yaml'; "$2" pip check --python venv/bin/python`,
			"sh", dir, path, python, lock)
		files, bytes := writtenBelow(t, inst)
		t.Logf("%s: %d wheels, %d files of %d bytes written", path, n, files, bytes)
		if bytes > 50_000 {
			t.Errorf("wrote %d files of %d bytes into its cache", files, bytes)
		}
	}
}

// uvVersions tries uvs on two wheels of an index.
func (p *program) uvVersions(x *pypitest.Index, mirror bool, python string, paths []string) {
	t := p.t
	lock, version := "", "1.0+cpu"
	if mirror {
		version = "1.0" // uv looks for metadata by the address as it is spelled, and mirrors write a bare +
	}
	for _, w := range []pypitest.Wheel{
		baseLib(version),
		{Name: "app", Version: "1.0", Requires: []string{"base-lib"}},
	} {
		data := w.Bytes()
		x.AddFile(w.Name, pypitest.Artifact{Name: w.Filename(), Data: data})
		lock += fmt.Sprintf("%s==%s --hash=sha256:%x\n", w.Name, w.Version, sha256.Sum256(data))
	}
	p = p.of(x).with("UV_DEFAULT_INDEX="+x.URL(), "UV_PROJECT_ENVIRONMENT=venv", "LARDER_STORE="+filepath.Join(t.TempDir(), "store"))
	project := filepath.Dir(p.file("pyproject.toml", "[project]\nname = \"some\"\nversion = \"1\"\nrequires-python = \">=3.8\"\ndependencies = [\"app\"]\n"))
	if err := os.WriteFile(filepath.Join(project, "lock.txt"), []byte(lock), 0o644); err != nil {
		t.Fatal(err)
	}
	p.must(paths[len(paths)-1], "lock", "--quiet", "--python", python, "--project", project, "--cache-dir", t.TempDir())
	build := []string{"build", "--lock", p.file("requirements.txt", lock), "--view", "wheels", "--view", "pip", "--view", "uv", "--json"}
	for _, path := range paths {
		build = append(build, "--with-uv", path)
	}
	first := snapshotOf(t, p.must("larder", build...))
	if again := snapshotOf(t, p.must("larder", build...)); again != first {
		t.Errorf("unchanged, it is another snapshot: %s, then %s", first, again)
	}
	// What a container does to its cache is its own. (A mount point itself cannot be removed.)
	for _, path := range paths {
		p.must("larder", "run", "--required", "--view", "uv", "--", "sh", "-c", `"$1" cache prune; "$1" cache clean; ! ls "$HOME"/.cache/uv/archive-v0`, "sh", path)
	}
	for _, path := range paths {
		for _, c := range []struct {
			args  string
			files int // written into the cache, pages of the index among them
		}{
			{"pip install app", 8},
			{"pip install --require-hashes -r lock.txt", 8},
			{"pip sync --require-hashes lock.txt", 8},
			{"sync --frozen", 5},
			{"pip install --offline --require-hashes -r lock.txt", 5},
			{"pip sync --offline --require-hashes lock.txt", 5},
			{"sync --frozen --offline", 5},
		} {
			if mirror && strings.HasSuffix(c.args, "lock.txt") {
				continue
			}
			t.Run(filepath.Base(filepath.Dir(filepath.Dir(path)))+"/"+c.args, func(t *testing.T) {
				p := &program{t, p.bin, p.env}
				dir, inst := filepath.Join(t.TempDir(), "copy"), filepath.Join(t.TempDir(), "inst")
				if err := os.CopyFS(dir, os.DirFS(project)); err != nil {
					t.Fatal(err)
				}
				x.Reset()
				// The environment is named on the command line: nothing else may decide what uv changes.
				args := c.args
				if strings.HasPrefix(args, "pip ") {
					args += " --python venv/bin/python"
				}
				p.must("larder", "run", "--required", "--view", "uv", "--instance", inst, "--", "sh", "-ec",
					`cd "$1"; "$3" -m venv --without-pip venv; "$2" $4; venv/bin/python -c 'import app, base_lib'`, "sh", dir, path, python, args)
				files, bytes := writtenBelow(t, inst)
				t.Logf("%d requests, %d of wheels; %d files of %d bytes written", len(x.Requests()), len(x.Wheels()), files, bytes)
				if len(x.Wheels()) > 0 || strings.Contains(c.args, "--offline") && len(x.Requests()) > 0 {
					t.Errorf("asked the index for %v", x.Requests())
				}
				if files > c.files || bytes > 50_000 {
					t.Errorf("wrote %d files of %d bytes into its cache, want at most %d files", files, bytes, c.files)
				}
			})
		}
	}
	p.must("larder", "verify", "--full")
}

// uvOfSources tries uvs on what a build made of a source: it is theirs as if they had built it, unless
// what was built is not trusted. (Every other case, and machine code: package uvcache.)
func (p *program) uvOfSources(python string, paths []string) {
	t := p.t
	x := pypitest.NewIndex(t, pypitest.Options{})
	app := pypitest.Wheel{Name: "app", Version: "1.0"}
	x.AddFile("app", pypitest.Artifact{Name: app.Filename(), Data: app.Bytes()})
	older := pypitest.Wheel{Name: "made-here", Version: "0.9"}
	x.AddFile("made-here", pypitest.Artifact{Name: older.Filename(), Data: older.Bytes()})
	source := pypitest.Sdist{Name: "made-here", Version: "1.0", Requires: []string{"app"}}.Bytes(t)
	x.AddFile("made-here", pypitest.Artifact{Name: "made-here-1.0.tar.gz", Data: source})
	p = p.of(x).with("UV_DEFAULT_INDEX="+x.URL(), "UV_PROJECT_ENVIRONMENT=venv", "LARDER_STORE="+filepath.Join(t.TempDir(), "store"))
	project := filepath.Dir(p.file("pyproject.toml", "[project]\nname = \"some\"\nversion = \"1\"\nrequires-python = \">=3.8\"\ndependencies = [\"made-here\"]\n"))
	hashed := p.file("hashed.txt", fmt.Sprintf("app==1.0 --hash=sha256:%x\nmade-here==1.0 --hash=sha256:%x\n", sha256.Sum256(app.Bytes()), sha256.Sum256(source)))
	build := []string{"build", "--sdists", "pure", "--lock", p.file("new.txt", "made-here==1.0\napp==1.0\n"), "--lock", p.file("old.txt", "made-here==0.9\n"), "--view", "uv", "--view", "pip", "--json"}
	for _, path := range paths {
		build = append(build, "--with-uv", path)
	}
	first := snapshotOf(t, p.must("larder", build...))
	if again := snapshotOf(t, p.must("larder", build...)); again != first {
		t.Errorf("unchanged, it is another snapshot: %s, then %s", first, again)
	}
	try := func(path, trust, args string) (inst string, status int) {
		dir, inst := filepath.Join(t.TempDir(), "copy"), filepath.Join(t.TempDir(), "inst")
		if err := os.CopyFS(dir, os.DirFS(project)); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(args, "pip ") {
			args += " --python venv/bin/python"
		}
		x.Reset()
		_, said, status := p.try("larder", "run", "--required", "--built", trust, "--view", "uv", "--instance", inst, "--", "sh", "-ec",
			`cd "$1"; "$3" -m venv --without-pip venv; "$2" $4; venv/bin/python -c 'import made_here'`, "sh", dir, path, python, args)
		t.Logf("%s, --built %s, %s: status %d, %d requests", path, trust, args, status, len(x.Requests()))
		for _, r := range x.Requests() {
			if strings.HasPrefix(r.Path, "/files/") || strings.Contains(args, "--offline") {
				t.Errorf("%s: asked for %s", args, r.Path)
			}
		}
		if strings.Contains(said, "Built ") {
			t.Errorf("%s: it built: %s", args, said)
		}
		return inst, status
	}
	for i, path := range paths {
		if i == 0 {
			p.must(path, "lock", "--quiet", "--python", python, "--project", project, "--cache-dir", t.TempDir())
		}
		for _, args := range []string{"pip install made-here==1.0", "pip install --offline made-here==1.0", "pip install --offline made-here==0.9", "pip install --offline --require-hashes -r " + hashed, "sync --frozen", "sync --frozen --offline"} {
			inst, status := try(path, "pure", args)
			if files, bytes := writtenBelow(t, inst); status != 0 || bytes > 50_000 {
				t.Errorf("%s %s: status %d, wrote %d files of %d bytes into its cache", path, args, status, files, bytes)
			}
		}
		if _, status := try(path, "no", "pip install --offline made-here==1.0"); status == 0 {
			t.Errorf("%s: what is not trusted was installed", path)
		}
	}
	p.must("larder", "verify", "--full")
}

// snapshotOf is the id that a build's JSON report has.
func snapshotOf(t *testing.T, report string) string {
	t.Helper()
	var r struct{ Snapshot string }
	if err := json.Unmarshal([]byte(report), &r); err != nil || r.Snapshot == "" {
		t.Fatal(err, report)
	}
	return r.Snapshot
}

// writtenBelow counts the files of an instance's upper and their bytes.
func writtenBelow(t *testing.T, dir string) (files int, bytes int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if st, err := d.Info(); err == nil {
				files, bytes = files+1, bytes+st.Size()
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, bytes
}
