package pypi

import (
	"slices"
	"strings"
	"testing"

	"larder/builder/pypi/index"
	"larder/snapshot"
	"larder/snapshot/pypi"
)

const linux311 = "cp311-manylinux_2_36_x86_64"

func target(t testing.TB, tag string) pypi.Tag {
	t.Helper()
	parsed, err := pypi.ParseTag(tag)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func pin(version string, digests ...string) *snapshot.Pin {
	return &snapshot.Pin{Version: version, Spellings: []string{version}, Digests: digests}
}

// sha is a digest that tells files apart.
func sha(c byte) string { return strings.Repeat(string(c), 64) }

func TestChoose(t *testing.T) {
	wheel := func(name string, edit ...func(*index.File)) index.File {
		f := index.File{Filename: name, SHA256: sha('a'), Size: 1}
		for _, e := range edit {
			e(&f)
		}
		return f
	}
	yanked := func(f *index.File) { f.Yanked = true }
	requires := func(spec string) func(*index.File) { return func(f *index.File) { f.RequiresPython = spec } }
	hash := func(c byte) func(*index.File) { return func(f *index.File) { f.SHA256 = sha(c) } }

	sourcesOf := func(version string, digests ...string) *snapshot.Pin {
		return &snapshot.Pin{Version: version, Sources: digests}
	}
	tests := []struct {
		name    string
		files   []index.File
		pin     *snapshot.Pin
		want    string // a file name, or the reason
		sources bool
	}{
		{"newest release", []index.File{wheel("demo-1.9-py3-none-any.whl"), wheel("demo-1.10-py3-none-any.whl")}, nil, "demo-1.10-py3-none-any.whl", false},
		{"not a pre-release", []index.File{wheel("demo-1.0-py3-none-any.whl"), wheel("demo-2.0rc1-py3-none-any.whl"), wheel("demo-2.0.dev3-py3-none-any.whl")}, nil, "demo-1.0-py3-none-any.whl", false},
		{"post releases count", []index.File{wheel("demo-1.0-py3-none-any.whl"), wheel("demo-1.0.post1-py3-none-any.whl")}, nil, "demo-1.0.post1-py3-none-any.whl", false},
		{"not yanked", []index.File{wheel("demo-1.0-py3-none-any.whl"), wheel("demo-2.0-py3-none-any.whl", yanked)}, nil, "demo-1.0-py3-none-any.whl", false},
		{"requires-python", []index.File{wheel("demo-1.0-py3-none-any.whl"), wheel("demo-2.0-py3-none-any.whl", requires(">=3.12"))}, nil, "demo-1.0-py3-none-any.whl", false},
		{"unreadable requires-python is ignored", []index.File{wheel("demo-1.0-py3-none-any.whl"), wheel("demo-2.0-py3-none-any.whl", requires(">=3.8.*!"))}, nil, "demo-2.0-py3-none-any.whl", false},
		{"best tag", []index.File{wheel("demo-1.0-py3-none-any.whl"), wheel("demo-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"), wheel("demo-1.0-cp38-abi3-manylinux_2_28_x86_64.whl")}, nil, "demo-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", false},
		{"newer version before better tag", []index.File{wheel("demo-1.1-py3-none-any.whl"), wheel("demo-1.0-cp311-cp311-manylinux_2_17_x86_64.whl")}, nil, "demo-1.1-py3-none-any.whl", false},
		{"highest build", []index.File{wheel("demo-1.0-2-py3-none-any.whl"), wheel("demo-1.0-10-py3-none-any.whl"), wheel("demo-1.0-py3-none-any.whl")}, nil, "demo-1.0-10-py3-none-any.whl", false},
		{"other platforms", []index.File{wheel("demo-1.0-py3-none-any.whl"), wheel("demo-2.0-cp311-cp311-win_amd64.whl"), wheel("demo-2.0-cp312-cp312-manylinux_2_17_x86_64.whl"), wheel("demo-2.0-cp311-cp311-manylinux_2_39_x86_64.whl")}, nil, "demo-1.0-py3-none-any.whl", false},
		{"falls back past a release of sources", []index.File{wheel("demo-1.0-py3-none-any.whl"), wheel("demo-2.0.tar.gz")}, nil, "demo-1.0-py3-none-any.whl", false},
		{"another project's file", []index.File{wheel("demo-1.0-py3-none-any.whl"), wheel("other-2.0-py3-none-any.whl")}, nil, "demo-1.0-py3-none-any.whl", false},
		{"spelling", []index.File{wheel("Demo-1.0-py3-none-any.whl")}, nil, "Demo-1.0-py3-none-any.whl", false},

		{"pin", []index.File{wheel("demo-1.0-py3-none-any.whl"), wheel("demo-2.0-py3-none-any.whl")}, pin("1.0"), "demo-1.0-py3-none-any.whl", false},
		{"pin spelled otherwise", []index.File{wheel("demo-1.0.0-py3-none-any.whl")}, pin("1"), "demo-1.0.0-py3-none-any.whl", false},
		{"pin of a pre-release", []index.File{wheel("demo-2.0rc1-py3-none-any.whl")}, pin("2.0rc1"), "demo-2.0rc1-py3-none-any.whl", false},
		{"pin of a yanked release", []index.File{wheel("demo-1.0-py3-none-any.whl", yanked)}, pin("1.0"), "demo-1.0-py3-none-any.whl", false},
		{"pin takes a local build", []index.File{wheel("demo-1.0-py3-none-any.whl"), wheel("demo-1.0+cpu-py3-none-any.whl")}, pin("1.0"), "demo-1.0+cpu-py3-none-any.whl", false},
		{"hash decides", []index.File{wheel("demo-1.0-py3-none-any.whl", hash('b')), wheel("demo-1.0-cp311-cp311-manylinux_2_17_x86_64.whl", hash('c'))}, pin("1.0", sha('b')), "demo-1.0-py3-none-any.whl", false},

		{"no files", nil, nil, "lists no files", false},
		{"only sources", []index.File{wheel("demo-1.0.tar.gz")}, nil, "no release has a wheel", false},
		{"no tag fits", []index.File{wheel("demo-1.0-cp311-cp311-win_amd64.whl")}, nil, "no wheel fits " + linux311, false},
		{"only yanked", []index.File{wheel("demo-1.0-py3-none-any.whl", yanked)}, nil, "is yanked", false},
		{"only pre-releases", []index.File{wheel("demo-1.0a1-py3-none-any.whl")}, nil, "only pre-releases", false},
		{"only for another python", []index.File{wheel("demo-1.0-py3-none-any.whl", requires("<3.9"))}, nil, "another Python", false},
		{"no such version", []index.File{wheel("demo-1.0-py3-none-any.whl")}, pin("3.0"), "no version 3.0", false},
		{"pin without a wheel", []index.File{wheel("demo-3.0.tar.gz")}, pin("3.0"), "no wheel of version 3.0", false},
		{"no such hash", []index.File{wheel("demo-1.0-py3-none-any.whl")}, pin("1.0", sha('f')), "no wheel with a hash the lock names", false},
		{"newest release, a source", []index.File{wheel("demo-1.0-py3-none-any.whl"), wheel("demo-2.0.tar.gz")}, nil, "demo-2.0.tar.gz", true},
		{"a wheel before a source", []index.File{wheel("demo-1.0.tar.gz"), wheel("demo-1.0-py3-none-any.whl")}, nil, "demo-1.0-py3-none-any.whl", true},
		{"a source where no wheel fits", []index.File{wheel("demo-1.0.zip"), wheel("demo-1.0-cp311-cp311-win_amd64.whl")}, nil, "demo-1.0.zip", true},
		{"a source's hash", []index.File{wheel("demo-1.0.tar.gz", hash('b')), wheel("demo-1.0.zip", hash('c'))}, sourcesOf("1.0", sha('c')), "demo-1.0.zip", true},
		{"only a source is locked", []index.File{wheel("demo-1.0-py3-none-any.whl", hash('c')), wheel("demo-1.0.tar.gz", hash('c'))}, sourcesOf("1.0", sha('c')), "demo-1.0.tar.gz", true},
		{"another source's hash", []index.File{wheel("demo-1.0.tar.gz", hash('b'))}, sourcesOf("1.0", sha('c')), "with a hash the lock names", true},
		{"a source for another python", []index.File{wheel("demo-1.0.tar.gz", requires("<3.9"))}, nil, "another Python", true},
		{"a yanked source", []index.File{wheel("demo-1.0.tar.gz", yanked)}, nil, "is yanked", true},
		{"only a source is locked, and none is built", []index.File{wheel("demo-1.0.tar.gz")}, sourcesOf("1.0"), "only its source archive", false},
		{"of no known ending", []index.File{wheel("demo-1.0.exe"), wheel("demo-1.0.tar.Z")}, nil, "no release has a wheel", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			// The answer must not depend on the order in which the index lists files.
			for range 2 {
				got, err := choose(test.files, request{project: "demo", tag: target(t, linux311), python: "3.11.7", pin: test.pin, sources: test.sources})
				if !strings.Contains(test.want, " ") {
					if err != nil || got.file.Filename != test.want {
						t.Fatalf("chose %q, %v; want %q", got.file.Filename, err, test.want)
					}
				} else if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Fatalf("chose %q, %v; want the reason %q", got.file.Filename, err, test.want)
				}
				slices.Reverse(test.files)
			}
		})
	}
}

func TestSourceVersion(t *testing.T) {
	for _, test := range []struct{ file, project, want string }{
		{"demo-1.0.tar.gz", "demo", "1.0"},
		{"django-allauth-0.45.0.tar.gz", "django-allauth", "0.45.0"},
		{"Zope.Interface-5.0.zip", "zope-interface", "5.0"},
		{"a_b-1.0-2.tar.bz2", "a-b", "1.0.post2"},
		{"demo-extra-1.0.tar.gz", "demo", ""},
		{"other-1.0.tar.gz", "demo", ""},
		{"demo-1.0.egg", "demo", ""},
		{"demo.tar.gz", "demo", ""},
	} {
		v, ok := sourceVersion(test.file, test.project)
		if ok != (test.want != "") || ok && v.String() != test.want {
			t.Errorf("%s: %v, %v", test.file, v, ok)
		}
	}
}
