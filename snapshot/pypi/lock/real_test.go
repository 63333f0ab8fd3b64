package lock

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// linux is the environment of CPython on x86_64, as snapshot/pypi makes it.
func linux(full string) Environment {
	minor := full[:strings.LastIndexByte(full, '.')]
	return Environment{
		"os_name": "posix", "sys_platform": "linux", "platform_machine": "x86_64", "platform_system": "Linux", "platform_release": "", "platform_version": "",
		"python_version": minor, "python_full_version": full, "implementation_name": "cpython", "implementation_version": full,
		"platform_python_implementation": "CPython",
	}
}

func text(l *Lock) string {
	var pins []string
	for _, p := range l.Pins {
		pins = append(pins, p.Name+"=="+p.Version)
	}
	return strings.Join(pins, " ")
}

// The locks below testdata were made by uv, Poetry and pip for small projects of
// ours; addresses were replaced and all but a few files of each package taken out.
// want.txt is what the tool itself says it would install for each Python.
func TestRealLocks(t *testing.T) {
	dirs, err := filepath.Glob("testdata/*/want.txt")
	if err != nil || len(dirs) != 9 {
		t.Fatalf("%d locks, want 9: %v", len(dirs), err)
	}
	for _, want := range dirs {
		dir := filepath.Dir(want)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			data, err := os.ReadFile(want)
			if err != nil {
				t.Fatal(err)
			}
			files, _ := filepath.Glob(dir + "/*.lock")
			more, _ := filepath.Glob(dir + "/*.toml")
			if files = append(files, more...); len(files) == 0 {
				files = []string{dir + "/requirements.txt"}
			}
			n := 0
			for line := range strings.Lines(string(data)) {
				if strings.HasPrefix(line, "#") {
					continue
				}
				n++
				python, pins, _ := strings.Cut(strings.TrimSpace(line), " ")
				l, err := Read(files[0], linux(python))
				if err != nil {
					t.Fatal(err)
				}
				list := strings.Fields(pins)
				slices.Sort(list)
				got := strings.Fields(text(l))
				slices.Sort(got)
				if !slices.Equal(got, list) {
					t.Errorf("Python %s:\n got %s\nwant %s", python, got, list)
				}
				for _, p := range l.Pins {
					if len(p.Hashes) == 0 && !p.SdistOnly || p.Line == 0 || p.File != files[0] {
						t.Errorf("%+v", p)
					}
				}
			}
			if n == 0 {
				t.Error("no Python tried")
			}
		})
	}
}

func TestLeftOutAreTheUsersOwnTrees(t *testing.T) {
	for file, want := range map[string]string{
		"testdata/uv-workspace/uv.lock": "a b ws",
		"testdata/uv-members/uv.lock":   "a b",
		"testdata/uv-web/uv.lock":       "web",
	} {
		l, err := Read(file, linux("3.11.7"))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(l.LeftOut, " "); got != want {
			t.Errorf("%s: left out %s, want %s", file, got, want)
		}
	}
}

// The same packages from a uv.lock and from the pylock.toml that uv exports have
// one digest, because both list the wheels.
func TestDigestDoesNotDependOnTheFormat(t *testing.T) {
	digests := map[string]bool{}
	for _, file := range []string{"testdata/uv-web/uv.lock", "testdata/pylock-uv/pylock.toml"} {
		l, err := Read(file, linux("3.11.7"))
		if err != nil {
			t.Fatal(err)
		}
		digests[l.Digest()] = true
	}
	if len(digests) != 1 {
		t.Errorf("%d digests", len(digests))
	}
}

func TestOtherPythonIsRefused(t *testing.T) {
	for _, file := range []string{"testdata/uv-workspace/uv.lock", "testdata/poetry-2/poetry.lock", "testdata/poetry-1/poetry.lock"} {
		_, err := Read(file, linux("3.7.17"))
		wantRefusal(t, err, "needs Python")
	}
}
