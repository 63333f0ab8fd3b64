package source_test

import (
	"errors"
	"strings"
	"testing"

	"larder/builder/pypi/source"
	"larder/snapshot"
)

func recipe() source.Recipe {
	return source.Recipe{
		Source: snapshot.Sum([]byte("source")), Target: "cp311-manylinux_2_36_x86_64", Python: "3.11.7",
		Requires: []source.Dependency{
			{Project: "wheel", Version: "0.45.1", Filename: "wheel-0.45.1-py3-none-any.whl", SHA256: snapshot.Sum([]byte("w"))},
			{Project: "setuptools", Version: "80.9.0", Filename: "setuptools-80.9.0-py3-none-any.whl", SHA256: snapshot.Sum([]byte("s")), URL: "http://mirror/x"},
		},
		BackEnd: "setuptools.build_meta:__legacy__", Environment: map[string]string{"TZ": "UTC", "HOME": "/tmp<&>"},
		Root: source.RootFormat, Canonical: 1, Kind: snapshot.Pure,
	}
}

// The text is pinned: another one would be another id of the same recipe.
func TestRecipe(t *testing.T) {
	const want = `{"source":"41cf6794ba4200b839c53531555f0f3998df4cbb01a4d5cb0b94e3ca5e23947d","target":"cp311-manylinux_2_36_x86_64","python":"3.11.7","requires":[` +
		`{"project":"setuptools","version":"80.9.0","filename":"setuptools-80.9.0-py3-none-any.whl","sha256":"043a718774c572bd8a25adbeb1bfcd5c0256ae11cecf9f9c3f925d0e52beaf89"},` +
		`{"project":"wheel","version":"0.45.1","filename":"wheel-0.45.1-py3-none-any.whl","sha256":"50e721e49c013f00c62cf59f2163542a9d8df02464efeb615d31051b0fddc326"}],` +
		`"back_end":"setuptools.build_meta:__legacy__","back_end_path":[],"settings":{},"environment":{"HOME":"/tmp<&>","TZ":"UTC"},"root":"interpreter 1","canonical":1,"kind":"pure"}`
	r := recipe()
	if got := string(r.Encode()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if r.Requires[0].Project != "wheel" {
		t.Error("Encode sorts its caller's list")
	}
	if r.ID() != snapshot.Sum([]byte(want)) {
		t.Error("the id is not the text's SHA-256")
	}
	again, err := source.ParseRecipe([]byte(want))
	if err != nil || again.ID() != r.ID() {
		t.Errorf("%v, %v", again, err)
	}
	for _, bad := range []string{"", "{}", want + "\n", strings.Replace(want, `"kind":"pure"`, `"kind":"pure","more":1`, 1), strings.Replace(want, "{", "{ ", 1)} {
		if _, err := source.ParseRecipe([]byte(bad)); !errors.Is(err, source.ErrRecipe) {
			t.Errorf("%.60q: %v", bad, err)
		}
	}
}

func TestFailureOf(t *testing.T) {
	for log, want := range map[string]string{
		"":                                   "build-failed: it ended with status 3 and said nothing",
		"Traceback\n  File\nOSError: no\n\n": "build-failed: OSError: no",
		"building 'x' extension\nerror: command 'gcc' failed: No such file or directory\n":                                               "missing-program: error: command 'gcc' failed: No such file or directory",
		"unable to execute 'x86_64-linux-gnu-gcc': No such file or directory\nerror: x\n":                                                "missing-program: unable to execute 'x86_64-linux-gnu-gcc': No such file or directory",
		"FileNotFoundError: [Errno 2] No such file or directory: 'git'\n":                                                                "missing-program: FileNotFoundError: [Errno 2] No such file or directory: 'git'",
		"FileNotFoundError: [Errno 2] No such file or directory: 'a/requirements.txt'\n":                                                 "build-failed: FileNotFoundError: [Errno 2] No such file or directory: 'a/requirements.txt'",
		"FileNotFoundError: [Errno 2] No such file or directory: 'requirements.txt'\n":                                                   "build-failed: FileNotFoundError: [Errno 2] No such file or directory: 'requirements.txt'",
		"src/_portaudio.c:28:10: fatal error: portaudio.h: No such file or directory\ncompilation terminated.\nerror: command failed\n":  "missing-header: src/_portaudio.c:28:10: fatal error: portaudio.h: No such file or directory",
		"Updating index\nCaused by: Could not resolve host: index (Temporary failure)\nerror: command 'cargo' failed\n":                  "needs-network: Caused by: Could not resolve host: index (Temporary failure)",
		"Extracting freetype\nerror: Failed to download any of the following: ['https://host/x.tar.gz']. Please download one of these\n": "needs-network: error: Failed to download any of the following: ['https://host/x.tar.gz']. Please download one of these",
		"x.c:3:5: error: unknown type name 'y'\ncompilation terminated.\nerror: command '/usr/bin/gcc' failed with exit code 1\n":        "build-failed: x.c:3:5: error: unknown type name 'y'",
		"/usr/bin/ld: cannot find -lpq: No such file or directory\nerror: command '/usr/bin/gcc' failed with exit code 1\n":              "missing-header: /usr/bin/ld: cannot find -lpq: No such file or directory",
		"error: command '/usr/bin/gcc' failed with exit code 1\n":                                                                        "build-failed: error: command '/usr/bin/gcc' failed with exit code 1",
		"bad \x1b[31m\xff bytes\n": "build-failed: bad [31m? bytes",
	} {
		if got := source.FailureOf(3, []byte(log)).Error(); got != want {
			t.Errorf("%q\ngot  %s\nwant %s", log, got, want)
		}
	}
	if d := source.FailureOf(1, []byte(strings.Repeat("é", 10_000))).Detail; len([]rune(d)) != 301 {
		t.Errorf("a line of %d characters", len([]rune(d)))
	}
}
