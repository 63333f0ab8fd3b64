package pypi

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// files are a container's: text by path.
type files map[string]string

func (f files) ReadFile(path string, limit int64) ([]byte, error) {
	text, ok := f[path]
	if !ok {
		return nil, fs.ErrNotExist
	}
	if int64(len(text)) > limit {
		return nil, errors.New("too large")
	}
	return []byte(text), nil
}

func (f files) IsDir(path string) bool { _, ok := f[path+"/"]; return ok }
func (f files) Take(int64) error       { return nil }

// Find takes "-> PATH" for a link, and all that is not a link for a program.
func (f files) Find(path string) (string, fs.FileMode, error) {
	text, ok := f[path]
	if to, link := strings.CutPrefix(text, "-> "); link {
		return f.Find(to)
	}
	if !ok {
		return "", 0, fs.ErrNotExist
	}
	return path, 0o755, nil
}

func TestOpen(t *testing.T) {
	for _, c := range []struct{ text, version, home string }{
		{"home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.7\nexecutable = /usr/bin/python3.11\n", "3.11.7", "/usr/bin"},            // venv
		{"home = /usr/bin\nimplementation = CPython\nversion_info = 3.12.1.final.0\nvirtualenv = 20.25.0\nversion = 3.12.1\n", "3.12.1", "/usr/bin"},     // virtualenv
		{"home=/usr/bin\nversion_info=3.12.1.final.0\n", "3.12.1", "/usr/bin"},                                                                           // virtualenv's, short
		{"home = /opt/py/bin\nimplementation = CPython\nuv = 0.5.1\nversion_info = 3.13\ninclude-system-site-packages = false\n", "3.13", "/opt/py/bin"}, // uv
		{"HOME=/usr/bin\r\nVersion=3.14.0\r\n", "3.14.0", "/usr/bin"},
		{"version = 3.14.0a1\n", "3.14", ""},
	} {
		e, err := read(files{"/v/pyvenv.cfg": c.text}, "/v")
		if err != nil || e.version != c.version || e.home != c.home || e.freeThreaded {
			t.Errorf("%q: %+v, %v", c.text, e, err)
		}
	}
	for _, text := range []string{"", "home = /usr/bin\n", "version = \n", "version = three\n", "version = 3\n", "version\n", "version = ../../x\n", strings.Repeat("x", 100<<10)} {
		if e, err := read(files{"/v/pyvenv.cfg": text}, "/v"); err == nil {
			t.Errorf("%.40q: %+v", text, e)
		}
	}
	if _, err := Environments.Open(files{}, "/v"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no pyvenv.cfg: %v", err)
	}
	if e, err := read(files{"/v/pyvenv.cfg": "version = 3.13.1\n", "/v/lib/python3.13t/": ""}, "/v"); err != nil || !e.freeThreaded {
		t.Errorf("a free-threaded one: %+v, %v", e, err)
	}
}

// A version is not the beginning of another, and a free-threaded Python is another.
func TestFits(t *testing.T) {
	tags := []string{"cp311-manylinux_2_36_x86_64", "cp312-manylinux_2_36_x86_64", "cp313-manylinux_2_36_x86_64", "cp313t-manylinux_2_36_x86_64", "not-a-tag"}
	for _, c := range []struct {
		version string
		free    bool
		want    string
	}{
		{"3.11.2", false, tags[0]}, {"3.11", false, tags[0]}, {"3.12.1", false, tags[1]}, {"3.13.1", false, tags[2]}, {"3.13.1", true, tags[3]},
		{"3.11.2", true, ""}, {"3.1.4", false, ""}, {"3.1", false, ""}, {"3.9.2", false, ""},
	} {
		got := slices.DeleteFunc(slices.Clone(tags), func(tag string) bool {
			return !(&environment{dir: "/v", version: c.version, freeThreaded: c.free}).fits(tag)
		})
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s, free-threaded %v: %q, want %q", c.version, c.free, got, c.want)
		}
	}
}

func TestUsual(t *testing.T) {
	for active, want := range map[string]string{"": "/w/.venv", "/opt/venv": "/opt/venv /w/.venv", "venv": "/w/.venv"} {
		if got := Environments.Usual("/w", func(string) string { return active }); strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", active, got, want)
		}
	}
}

