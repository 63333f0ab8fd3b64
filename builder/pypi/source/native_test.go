package source_test

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"larder/builder"
	"larder/builder/pypi/pypitest"
	"larder/builder/pypi/source"
	"larder/builder/pypi/wheel"
	"larder/snapshot"
	"larder/snapshot/pypi"
)

// tinyRoot is a root file system with the host's C library, and one program.
func tinyRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	out, err := exec.Command("sh", "-euc", `mkdir -p "$0/usr/bin" "$0/etc"
		for file in $(ldd /bin/sh | grep -o '/[^ ]*'); do
			mkdir -p "$0${file%/*}"; cp -L "$file" "$0$file"
			case $file in */libc.so.6)
				for name in libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1 libutil.so.1; do cp -L "${file%/*}/$name" "$0${file%/*}/"; done;;
			esac
		done
		printf '#!/env/bin/python3\nprint("hello")\n' >"$0/usr/bin/greet"; chmod 755 "$0/usr/bin/greet"`, root).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return root
}

// nativeDemo is a source that may have machine code: an ELF file that it brings.
func nativeDemo(t *testing.T, build string, code []byte) source.Source {
	files := demo(build)
	files["code"] = string(code)
	s := sourceOf(pack(t, files))
	s.Native = true
	return s
}

// packCode packs the file as a shared library.
const packCode = `return pack(out, {"demo.so": open("code", "rb").read()}, tag="cp311-cp311-linux_x86_64")`

func libraryOf(version string, needed ...string) []byte {
	return pypitest.ELF{Needed: append(needed, "libc.so.6"), Versions: map[string][]string{"libc.so.6": {"GLIBC_2.2.5", version}}}.Bytes()
}

func native(root string) func(*source.Config) {
	return func(c *source.Config) { c.System, c.Libraries = source.NewSystem(root), []string{"libpq.so.5"} }
}

