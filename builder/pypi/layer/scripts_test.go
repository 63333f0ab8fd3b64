package layer

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// shells are the /bin/sh of distributions. Those that a host may lack are installed by
// whoever runs the tests.
var shells = [][]string{nil, {"dash"}, {"bash", "--posix"}, {"busybox", "sh"}}

// Commands need nothing on PATH, however they are started and whatever shell is
// /bin/sh, and they take the python beside them even when it is not the nearest.
func TestScriptsNeedNoPath(t *testing.T) {
	in := python(t)
	p := newTree(t)
	main := "import sys\nprint(sys.prefix, sys.argv[0], *sys.argv[1:])\n"
	files, err := buildForm(t, p, form{
		Name: "tool", Files: []file{{Path: "tool.py", Text: "def main():\n    " + strings.ReplaceAll(main, "\n", "\n    ") + "\n"}},
		Console: []string{"tool = tool:main"},
		Scripts: []file{
			{Path: "rewritten", Text: "#!python\n" + main},
			{Path: "with space", Text: "#!python\n" + main},
			{Path: "future", Text: "#!python\n'''doc'''\nfrom __future__ import annotations\n" + main},
		},
	}, nil, in)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), `a "dir" with $HOME, *`)
	venv, elsewhere := filepath.Join(dir, "venv"), filepath.Join(dir, "elsewhere")
	if err := os.MkdirAll(elsewhere, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, dir, in.Executable, "-m", "venv", "--without-pip", venv)
	p.unpack(venv, files)
	links := map[string]string{
		filepath.Join(elsewhere, "bin"):            filepath.Join(venv, "bin"),
		filepath.Join(elsewhere, "tool"):           "bin/tool",
		filepath.Join(elsewhere, "link to a link"): "tool",
		// What must never run.
		filepath.Join(elsewhere, "python"): "/bin/false",
	}
	for link, to := range links {
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	for _, start := range []struct{ cwd, name string }{
		{"/", filepath.Join(venv, "bin/tool")},
		{"/", filepath.Join(venv, "bin/with space")},
		{"/", filepath.Join(venv, "bin/rewritten")},
		{"/", filepath.Join(venv, "bin/future")},
		{filepath.Join(venv, "bin"), "./tool"},
		{filepath.Join(venv, "bin"), "tool"}, // execve without a slash
		{venv, "bin/tool"},
		{elsewhere, "../venv/bin/tool"},
		{elsewhere, "bin/tool"},
		{elsewhere, "./tool"},
		{elsewhere, "tool"},
		{"/", filepath.Join(elsewhere, "link to a link")},
	} {
		for _, shell := range shells {
			argv := append(append([]string(nil), shell...), start.name)
			path := start.name
			if shell != nil {
				if start.name == filepath.Join(venv, "bin/future") {
					continue // its first line is env's
				}
				if path, err = exec.LookPath(shell[0]); err != nil {
					t.Fatal(err)
				}
			}
			for _, env := range [][]string{{"PATH=/nonexistent"}, {"HOME=/"}, {"PATH=" + elsewhere, "CDPATH=/:" + elsewhere}} {
				c := exec.Cmd{Path: path, Args: append(argv, "a b", "$c"), Dir: start.cwd, Env: env}
				out, err := c.CombinedOutput()
				if want := venv + " " + start.name + " a b $c\n"; err != nil || string(out) != want {
					t.Errorf("%v %s in %s, %v: %v: %q, want %q", shell, start.name, start.cwd, env, err, out, want)
				}
			}
		}
	}
}

// Of a command of several words the last is the script's name; a script of the wheel
// that is called as the whole is still the one that pip leaves out.
func TestCommandsOfWords(t *testing.T) {
	in := python(t)
	files, err := buildForm(t, newTree(t), form{
		Console: []string{"my tool = demo:main", "your tool = demo:main", "other thing = demo:main"},
		Scripts: []file{{Path: "my tool", Text: "#!python\n"}, {Path: "no command", Text: "#!python\n"}},
	}, nil, in)
	if err != nil {
		t.Fatal(err)
	}
	var bin []string
	for _, f := range files {
		if name, ok := strings.CutPrefix(f.Path, "bin/"); ok {
			bin = append(bin, name)
		}
	}
	if want := []string{"no command", "thing", "tool"}; !slices.Equal(bin, want) {
		t.Errorf("%q, want %q", bin, want)
	}
}

// A kernel cuts a first line that is longer.
func TestPlainShebangIsShort(t *testing.T) {
	if len(plainShebang) > 255 || strings.Count(plainShebang, "\n") != 1 || strings.Count(plainShebang, "'") != 2 {
		t.Errorf("%d bytes: %s", len(plainShebang), plainShebang)
	}
}
