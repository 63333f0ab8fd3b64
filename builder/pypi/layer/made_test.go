package layer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"larder/builder/pypi/pypitest"
	"larder/builder/pypi/wheel"
	"larder/snapshot"
)

type (
	form = pypitest.Wheel
	file = pypitest.File
)

// madeWheels are wheels of every kind, each with a name of its own, so that all can
// be installed into one environment.
func madeWheels(in Interpreter) []form {
	cp, platform, _ := strings.Cut(in.Tag.String(), "-")
	minor := strings.TrimPrefix(cp, "cp")
	lib := "lib/python3." + strings.TrimPrefix(minor, "3") + "/site-packages/"
	text := func(name string) string { return "'''" + name + "'''\n\n\ndef main():\n    print('" + name + "')\n" }
	script := "#!python -s\nimport sys\nprint(sys.prefix)\n"
	list := []form{
		{},
		{Name: "empty-files", Files: []file{{Path: "empty_files/__init__.py"}, {Path: "empty_files/data"}}},
		{Name: "abi3", Tag: cp + "-abi3-" + platform, Impure: true, Files: []file{{Path: "abi3/_x.abi3.so", Text: "\x7fELF", Exec: true}}},
		{Name: "platform-one", Tag: cp + "-" + cp + "-" + platform, Impure: true},
		{Name: "py2-and-3", Tag: "py2.py3-none-any"},
		{Name: "with-build", Build: "3"},
		{Name: "Upper.Case_Name", Files: []file{{Path: "uppercase.py", Text: text("u")}}, Headers: []file{{Path: "u.h", Text: "x"}}},
		{Name: "space-one", Files: []file{{Path: "space/one/__init__.py", Text: text("one")}}},
		{Name: "space-two", Files: []file{{Path: "space/two.py", Text: text("two")}}},
		{Name: "declared-space", Files: []file{{Path: "declared/__init__.py", Text: "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"}, {Path: "declared/x.py"}}},
		{Name: "data-files", Data: []file{{Path: "share/data-files/x.txt", Text: "x"}, {Path: "etc/data-files.conf"}, {Path: "bin/tool", Text: "#!/bin/sh\n", Exec: true}}},
		{Name: "data-code", Data: []file{{Path: "share/code.py", Text: text("c")}, {Path: lib + "from_data.py", Text: text("d")}}},
		{Name: "headers", Headers: []file{{Path: "headers.h", Text: "#define X\n"}, {Path: "sub/more.h"}}},
		{Name: "scripts", Scripts: []file{
			{Path: "plain.sh", Text: "#!/bin/sh\necho hi\n"}, {Path: "rewritten", Text: script}, {Path: "rewritten.py", Text: script},
			{Path: "windowed", Text: "#!pythonw\nprint(1)\n"}, {Path: "other-python", Text: "#!/usr/bin/env python\nprint(1)\n"},
			{Path: "latin", Text: "#!python\n# -*- coding: latin-1 -*-\nprint('\xe9')\n"}, {Path: "only-line", Text: "#!python"},
			{Path: "binary", Text: "\x7fELF\x00\x00"}, {Path: "sub/deep", Text: script}, {Path: "not-executable", Text: script, Mode: 0o100644},
			{Path: "future", Text: "#!python\n'''doc'''\nfrom __future__ import annotations\nprint(__doc__)\n"},
		}},
		{Name: "commands", Console: []string{"cmd-one = commands:main", "cmd.two=commands:main [extra]", "cmd_three = commands:main"}, GUI: []string{"cmd-gui = commands:main"}},
		{Name: "script-of-words", Scripts: []file{{Path: "name with spaces", Text: script}}},
		{Name: "nested-command", Files: []file{{Path: "nested_command/__init__.py", Text: "class C:\n    def main(): print('nested')\n    main = staticmethod(main)\n"}}, Console: []string{"nested = nested_command:C.main"}},
		{Name: "same-command-twice", Console: []string{"twice = same_command_twice:main"}, GUI: []string{"twice = same_command_twice:main"}},
		{Name: "setuptools-wrappers", Console: []string{"wrapped = setuptools_wrappers:main"}, Scripts: []file{{Path: "wrapped", Text: script}, {Path: "wrapped-script.py", Text: script}, {Path: "wrapped.exe", Text: "MZ"}, {Path: "kept", Text: script}}},
		{Name: "command-over-data", Console: []string{"over = command_over_data:main"}, Data: []file{{Path: "bin/over", Text: "data"}}},
		{Name: "fake-pip", Console: []string{"pip = fake_pip:main", "pip2.7 = fake_pip:main", "pip3 = fake_pip:main", "pipx = fake_pip:main", "easy_install = fake_pip:main", "easy_install-2.7 = fake_pip:main"}},
		{Name: "pth", Files: []file{{Path: "pth_dir/x.py", Text: text("x")}, {Path: "pth.pth", Text: "pth_dir\n"}}},
		{Name: "both-libs", Impure: true, Tag: cp + "-none-" + platform, Purelib: []file{{Path: "both/pure.py", Text: text("p")}}, Platlib: []file{{Path: "both/plat.py", Text: text("q")}}},
		{Name: "pure-and-plat", Purelib: []file{{Path: "pure_and_plat.py", Text: "# from purelib\n"}}},
		{Name: "no-hashes", NoHashes: true},
		{Name: "stored", Stored: true}, {Name: "descriptors", Descriptors: true}, {Name: "directories", Dirs: true, Files: []file{{Path: "directories/a/b/c.py", Text: text("c")}}},
		{Name: "windows", Windows: true, Scripts: []file{{Path: "windows-script", Text: script}}},
		{Name: "exec-bits", Files: []file{
			{Path: "exec_bits/a", Mode: 0o100755}, {Path: "exec_bits/b", Mode: 0o100010}, {Path: "exec_bits/c.py", Mode: 0o100775, Text: text("c")},
			{Path: "exec_bits/no-type", Mode: 0o755}, {Path: "exec_bits/setuid", Mode: 0o106755}, {Path: "exec_bits/none", Mode: 0o100000}, {Path: "exec_bits/wide", Mode: 0o100666},
		}},
		{Name: "extras", Extras: []string{"x", "y-z"}, Requires: []string{"demo; extra == 'x'"}},
		{Name: "needs-python", RequiresPython: ">=3.8"},
		{Name: "bad-sources", Files: []file{
			{Path: "bad_sources/ok.py", Text: text("ok")}, {Path: "bad_sources/py2.py", Text: "print 'x'\n"}, {Path: "bad_sources/nul.py", Text: "x = 1\x00"},
			{Path: "bad_sources/latin.py", Text: "# coding: latin-1\nx = '\xe9'\n"}, {Path: "bad_sources/undeclared.py", Text: "x = '\xe9'\n"},
			{Path: "bad_sources/template.py", Text: "{{ name }}\n"}, {Path: "bad_sources/bom.py", Text: "\ufeffx = 1\n"}, {Path: "bad_sources/crlf.py", Text: "x = 1\r\ny = 2\r\n"},
			{Path: "bad_sources/warns.py", Text: "x = 1 is 1\n"}, {Path: "bad_sources/.py", Text: "x = 1\n"}, {Path: "bad_sources/two.dots.py", Text: "x = 1\n"}, {Path: "bad_sources/not.PY", Text: "x = 1\n"},
			{Path: "bad_sources/coding.py", Text: "# coding: nonesuch\n"},
		}},
		{Name: "own-bytecode", Files: []file{{Path: "own_bytecode/x.py", Text: text("x")}, {Path: "own_bytecode/__pycache__/x.cpython-" + minor + ".pyc", Text: "stale"}, {Path: "own_bytecode/__pycache__/y.cpython-" + minor + ".pyc", Text: "orphan"}, {Path: "own_bytecode/z.pyc", Text: "z"}}},
		{Name: "no-room-for-bytecode", Files: []file{{Path: "no_room/x.py", Text: text("x")}, {Path: "no_room/__pycache__", Text: "a file"}}},
		{Name: "own-installer", Files: []file{{Path: "own_installer-1.0.dist-info/INSTALLER", Text: "me\n"}, {Path: "own_installer.py"}}},
		{Name: "licences", Files: []file{{Path: "licences.py"}, {Path: "licences-1.0.dist-info/licenses/LICENSE", Text: "x"}, {Path: "licences-1.0.dist-info/top_level.txt", Text: "licences\n"}}},
		{Name: "dot-slash", Files: []file{{Path: "./dot_slash.py", Text: text("d")}, {Path: "./dot/a.py", Text: text("a")}, {Path: "dot/b.py", Text: text("b")}, {Path: "./dot_slash-1.0.data/scripts/s", Text: script}, {Path: "./dot_slash-1.0.dist-info/more", Text: "x"}}},
		{Name: "deep", Files: []file{{Path: strings.Repeat("d/", 100) + "deep.py", Text: text("d")}}},
		{Name: "long-names", Files: []file{
			{Path: "long/" + strings.Repeat("a", 219) + ".py", Text: text("a")}, {Path: "long/" + strings.Repeat("b", 227) + ".py", Text: text("b")},
			{Path: "long/" + strings.Repeat("c", 252) + ".py", Text: text("c")}, {Path: "long/" + strings.Repeat("é", 126) + ".py", Text: text("e")},
		}},
		{Name: "zeros", Files: []file{{Path: "zeros.bin", Text: strings.Repeat("\x00", 65<<20)}}},
		{Name: "names", Files: []file{{Path: "names/ünï.py", Text: text("u")}, {Path: "names/文.txt"}, {Path: `names/a,b "c".txt`, Text: "x"}, {Path: "names/with space.py", Text: text("s")}, {Path: "names/UPPER.py", Text: "x = 1\n"}, {Path: "names/upper.py", Text: "x = 2\n"}}},
		{Name: "large", Files: []file{{Path: "large/data.bin", Text: strings.Repeat("0123456789abcdef", 150_000)}, {Path: "large/code.py", Text: strings.Repeat("x = 'abcdefghijklmnop'\n", 60_000)}}},
		{Name: "RECORD-unlisted", EditRecord: func(rows []string) []string { return rows[:len(rows)-1] }},
		{Name: "record-crlf", EditRecord: func(rows []string) []string { return []string{strings.Join(rows, "\r\n") + "\r"} }},
		{Name: "site-custom", Files: []file{{Path: "sitecustomize.py", Text: "x = 1\n"}}},
		{Name: "local-version", Version: "1.0+local.1"}, {Name: "epoch", Version: "1!2.0"}, {Name: "pre", Version: "1.0rc1"},
		{Name: "only-metadata", Files: []file{}},
	}
	return list
}