// Machine code is built with the programs of a root file system and of build dependencies, named after the
// glibc that it needs, and made again only with the same root.
func TestMountNative(t *testing.T) {
	root := tinyRoot(t)
	b := open(t, "python3", native(root))
	s := nativeDemo(t, `assert subprocess.check_output(["greet"]) == b"hello\n"; `+packCode, libraryOf("GLIBC_2.29", "libpq.so.5"))
	w, attempts, err := b.Build(t.Context(), s)
	if err != nil {
		t.Fatal(err, attempts)
	}
	defer w.Close()
	if w.Filename != "demo-1.0-cp311-cp311-manylinux_2_29_x86_64.whl" || w.Kind != snapshot.Native || w.Recipe.Kind != snapshot.Native {
		t.Errorf("%+v", w)
	}
	x, err := wheel.Open(w, w.Size, w.Filename)
	if err != nil || x.Verify() != nil {
		t.Fatal(err)
	}
	if text := textOf(t, x, "demo-1.0.dist-info/WHEEL"); !strings.Contains(text, "\nTag: cp311-cp311-manylinux_2_29_x86_64\n") || strings.Contains(text, "-linux_x86_64") {
		t.Error(text)
	}
	again, err := open(t, "python3", native(root)).Make(t.Context(), s, w.Recipe)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.Digest != w.Digest {
		t.Errorf("%s, then %s", w.Digest, again.Digest)
	}
	if err := os.WriteFile(filepath.Join(root, "usr/bin/another"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*source.Config){"system": native(root), "sdists_root": nil} {
		if _, err := open(t, "python3", change).Make(t.Context(), s, w.Recipe); !errors.Is(err, source.ErrRecipe) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Commands of build dependencies are on PATH: scripts, entry points, programs.
func TestMountCommands(t *testing.T) {
	tool := pypitest.Wheel{Name: "tool", Files: []pypitest.File{
		{Path: "tool.py", Text: "class main:\n    @staticmethod\n    def run():\n        print('entry')\n"},
		{Path: "tool-1.0.dist-info/entry_points.txt", Text: "[console_scripts]\ntool-entry = tool:main.run\n"},
		{Path: "tool-1.0.data/scripts/tool-script", Text: "#!python\nprint('script')\n"},
		{Path: "tool-1.0.data/scripts/tool-other", Text: "#!/usr/bin/greet\n"},
	}}
	packed := tool.Bytes()
	b := open(t, "python3", func(c *source.Config) {
		native(tinyRoot(t))(c)
		c.Fetch = func(context.Context, source.Dependency) (builder.Reader, int64, error) {
			return nopCloser{bytes.NewReader(packed)}, int64(len(packed)), nil
		}
	})
	s := nativeDemo(t, `
    names = [n for n in ("tool-entry", "tool-script", "tool-other", "greet") if __import__("shutil").which(n)]
    said = [subprocess.check_output([n]).decode().strip() for n in names]
    return pack(out, {"said.txt": " ".join(said)})`, nil)
	plain, _, err := b.Build(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	recipe := plain.Recipe
	recipe.Requires = []source.Dependency{{Project: "tool", Version: "1.0", Filename: tool.Filename(), SHA256: snapshot.Sum(packed)}}
	w, err := b.Make(t.Context(), s, recipe)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	x, err := wheel.Open(w, w.Size, w.Filename)
	if err != nil {
		t.Fatal(err)
	}
	if text := textOf(t, x, "said.txt"); text != "entry script hello hello" || w.Kind != snapshot.Pure {
		t.Errorf("%s is %s", text, w.Kind)
	}
}

type nopCloser struct{ *bytes.Reader }

func (nopCloser) Close() error { return nil }

// What is in a wheel decides what it becomes, or why it is refused.
func TestMountCode(t *testing.T) {
	b := open(t, "python3", native(tinyRoot(t)))
	const some = `return pack(out, {"demo.so": open("code", "rb").read(), "demo.libs/libz-1.so": ""}, tag="TAG")`
	for name, c := range map[string]struct {
		tag  string
		code []byte
		want string // a file name, or a failure
	}{
		"old":             {"cp311-abi3-linux_x86_64", libraryOf("GLIBC_2.2.5"), "demo-1.0-cp311-abi3-manylinux_2_5_x86_64.whl"},
		"for any":         {"py3-none-any", libraryOf("GLIBC_2.14"), "demo-1.0-py3-none-manylinux_2_14_x86_64.whl"},
		"own library":     {"cp311-cp311-manylinux1_x86_64", libraryOf("GLIBC_2.14", "libz-1.so"), "demo-1.0-cp311-cp311-manylinux_2_14_x86_64.whl"},
		"no code":         {"cp311-cp311-linux_x86_64", nil, "demo-1.0-cp311-cp311-manylinux_2_5_x86_64.whl"},
		"pure":            {"py3-none-any", nil, "demo-1.0-py3-none-any.whl"},
		"foreign library": {"cp311-cp311-linux_x86_64", libraryOf("GLIBC_2.14", "libyaml-0.so.2"), `foreign-library: "demo.so" in demo-1.0-cp311-cp311-linux_x86_64.whl needs libyaml-0.so.2`},
		"a path":          {"cp311-cp311-linux_x86_64", libraryOf("GLIBC_2.14", "/tmp/libc.so.6"), "foreign-library: "},
		"newer glibc":     {"cp311-cp311-linux_x86_64", libraryOf("GLIBC_2.99"), "wrong-target: what it made needs glibc 2.99"},
		"private":         {"cp311-cp311-linux_x86_64", libraryOf("GLIBC_PRIVATE"), "bad-wheel: "},
		"another machine": {"cp311-cp311-linux_x86_64", pypitest.ELF{Machine: elf.EM_AARCH64}.Bytes(), "wrong-target: "},
		"its name":        {"cp311-cp311-linux_aarch64", nil, "wrong-target: "},
		"another Python":  {"cp39-cp39-linux_x86_64", nil, "wrong-target: "},
		"damaged":         {"cp311-cp311-linux_x86_64", libraryOf("GLIBC_2.14")[:100], "bad-wheel: "},
	} {
		t.Run(name, func(t *testing.T) {
			w, _, err := b.Build(t.Context(), nativeDemo(t, strings.ReplaceAll(some, "TAG", c.tag), c.code))
			got := ""
			if err != nil {
				got = err.Error()
			} else {
				defer w.Close()
				got = w.Filename
				if pure := strings.HasSuffix(got, "-any.whl"); (w.Kind == snapshot.Pure) != pure {
					t.Errorf("%s is %s", got, w.Kind)
				}
			}
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("%s", got)
			}
		})
	}
}

// Without what machine code needs, a project's sources are built as those of others, and a failure says
// what it lacked.
func TestMountNoRoot(t *testing.T) {
	compile := nativeDemo(t, `subprocess.check_call(["cc", "-c", "x.c"])`, nil)
	musl, err := pypi.ParseTag("cp311-musllinux_1_2_x86_64")
	if err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]struct {
		python string
		change func(*source.Config)
	}{
		"sdists_root in [build] names none":   {"python3", nil},
		"built for glibc only":                {"python3", func(c *source.Config) { native(t.TempDir())(c); c.Tag = musl }},
		"sdists_root has no /usr/bin/python3": {"/usr/bin/python3", native(tinyRoot(t))},
		"sdists_root: ":                       {"python3", native(t.TempDir())},
		"does not run in sdists_root":         {"python3", func(c *source.Config) { native(emptyRoot(t))(c) }},
		"and the target's is 3.99.0":          {"python3", func(c *source.Config) { native(tinyRoot(t))(c); c.Interpreter.Version = "3.99.0" }},
	} {
		_, attempts, err := open(t, c.python, c.change).Build(t.Context(), compile)
		var f *source.Failure
		if err == nil || !strings.Contains(err.Error(), want) || errors.As(err, &f) != (want != "sdists_root: ") || f != nil && f.Reason != source.MissingProgram {
			t.Errorf("%s: %v", want, err)
		}
		for _, a := range attempts {
			if strings.Contains(a.Failure.Detail, "sdists_root") {
				t.Errorf("what is remembered depends on the configuration: %v", a.Failure)
			}
		}
	}
}

func emptyRoot(t *testing.T) string { return tree(t, map[string]string{"usr/bin/x": ""}) }
