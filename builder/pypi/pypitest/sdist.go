package pypitest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// Sdist describes a source archive. Its back end is in its tree and needs nothing itself: it makes a
// pure wheel of one module, NAME.py, with __version__.
type Sdist struct {
	Name, Version string
	Requires      []string          // of the wheel
	BuildRequires []string          // what it is built with, for Python
	NeedsPython   string            // of the wheel, and not of the index's page
	Python        string            // code that runs in build_wheel before the wheel is made
	Files         map[string]string // more files, and others in place of those that it has
}

const backEnd = `import os, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    module = %q
    info = module + "-" + %q + ".dist-info/"
    files = {
        module + ".py": open(module + ".py").read(),
        info + "METADATA": open("PKG-INFO").read(),
        info + "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    name = module + "-" + %q + "-py3-none-any.whl"
%s
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as z:
        for path, text in files.items():
            z.writestr(path, text)
        z.writestr(info + "RECORD", "".join(p + ",,\n" for p in [*files, info + "RECORD"]))
    return name
`

// Filename is the archive's.
func (s Sdist) Filename() string { return s.Name + "-" + s.Version + ".tar.gz" }

// Bytes is the archive, always the same: a gzipped tar with one directory.
func (s Sdist) Bytes(t testing.TB) []byte {
	module := strings.ReplaceAll(s.Name, "-", "_")
	var metadata strings.Builder
	fmt.Fprintf(&metadata, "Metadata-Version: 2.1\nName: %s\nVersion: %s\n", s.Name, s.Version)
	for _, r := range s.Requires {
		fmt.Fprintf(&metadata, "Requires-Dist: %s\n", r)
	}
	if s.NeedsPython != "" {
		fmt.Fprintf(&metadata, "Requires-Python: %s\n", s.NeedsPython)
	}
	code := "    pass\n"
	if s.Python != "" {
		code = "    " + strings.ReplaceAll(strings.TrimSpace(s.Python), "\n", "\n    ") + "\n"
	}
	files := map[string]string{
		"PKG-INFO":       metadata.String(),
		"pyproject.toml": fmt.Sprintf("[build-system]\nrequires = [%s]\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n", quoted(s.BuildRequires)),
		"backend.py":     fmt.Sprintf(backEnd, module, s.Version, s.Version, code),
		module + ".py":   fmt.Sprintf("__version__ = %q\n", s.Version),
	}
	maps.Copy(files, s.Files)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &tar.Header{Name: s.Name + "-" + s.Version + "/" + name, Mode: 0o644, Size: int64(len(files[name])), ModTime: time.Unix(1e9, 0), Typeflag: tar.TypeReg}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func quoted(all []string) string {
	var b strings.Builder
	for _, s := range all {
		fmt.Fprintf(&b, "%q, ", s)
	}
	return b.String()
}