// pip wants a hash on every line of a file that has one.
func TestInstall(t *testing.T) {
	pins := []snapshot.Pin{{Name: "a", Version: "1"}, {Name: "b", Version: "2", Digests: []string{"x", "y"}}, {Name: "c", Version: "3"}}
	got := (&environment{}).Install("/v", pins)
	if len(got) != 2 || got[0].Input != "b==2 --hash=sha256:x --hash=sha256:y\n" || got[1].Input != "a==1\nc==3\n" {
		t.Fatalf("%+v", got)
	}
	if c := got[0]; c.Command[0] != "/v/bin/python" || c.Command[len(c.Command)-1] != "-r" || !slices.Contains(c.Unset, "PYTHONPATH") {
		t.Errorf("%+v", c)
	}
	// A source's digest is one that pip may find, too.
	if got := (&environment{}).Install("/v", []snapshot.Pin{{Name: "a", Version: "1", Sources: []string{"z"}}, {Name: "b", Version: "2", Digests: []string{"x", "y"}, Sources: []string{"x", "y"}}}); len(got) != 1 || got[0].Input != "a==1 --hash=sha256:z\nb==2 --hash=sha256:x --hash=sha256:y\n" {
		t.Errorf("%+v", got)
	}
	if got := (&environment{}).Install("/v", pins[:1]); len(got) != 1 {
		t.Errorf("%+v", got)
	}
}

// What make writes is what python -m venv writes, less the activate scripts.
func TestMakeIsAVenv(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	out, err := exec.Command(python, "-c", "import sys, platform; print(sys._base_executable); print(platform.python_version())").Output()
	if err != nil {
		t.Fatal(err)
	}
	base, version, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	theirs, ours := filepath.Join(t.TempDir(), "theirs"), t.TempDir()
	if out, err := exec.Command(base, "-m", "venv", "--without-pip", theirs).CombinedOutput(); err != nil {
		t.Skipf("python -m venv: %v: %s", err, out)
	}
	file, err := filepath.EvalSymlinks(base)
	if err != nil {
		t.Fatal(err)
	}
	old := unix.Umask(0o077)
	err = interpreter{path: base, file: file, version: version}.make(ours, overlay.Owner{UID: os.Geteuid(), GID: os.Getegid()})
	unix.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	if err := filepath.WalkDir(theirs, func(path string, _ fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(theirs, path); rel != "." && !strings.Contains(strings.ToLower(rel), "activate") && rel != ".gitignore" {
			want = append(want, rel)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, rel := range want {
		a, err := os.Lstat(filepath.Join(theirs, rel))
		if err != nil {
			t.Fatal(err)
		}
		// (include/python3.11 is made by some versions only)
		if b, err := os.Lstat(filepath.Join(ours, rel)); err != nil && !strings.HasPrefix(rel, "include/") {
			t.Errorf("%s: %v", rel, err)
		} else if err == nil && b.Mode().Type() != a.Mode().Type() {
			t.Errorf("%s: %v, want %v", rel, b.Mode(), a.Mode())
		}
	}
	v, err := read(ecosystem.Host{}, ours)
	if err != nil || v.version != version || v.home != filepath.Dir(base) {
		t.Errorf("%+v, %v", v, err)
	}
	for _, name := range []string{"python", "python3"} {
		out, err := exec.Command(filepath.Join(ours, "bin", name), "-c", "import sys; print(sys.prefix); print(sys.prefix != sys.base_prefix); import ssl, json").CombinedOutput()
		if err != nil || string(out) != ours+"\nTrue\n" {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
	if got := baseInterpreter(filepath.Join(ours, "bin/python3")); got != filepath.Join(filepath.Dir(base), "python3") {
		t.Errorf("base of the environment's python: %s", got)
	}
	if got := baseInterpreter(base); got != base {
		t.Errorf("base of %s: %s", base, got)
	}
	if err := (interpreter{version: version}).make(t.TempDir(), overlay.Owner{}); !errors.Is(err, overlay.ErrRefused) {
		t.Errorf("no interpreter: %v", err)
	}
}
