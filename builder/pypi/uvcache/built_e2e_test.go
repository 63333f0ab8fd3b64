package uvcache

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"larder/builder/pypi/pypitest"
	"larder/snapshot/pypi"
)

// uvs is the newest (""). What a whole build gives it and those of older generations is
// TestE2EUVVersions of larder. LARDER_TEST_UVS names others, such as "0.6.17 0.9.30".
var uvs = []string{""}

func init() {
	if others := os.Getenv("LARDER_TEST_UVS"); others != "" {
		uvs = strings.Fields(others)
	}
}

// builtTest has an index with sources, wheels that were built from them, and real uvs.
type builtTest struct {
	*testing.T
	index   *pypitest.Index
	marker  string // a file that the code of every source makes
	python  string
	target  Target
	other   Target // another Python, which this host need not have
	objects string
	lock    string
}

// An unmodified uv takes what was built from sources for what it would have built itself, where it is
// given the view: nothing is downloaded and nothing is built, without a network too. Without the view it
// does not know of it. To write the view no code of a source runs, and nothing of it is read.
func TestE2EBuiltUVVersions(t *testing.T) {
	if os.Getenv("LARDER_E2E") == "" {
		t.Skip("needs root and the package index: LARDER_E2E=1")
	}
	b := &builtTest{T: t, index: pypitest.NewIndex(t, pypitest.Options{}), marker: filepath.Join(t.TempDir(), "marker"), objects: t.TempDir()}
	b.findPython()
	paths := b.install()
	lowers := b.fill(paths)
	for _, path := range paths {
		t.Run(filepath.Base(filepath.Dir(filepath.Dir(path))), func(t *testing.T) {
			c := *b
			c.T = t
			c.cases(path, lowers)
		})
	}
}

func (b *builtTest) must(name string, args ...string) string {
	b.Helper()
	cmd := exec.Command(name, args...)
	out, err := cmd.Output()
	if err != nil {
		b.Fatal(err, out)
	}
	return strings.TrimSpace(string(out))
}

func (b *builtTest) findPython() {
	var err error
	if b.python, err = exec.LookPath("python3"); err != nil {
		b.Fatal(err)
	}
	said := strings.Fields(b.must(b.python, "-c", "import platform as p; print('cp'+''.join(p.python_version_tuple()[:2])+'-manylinux_2_36_'+p.machine(), p.python_version())"))
	tag, err := pypi.ParseTag(said[0])
	if err != nil {
		b.Fatal(err)
	}
	b.target = Target{Tag: tag, Version: said[1], Program: b.python}
	b.other.Version = "3.12"
	if strings.HasPrefix(said[1], b.other.Version) {
		b.other.Version = "3.13"
	}
	python, machine, _ := strings.Cut(said[0], "-")
	if b.other.Tag, err = pypi.ParseTag("cp" + strings.Replace(b.other.Version, ".", "", 1) + "-" + machine); err != nil || b.other.Tag.Python() == b.target.Tag.Python() {
		b.Fatal(python, b.other, err)
	}
}

// install installs the uvs, each into a directory that has its name.
func (b *builtTest) install() (paths []string) {
	dir := b.TempDir()
	for _, version := range uvs {
		venv, spec := filepath.Join(dir, "uv"+version), "uv"
		if version != "" {
			spec += "==" + version
		}
		b.must(b.python, "-m", "venv", venv)
		b.must(filepath.Join(venv, "bin", "pip"), "install", "--quiet", spec)
		paths = append(paths, filepath.Join(venv, "bin", "uv"))
	}
	return paths
}

const builtProject = `[project]
name = "some"
version = "1"
requires-python = ">=3.8"
dependencies = ["thing", "quick-one"]
`