// write makes the wheels in a directory and returns their paths.
func write(t testing.TB, forms []form) []string {
	t.Helper()
	dir := t.TempDir()
	var names []string
	for _, f := range forms {
		name := filepath.Join(dir, f.Filename())
		if err := os.WriteFile(name, f.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

// bzipped packs a wheel again, with Python's own zipfile.
func bzipped(t *testing.T, in Interpreter, f form) string {
	t.Helper()
	name := write(t, []form{f})[0]
	run(t, t.TempDir(), in.Executable, "-c", `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as z:
    files = [(i, z.read(i)) for i in z.infolist()]
with zipfile.ZipFile(sys.argv[1], "w") as z:
    for info, content in files:
        z.writestr(info, content, zipfile.ZIP_BZIP2)`, name)
	return name
}

func TestMadeLayersAreWhatPipLeaves(t *testing.T) {
	in := python(t)
	wheels := append(write(t, madeWheels(in)), bzipped(t, in, form{Name: "bzipped", Files: []file{
		{Path: "bzipped/__init__.py"}, {Path: "bzipped/large.py", Text: strings.Repeat("x = 'abcdefghijklmnop'\n", 60_000)},
	}}))
	compareWithPip(t, in, wheels)
}

// What is odd in a RECORD goes into pip's own as it is.
func TestOddRecordsAreWhatPipLeaves(t *testing.T) {
	in := python(t)
	compareWithPip(t, in, write(t, pypitest.OddRecords()))
}

// The kinds in combination, on every interpreter of the host.
func TestE2EMadeLayersOnEveryPython(t *testing.T) {
	pypitest.Real(t)
	for _, in := range interpreters(t) {
		t.Run(in.Version, func(t *testing.T) {
			t.Parallel()
			forms := append(madeWheels(in), pypitest.OddRecords()...)
			for _, f := range madeWheels(in)[1:] {
				for i, change := range []func(f *form){
					func(f *form) { f.Stored, f.Dirs = true, true },
					func(f *form) { f.Descriptors, f.NoHashes = true, true },
				} {
					g := f
					if len(g.Scripts)+len(g.Console)+len(g.Data)+len(g.Purelib)+len(g.Platlib) > 0 || g.Record != "" || g.Name == "dot-slash" || g.Name == "zeros" || strings.HasPrefix(g.Name, "own-") || g.Name == "licences" {
						continue // they would own a path twice
					}
					g.Name += fmt.Sprintf("-v%d", i)
					g.Files = nil
					for _, file := range f.Files {
						file.Path = fmt.Sprintf("v%d/%s", i, file.Path)
						g.Files = append(g.Files, file)
					}
					change(&g)
					forms = append(forms, g)
				}
			}
			t.Logf("%d wheels", len(forms))
			compareWithPip(t, in, write(t, forms))
		})
	}
}

// build makes the layer of a made wheel.
func buildForm(t testing.TB, p *tree, f form, c *Compiler, in Interpreter) ([]File, error) {
	t.Helper()
	b := f.Bytes()
	w, err := wheel.Open(bytes.NewReader(b), int64(len(b)), f.Filename())
	if err != nil {
		return nil, err
	}
	return Build(context.Background(), w, in.Tag, c, p.put)
}

func TestBuildIsDeterministic(t *testing.T) {
	in := python(t)
	p := newTree(t)
	one, three := compiler(t, in, 1), compiler(t, in, 3)
	for _, f := range madeWheels(in) {
		a, err := buildForm(t, p, f, one, in)
		if err != nil {
			t.Fatal(err)
		}
		b, err := buildForm(t, p, f, three, in)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(a, b) {
			t.Errorf("%s: two layers", f.Name)
		}
		if !slices.IsSortedFunc(a, func(x, y File) int { return strings.Compare(x.Path, y.Path) }) {
			t.Errorf("%s: not sorted", f.Name)
		}
		for _, f := range a {
			if f.MTime != MTime(f.Object.Digest) || f.MTime < Day || f.MTime >= Day+1<<29 {
				t.Errorf("%s: time %d", f.Path, f.MTime)
			}
		}
	}
}

// Without the target's interpreter there is no bytecode, and RECORD lists none.
func TestBuildWithoutCompiler(t *testing.T) {
	in := python(t)
	p := newTree(t)
	files, err := buildForm(t, p, form{Console: []string{"demo = demo:main"}}, nil, in)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, f := range files {
		paths = append(paths, f.Path)
		if strings.HasSuffix(f.Path, "/RECORD") && strings.Contains(p.read(f.Object), ".pyc") {
			t.Error("RECORD lists bytecode")
		}
	}
	lib := "lib/python" + in.Tag.Python() + "/site-packages/"
	want := []string{"bin/demo", lib + "demo-1.0.dist-info/INSTALLER", lib + "demo-1.0.dist-info/METADATA", lib + "demo-1.0.dist-info/RECORD",
		lib + "demo-1.0.dist-info/WHEEL", lib + "demo-1.0.dist-info/entry_points.txt", lib + "demo.py"}
	if !slices.Equal(paths, want) {
		t.Errorf("%q", paths)
	}
}

func TestBuildErrors(t *testing.T) {
	in := python(t)
	p := newTree(t)
	c := compiler(t, in, 1)
	for name, f := range map[string]form{
		"checksum":  {Edit: func(a *pypitest.Archive) { a.Entries[0].CRC, a.Entries[0].LocalCRC = 1, 1 }},
		"clash":     {Files: []file{{Path: "x/y.py"}}, Purelib: []file{{Path: "x", Text: "x"}}},
		"command":   {Console: []string{"tool = demo:main"}, Data: []file{{Path: "bin/tool/x", Text: "x"}}},
		"installer": {Files: []file{{Path: "demo-1.0.dist-info/INSTALLER/x", Text: "x"}}},
	} {
		if _, err := buildForm(t, p, f, c, in); !errors.Is(err, wheel.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	full := errors.New("disk full")
	w := openWheel(t, write(t, []form{{}})[0])
	put := func(io.Reader, bool) (snapshot.Object, int64, error) { return snapshot.Object{}, 0, full }
	if _, err := Build(context.Background(), w, in.Tag, c, put); !errors.Is(err, full) {
		t.Errorf("put: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Build(ctx, w, in.Tag, c, p.put); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// Commands run from any prefix: with spaces, longer than a shebang may be, through
// a link to the command, to its directory, and where python is a link.
func TestScriptsRunFromAnywhere(t *testing.T) {
	in := python(t)
	p := newTree(t)
	forms := []form{
		{Name: "tool", Files: []file{{Path: "tool.py", Text: "import sys\ndef main():\n    print('tool', sys.prefix, *sys.argv[1:])\n"}}, Console: []string{"tool = tool:main"},
			Scripts: []file{
				{Path: "rewritten", Text: "#!python\nimport sys\nprint('tool', sys.prefix, *sys.argv[1:])\n"},
				{Path: "future", Text: "#!python\n'''doc'''\nfrom __future__ import annotations\nimport sys\nassert __doc__ == 'doc'\nprint('tool', sys.prefix, *sys.argv[1:])\n"},
				{Path: "latin", Text: "#!python\n# coding: latin-1\nimport sys\nassert len('\xe9') == 1\nprint('tool', sys.prefix, *sys.argv[1:])\n"},
			}},
	}
	for name, venv := range map[string]string{
		"plain":  "venv",
		"spaces": "a dir with 'quotes' and $HOME `x`",
		"long":   strings.Repeat("d/", 90) + "venv",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			venv := filepath.Join(dir, venv)
			run(t, dir, in.Executable, "-m", "venv", "--without-pip", venv)
			for _, f := range forms {
				files, err := buildForm(t, p, f, nil, in)
				if err != nil {
					t.Fatal(err)
				}
				p.unpack(venv, files)
			}
			links := filepath.Join(dir, "links")
			if err := os.Symlink(filepath.Join(venv, "bin"), links); err != nil {
				t.Fatal(err)
			}
			for _, script := range []string{"tool", "rewritten", "future", "latin"} {
				want := "tool " + venv + " a b  c\n"
				one := filepath.Join(dir, script+"-link")
				if err := os.Symlink(filepath.Join(venv, "bin", script), one); err != nil {
					t.Fatal(err)
				}
				for _, exe := range []string{filepath.Join(venv, "bin", script), filepath.Join(links, script), one} {
					if got := run(t, dir, exe, "a", "b  c"); got != want {
						t.Errorf("%s: %q, want %q", exe, got, want)
					}
				}
				if got := run(t, filepath.Join(venv, "bin"), "./"+script, "a", "b  c"); got != want {
					t.Errorf("./%s: %q, want %q", script, got, want)
				}
			}
		})
	}
}

// An edited source is never shadowed by the layer's bytecode, even one of the same
// length, put back at the same second.
func TestEditedSourceWins(t *testing.T) {
	in := python(t)
	p := newTree(t)
	c := compiler(t, in, 1)
	dir := t.TempDir()
	unpack := func(f form) {
		files, err := buildForm(t, p, f, c, in)
		if err != nil {
			t.Fatal(err)
		}
		p.unpack(dir, files)
	}
	lib := filepath.Join(dir, "lib/python"+in.Tag.Python()+"/site-packages")
	version := func() string {
		t.Helper()
		return strings.TrimSpace(run(t, lib, in.Executable, "-B", "-c", "import demo; print(demo.__version__)"))
	}
	unpack(form{Version: "1.0"})
	if v := version(); v != "1.0" {
		t.Fatalf("version %s", v)
	}
	source := filepath.Join(lib, "demo.py")
	b, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	edited := bytes.ReplaceAll(b, []byte("1.0"), []byte("9.9"))
	if err := os.WriteFile(source, edited, 0o644); err != nil {
		t.Fatal(err)
	}
	if v := version(); v != "9.9" {
		t.Errorf("after an edit: %s", v)
	}
	// As if another version's source were laid over it without its bytecode.
	at := time.Unix(MTime(snapshot.Sum(edited)), 0)
	if err := os.Chtimes(source, at, at); err != nil {
		t.Fatal(err)
	}
	if v := version(); v != "9.9" {
		t.Errorf("another version over it: %s", v)
	}
}

func TestProbe(t *testing.T) {
	in := python(t)
	if _, err := exec.LookPath(in.Executable); err != nil || !filepath.IsAbs(in.Executable) {
		t.Errorf("executable %q: %v", in.Executable, err)
	}
	if resolved, err := filepath.EvalSymlinks(in.Executable); err != nil || resolved != in.Executable {
		t.Errorf("executable %q is a link to %q, %v", in.Executable, resolved, err)
	}
	dir := t.TempDir()
	run(t, dir, in.Executable, "-m", "venv", "--without-pip", "venv")
	shim := filepath.Join(dir, "shim")
	if err := os.WriteFile(shim, []byte("#!/bin/sh\nexec "+in.Executable+" \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, exe := range []string{shim, filepath.Join(dir, "venv/bin/python")} {
		again, err := Probe(context.Background(), exe)
		if err != nil || again.Executable != in.Executable || again.Tag != in.Tag {
			t.Errorf("%s: %+v, %v", exe, again, err)
		}
	}
	// The markers are the interpreter's own, as pip's packaging library finds them.
	out := run(t, dir, in.Executable, "-c", `
import os, platform, sys
print("|".join([os.name, sys.platform, platform.machine(), platform.python_implementation(), platform.system(),
    ".".join(platform.python_version_tuple()[:2]), platform.python_version(), sys.implementation.name]))`)
	m := in.Tag.Markers(in.Version)
	got := strings.Join([]string{m["os_name"], m["sys_platform"], m["platform_machine"], m["platform_python_implementation"], m["platform_system"],
		m["python_version"], m["python_full_version"], m["implementation_name"]}, "|")
	if got != strings.TrimSpace(out) {
		t.Errorf("markers %s, the interpreter says %s", got, out)
	}
}

func TestProbeErrors(t *testing.T) {
	dir := t.TempDir()
	shell := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for exe, want := range map[string]string{
		filepath.Join(dir, "none"):                                         "does not run",
		shell("fails", "echo 'not today' >&2; exit 3"):                     "not today",
		shell("silent", "exit 0"):                                          "is no Python 3",
		shell("talks", "echo hello"):                                       "is no Python 3",
		shell("pypy", `echo '{"implementation":"pypy","system":"Linux"}'`): "is pypy on Linux",
		shell("old", `echo '{"implementation":"cpython","system":"Linux","major":3,"minor":6,"machine":"x86_64","bits":64,"libc":"glibc 2.36"}'`):                "too old",
		shell("odd", `echo '{"implementation":"cpython","system":"Linux","major":3,"minor":11,"machine":"x86_64","bits":64,"libc":"uclibc","executable":"/x"}'`): "unknown C library",
	} {
		_, err := Probe(context.Background(), exe)
		if !errors.Is(err, ErrInterpreter) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", exe, err)
		}
	}
}

func TestMuslVersion(t *testing.T) {
	got, err := muslVersion("musl libc (x86_64)\nVersion 1.2.5\nDynamic Program Loader\nUsage: ...\n")
	if err != nil || got != "musllinux_1_2" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := muslVersion("ld.so: no such option"); err == nil {
		t.Error("no error")
	}
	if got := (answer{Machine: "x86_64", Bits: 32}).machine(); got != "i686" {
		t.Error(got)
	}
}
