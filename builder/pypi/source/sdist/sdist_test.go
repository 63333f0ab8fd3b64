package sdist_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"slices"
	"strings"
	"testing"

	"larder/builder/pypi/source/sdist"
)

func pack(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, h := range headers {
		text := h.PAXRecords["text"] // not written: it is this test's
		if h.PAXRecords = nil; h.Typeflag == tar.TypeXGlobalHeader {
			h = tar.Header{Typeflag: h.Typeflag, PAXRecords: map[string]string{"comment": "0123"}}
		} else {
			h.Size, h.Mode = int64(len(text)), 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	z.Close()
	return b.Bytes()
}

func text(name, content string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeReg, PAXRecords: map[string]string{"text": content}}
}

func read(t testing.TB, b []byte) (*sdist.Source, error) {
	return sdist.Read(t.Context(), bytes.NewReader(b), int64(len(b)))
}

func TestSystem(t *testing.T) {
	for name, c := range map[string]struct {
		project string
		want    sdist.System
		legacy  bool // no pyproject.toml, but setup.py
	}{
		"none":        {legacy: true, want: sdist.System{Requires: []string{"setuptools>=40.8.0"}, BackEnd: sdist.Legacy}},
		"other table": {project: "[tool.x]\na = 1\n", want: sdist.System{Requires: []string{"setuptools>=40.8.0"}, BackEnd: sdist.Legacy}},
		"no back end": {project: "[build-system]\nrequires = ['setuptools', 'wheel; python_version < \"4\"']\n",
			want: sdist.System{Requires: []string{"setuptools", `wheel; python_version < "4"`}, BackEnd: sdist.Legacy}},
		"own": {project: "[build-system]\nrequires = []\nbuild-backend = 'b.c:d'\nbackend-path = ['.', 'tools']\n",
			want: sdist.System{Requires: []string{}, BackEnd: "b.c:d", BackEndPath: []string{".", "tools"}}},
	} {
		entries := []tar.Header{text("./demo-1.0/pyproject.toml", c.project)}
		if c.legacy {
			entries = []tar.Header{{Typeflag: tar.TypeXGlobalHeader}, text("demo-1.0/setup.py", "")}
		}
		got, err := read(t, pack(t, entries...))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Top != "demo-1.0" || got.BackEnd != c.want.BackEnd || !slices.Equal(got.Requires, c.want.Requires) || !slices.Equal(got.BackEndPath, c.want.BackEndPath) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestZip(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	w.Create("demo/")
	f, _ := w.Create("demo/pyproject.toml")
	f.Write([]byte("[build-system]\nrequires = ['flit_core']\nbuild-backend = 'flit_core.buildapi'\n"))
	w.Close()
	got, err := read(t, b.Bytes())
	if err != nil || got.BackEnd != "flit_core.buildapi" || got.Top != "demo" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestBad(t *testing.T) {
	setup := text("demo-1.0/setup.py", "")
	project := func(s string) []byte { return pack(t, text("demo-1.0/pyproject.toml", s)) }
	var slip bytes.Buffer
	z := zip.NewWriter(&slip)
	z.Create("../setup.py")
	z.Close()
	whole := pack(t, setup, text("demo-1.0/a", strings.Repeat("0123456789", 1000)))
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"empty":             {nil, "neither .tar.gz"},
		"a page":            {[]byte("<html>"), "neither .tar.gz"},
		"no files":          {pack(t), "no files"},
		"nothing to build":  {pack(t, text("demo-1.0/README", "")), "neither pyproject.toml nor setup.py"},
		"cut":               {whole[:len(whole)-30], "cannot be unpacked"},
		"up":                {pack(t, setup, text("demo-1.0/../../x", "")), "outside"},
		"up and back":       {pack(t, setup, text("demo-1.0/../demo-1.0/x", "")), "outside"},
		"absolute":          {pack(t, setup, text("/etc/x", "")), "outside"},
		"zip up":            {slip.Bytes(), "outside"},
		"two tops":          {pack(t, setup, text("other/x", "")), "two directories"},
		"file at the top":   {pack(t, text("setup.py", "")), "no directory"},
		"link out":          {pack(t, setup, tar.Header{Name: "demo-1.0/l", Typeflag: tar.TypeSymlink, Linkname: "../../etc"}), "leaves"},
		"absolute link":     {pack(t, setup, tar.Header{Name: "demo-1.0/l", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}), "leaves"},
		"hard link out":     {pack(t, setup, tar.Header{Name: "demo-1.0/l", Typeflag: tar.TypeLink, Linkname: "x"}), "leaves"},
		"device":            {pack(t, setup, tar.Header{Name: "demo-1.0/null", Typeflag: tar.TypeChar}), "device"},
		"linked project":    {pack(t, setup, tar.Header{Name: "demo-1.0/pyproject.toml", Typeflag: tar.TypeSymlink, Linkname: "x"}), "pyproject.toml"},
		"large project":     {project(strings.Repeat("#", 1<<20)), "pyproject.toml"},
		"no TOML":           {project("[build-system"), "cannot be read"},
		"deep TOML":         {project("a = " + strings.Repeat("[", 200_000)), "cannot be read"},
		"no requires":       {project("[build-system]\nbuild-backend = 'x'\n"), "without requires"},
		"requires no list":  {project("[build-system]\nrequires = 'setuptools'\n"), "cannot be read"},
		"option":            {project("[build-system]\nrequires = ['--index-url=http://host']\n"), "needs"},
		"file of options":   {project("[build-system]\nrequires = ['-r /etc/passwd']\n"), "needs"},
		"path":              {project("[build-system]\nrequires = ['./x']\n"), "needs"},
		"address":           {project("[build-system]\nrequires = ['x @ http://host/x.whl']\n"), "not from the index"},
		"back end":          {project("[build-system]\nrequires = []\nbuild-backend = 'os; x'\n"), "build-backend"},
		"path of back end":  {project("[build-system]\nrequires = []\nbackend-path = ['../x']\n"), "backend-path"},
		"rooted back end":   {project("[build-system]\nrequires = []\nbackend-path = ['/tmp']\n"), "backend-path"},
		"too many requires": {project("[build-system]\nrequires = [" + strings.Repeat("'a',", 300) + "]\n"), "more than"},
	} {
		_, err := read(t, c.b)
		if !errors.Is(err, sdist.ErrSource) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An archive that unpacks to more than any source has costs bounded work, here by its headers alone; a
// zip's directory may be all of it, so that is not read where it is large.
func TestLarge(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: "demo-1.0/setup.py", Typeflag: tar.TypeReg, Size: 1 << 40}); err != nil {
		t.Fatal(err)
	}
	z.Close()
	if _, err := read(t, b.Bytes()); !errors.Is(err, sdist.ErrSource) || !strings.Contains(err.Error(), "more than") {
		t.Error(err)
	}
	for size, want := range map[int64]string{256 << 20: "can be read", 256<<20 + 1: "more than 268435456 bytes", 1 << 50: "more than 268435456 bytes"} {
		if _, err := sdist.Read(t.Context(), zeros("PK\x03\x04"), size); !errors.Is(err, sdist.ErrSource) || !strings.Contains(err.Error(), want) {
			t.Errorf("a zip of %d bytes: %v", size, err)
		}
	}
}

// zeros is a head and nothing but zeros behind it.
type zeros string

func (z zeros) ReadAt(b []byte, off int64) (int, error) {
	clear(b)
	if off < int64(len(z)) {
		copy(b, z[off:])
	}
	return len(b), nil
}

func FuzzRead(f *testing.F) {
	f.Add(pack(f, text("demo-1.0/setup.py", ""), text("demo-1.0/pyproject.toml", "[build-system]\nrequires = ['a']\n")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := read(t, b); err == nil && (s.Top == "" || s.BackEnd == "" || strings.Contains(s.Top, "/")) {
			t.Errorf("%+v", s)
		}
	})
}
