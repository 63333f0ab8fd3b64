package pypi

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/snapshot"
	"larder/snapshot/pypi"
)

func newIn(files files, path string) *fresh {
	return Environments.New(files, func(string) string { return path }).(*fresh)
}

// A target is for an interpreter that has its library beside it, for the container's C library, and for this
// machine. Of several, that which python3 is.
func TestFreshTargets(t *testing.T) {
	here := "_" + machine()
	all := []string{"cp311-manylinux_2_36" + here, "cp312-manylinux_2_36" + here, "cp312-musllinux_1_2" + here, "cp313t-manylinux_2_36" + here,
		"cp311-manylinux_2_36_vax", "not-a-tag"}
	const lib = "/usr/local/lib/python3."
	only311 := files{"/usr/local/bin/python3.11": "", lib + "11/os.py": ""}
	both := files{"/usr/local/bin/python3.11": "", lib + "11/os.py": "", "/usr/bin/python3.12": "", "/usr/lib64/python3.12/os.pyc": ""}
	with := func(of files, more ...string) files {
		all := files{}
		for name, text := range of {
			all[name] = text
		}
		for _, line := range more {
			name, text, _ := strings.Cut(line, " ")
			all[name] = text
		}
		return all
	}
	loader := "/lib/ld-musl-" + machine() + ".so.1"
	for name, c := range map[string]struct {
		files      files
		path, want string
	}{
		"none":                   {files{}, "", ""},
		"one":                    {only311, "", all[0]},
		"off PATH":               {files{"/opt/py/bin/python3.11": "", "/opt/py/lib/python3.11/os.py": ""}, "/bin", ""},
		"on PATH":                {files{"/opt/py/bin/python3.11": "", "/opt/py/lib/python3.11/os.py": ""}, "bin:/opt/py/bin/", all[0]},
		"a link":                 {files{"/bin/python3.11": "-> /opt/py/bin/python3.11", "/opt/py/bin/python3.11": "", "/opt/py/lib/python3.11/os.py": ""}, "", all[0]},
		"a script":               {files{"/usr/bin/python3.11": ""}, "", ""},
		"a link to another":      {files{"/usr/bin/python3.12": "-> /usr/local/bin/python3.11", "/usr/local/bin/python3.11": "", lib + "11/os.py": ""}, "", all[0]},
		"a line break":           {files{"/usr/bin/python3.11": "-> /a\nb/bin/python3.11", "/a\nb/bin/python3.11": "", "/a\nb/lib/python3.11/os.py": ""}, "", ""},
		"free-threaded":          {files{"/usr/local/bin/python3.13t": "", lib + "13t/os.py": ""}, "", all[3]},
		"two":                    {both, "", all[0] + " " + all[1]},
		"two, and python3":       {with(both, "/usr/bin/python3 -> /usr/bin/python3.12"), "", all[1]},
		"two, and another first": {with(both, "/usr/bin/python3 -> /usr/bin/python3.12", "/usr/local/bin/python3 -> /usr/local/bin/python3.11"), "", all[0]},
		"musl":                   {with(both, loader), "", all[2]},
		"musl and glibc":         {with(both, loader, "/lib64/libc.so.6"), "", all[0] + " " + all[1] + " " + all[2]},
	} {
		var rows []snapshot.Target
		for _, tag := range all {
			rows = append(rows, snapshot.Target{Ecosystem: pypi.Name, Tag: tag})
		}
		var got []string
		for _, row := range newIn(c.files, c.path).Targets(append(rows, snapshot.Target{Ecosystem: "toy", Tag: all[0]}), nil) {
			got = append(got, row.Tag)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	for text, e := range map[string]*fresh{
		"a container without Python in /opt/bin, /usr/bin, /usr/local/bin, /bin": newIn(files{}, "/opt/bin:/usr/bin"),
		"the container's Python 3.11, 3.12 with glibc":                           newIn(both, ""),
		"the container's Python 3.11 with musl":                                  newIn(with(only311, loader), ""),
	} {
		if e.String() != text {
			t.Errorf("%q, want %q", e, text)
		}
	}
	if e := newIn(files{}, strings.Repeat("/a:", 99)+"/b:"+strings.Repeat("/x/", 99)); len(e.dirs) > maxProgramDirs {
		t.Errorf("%d directories", len(e.dirs))
	}
}

// What is made is of the container's interpreter, whose files are not the host's.
func TestFreshMake(t *testing.T) {
	dir := t.TempDir()
	e := newIn(files{"/bin/python3.11": "-> /opt/py/bin/python3.11", "/opt/py/bin/python3.11": "", "/opt/py/lib/python3.11/os.py": ""}, "")
	tag := "cp311-manylinux_2_36_" + machine()
	if _, err := e.Make(dir, snapshot.Target{Tag: tag}, "/host/python", os.Geteuid(), os.Getegid()); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(filepath.Join(dir, "bin/python")); err != nil || to != "/opt/py/bin/python3.11" {
		t.Errorf("bin/python: %q, %v", to, err)
	}
	if made, err := os.ReadFile(filepath.Join(dir, "pyvenv.cfg")); err != nil || !strings.HasPrefix(string(made), "home = /opt/py/bin\n") {
		t.Errorf("pyvenv.cfg: %q, %v", made, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "lib/python3.11/site-packages")); err != nil {
		t.Error(err)
	}
	_, err := e.Make(t.TempDir(), snapshot.Target{Tag: "cp312-manylinux_2_36_" + machine()}, "", 0, 0)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "is not for the container's Python 3.11 with glibc") {
		t.Errorf("no interpreter: %v", err)
	}
}