func (b *builtTest) cases(uv string, lowers []string) {
	project := b.TempDir()
	for name, text := range map[string]string{"pyproject.toml": builtProject, "lock.txt": b.lock} {
		if err := os.WriteFile(filepath.Join(project, name), []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	// The sources' own code is only run to see that it would have left its mark.
	b.run(uv, lowers, project, "lock --python "+b.python).wants(true, 0)
	b.run(uv, lowers, project, "export --preview --frozen --format pylock.toml -o pylock.toml").wants(true, 0)
	for _, args := range []string{
		"pip install thing==1.0 quick-one==2.0", "pip install --require-hashes -r lock.txt", "pip sync --require-hashes lock.txt", "pip sync --preview pylock.toml",
		"sync --frozen --no-install-project", "sync --no-install-project",
	} {
		b.run(uv, lowers, project, args).wants(true, 0)
		b.run(uv, lowers, project, args+" --offline").wants(true, 0)
	}
	// Beside a built one, what the index has of a project is found as before.
	b.run(uv, lowers, project, "pip install --offline thing==0.9").wants(true, 0)
	// Another Python finds its own wheel.
	b.run(uv, lowers, project, "pip install --offline --python-version "+b.other.Version+" --target other quick-one==2.0").wants(true, 0)
	// What is not trusted is not there.
	b.run(uv, lowers[2:], project, "pip install --offline thing==1.0").wants(false, 0)
	b.run(uv, lowers[2:], project, "sync --frozen --offline --no-install-project").wants(false, 0)
	b.run(uv, lowers[1:], project, "pip install thing==1.0").wants(true, 0)
	b.run(uv, lowers[1:], project, "pip install quick-one==2.0").wants(false, 1)
	// It is refused where building is, and other settings would give another wheel.
	b.run(uv, lowers, project, "pip install --no-build thing==1.0").wants(false, 0)
	b.run(uv, lowers, project, "pip install -C a=b thing==1.0").wants(false, 1)
}

// outcome is what a uv did.
type outcome struct {
	*builtTest
	args      string
	ok, built bool
	files     int // downloaded
	requests  int
	written   int64 // bytes in its part of the cache
	said      string
}

// run runs a uv in a copy of the project, over the views and a part of the cache of its own.
func (b *builtTest) run(uv string, lowers []string, project, args string) outcome {
	b.Helper()
	dir := b.TempDir()
	for _, name := range []string{"u", "w", "c", "p"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	work := project
	if !strings.HasPrefix(args, "lock") && !strings.HasPrefix(args, "export") {
		work = filepath.Join(dir, "p", "x")
		if err := os.CopyFS(work, os.DirFS(project)); err != nil {
			b.Fatal(err)
		}
		b.must(b.python, "-m", "venv", "--without-pip", filepath.Join(work, "venv"))
	}
	if strings.HasPrefix(args, "pip ") && !strings.Contains(args, "--target") {
		args += " --python venv/bin/python"
	}
	b.index.Reset()
	os.Remove(b.marker)
	after := "true"
	if !strings.Contains(args, "--target") && work != project {
		after = "venv/bin/python -c 'import thing'"
	}
	mount := fmt.Sprintf("mount -t overlay -o lowerdir=%s,upperdir=%s/u,workdir=%s/w overlay %s/c && cd %s && %s --no-config %s && %s", strings.Join(lowers, ":"), dir, dir, dir, work, uv, args, after)
	cmd := exec.Command("unshare", "-m", "sh", "-c", mount)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + dir, "UV_CACHE_DIR=" + dir + "/c", "UV_DEFAULT_INDEX=" + b.index.URL(), "UV_PROJECT_ENVIRONMENT=venv", "UV_PYTHON_DOWNLOADS=never"}
	said, err := cmd.CombinedOutput()
	o := outcome{builtTest: b, args: args, ok: err == nil, said: string(said)}
	_, err = os.Stat(b.marker)
	o.built = err == nil
	for _, r := range b.index.Requests() {
		o.requests++
		if strings.HasPrefix(r.Path, "/files/") {
			o.files++
		}
	}
	filepath.WalkDir(filepath.Join(dir, "u"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if st, err := d.Info(); err == nil {
				o.written += st.Size()
			}
		}
		return nil
	})
	return o
}

// wants holds an outcome against what is expected. What is to succeed downloads and builds nothing.
func (o outcome) wants(ok bool, files int) {
	o.Helper()
	b, args := o.builtTest, o.args
	b.Logf("%s: downloads %d, built %t, requests %d, bytes written %d", args, o.files, o.built, o.requests, o.written)
	offline := slices.Contains(strings.Fields(args), "--offline")
	if o.ok != ok || o.files != files || o.built != (files > 0) || offline && o.requests > 0 || ok && o.written > 50_000 {
		b.Errorf("%s: ended well %t, downloads %d, built %t, requests %d, bytes written %d\n%s", args, o.ok, o.files, o.built, o.requests, o.written, o.said)
	}
}
