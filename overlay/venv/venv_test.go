package venv

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"larder/overlay"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ text, version, home string }{
		{"home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.7\nexecutable = /usr/bin/python3.11\n", "3.11.7", "/usr/bin"},            // venv
		{"home = /usr/bin\nimplementation = CPython\nversion_info = 3.12.1.final.0\nvirtualenv = 20.25.0\nversion = 3.12.1\n", "3.12.1", "/usr/bin"},     // virtualenv
		{"home = /opt/py/bin\nimplementation = CPython\nuv = 0.5.1\nversion_info = 3.13\ninclude-system-site-packages = false\n", "3.13", "/opt/py/bin"}, // uv
		{"HOME=/usr/bin\r\nVersion=3.14.0\r\n", "3.14.0", "/usr/bin"},
		{"version = 3.14.0a1\n", "3.14", ""},
	} {
		v, err := parseVenv(strings.NewReader(c.text))
		if err != nil || v.Version != c.version || v.Home != c.home {
			t.Errorf("%q: %+v, %v", c.text, v, err)
		}
	}
	for _, text := range []string{"", "home = /usr/bin\n", "version = \n", "version = three\n", "version = 3\n", "version\n", "version = ../../x\n", strings.Repeat("x", 100<<10)} {
		if v, err := parseVenv(strings.NewReader(text)); err == nil {
			t.Errorf("%.40q: %+v", text, v)
		}
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no pyvenv.cfg: %v", err)
	}
	cfg := filepath.Join(dir, "pyvenv.cfg")
	if err := unix.Mkfifo(cfg, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); !errors.Is(err, overlay.ErrRefused) {
		t.Errorf("a fifo: %v", err)
	}
}

// What Make writes is what python -m venv writes, less the activate scripts.
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
	old := unix.Umask(0o077)
	err = Make(ours, Interpreter{Path: base, Version: version}, overlay.Owner{UID: os.Geteuid(), GID: os.Getegid()})
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
	v, err := Read(ours)
	if err != nil || v.Version != version || v.Home != filepath.Dir(base) {
		t.Errorf("%+v, %v", v, err)
	}
	for _, name := range []string{"python", "python3"} {
		out, err := exec.Command(filepath.Join(ours, "bin", name), "-c", "import sys; print(sys.prefix); print(sys.prefix != sys.base_prefix); import ssl, json").CombinedOutput()
		if err != nil || string(out) != ours+"\nTrue\n" {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
	if got := BaseInterpreter(filepath.Join(ours, "bin/python3")); got != filepath.Join(filepath.Dir(base), "python3") {
		t.Errorf("base of the environment's python: %s", got)
	}
	if got := BaseInterpreter(base); got != base {
		t.Errorf("base of %s: %s", base, got)
	}
	if err := Make(t.TempDir(), Interpreter{Version: version}, overlay.Owner{}); !errors.Is(err, overlay.ErrRefused) {
		t.Errorf("no interpreter: %v", err)
	}
}
