package uvcache

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/builder"
	"larder/snapshot/pypi"
)

// What stands in for a source is packed as the source is, and larger than what two bytes can tell.
func TestArchivers(t *testing.T) {
	for _, pack := range []string{"x-1.tar.gz", "x-1.tgz", "x-1.zip"} {
		data, err := archiverOf(pack)([]member{{"source/a", []byte("text")}, {"source/padding", make([]byte, padding)}})
		if err != nil || len(data) <= padding || len(data) > 2*padding {
			t.Errorf("%s: %d bytes, %v", pack, len(data), err)
		}
		var got []byte
		if strings.HasSuffix(pack, ".zip") {
			z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			got, _ = fs.ReadFile(z, "source/a")
		} else {
			z, err := gzip.NewReader(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			r := tar.NewReader(z)
			if h, err := r.Next(); err != nil || h.Name != "source/a" {
				t.Fatal(h, err)
			}
			got, _ = io.ReadAll(r)
		}
		if string(got) != "text" {
			t.Errorf("%s holds %q", pack, got)
		}
	}
	if archiverOf("x-1.tar.bz2") != nil || archiverOf("x-1.tar.xz") != nil {
		t.Error("it packs what it cannot")
	}
}

func built(t *testing.T, filename, url, tag string) Wheel {
	t.Helper()
	target, err := pypi.ParseTag(tag)
	if err != nil {
		t.Fatal(err)
	}
	return Wheel{Project: "six", Version: "1.0", Filename: filename, Digest: filename, URL: url, Built: &Source{Digest: digest, Size: 300},
		Target: Target{Tag: target}, Open: func() (builder.Reader, error) { return closer{strings.NewReader("wheel " + filename)}, nil }}
}

// One source has one stand-in, with all wheels that were built from it. What no stand-in can be made of
// is warned of, and what is only listed needs none.
func TestStandIns(t *testing.T) {
	const url = "https://files.example/six-1.0.tar.gz?token=secret"
	listed := built(t, "listed.whl", url, "cp311-manylinux_2_36_x86_64")
	listed.Listed = true
	var warnings []string
	w := &Writer{view: "uv-built", warn: func(text string) { warnings = append(warnings, text) }}
	dir := filepath.Join(t.TempDir(), "sources")
	able, of, err := w.standIns(dir, []Wheel{
		built(t, "one.whl", url, "cp311-manylinux_2_36_x86_64"), built(t, "two.whl", url, "cp312-manylinux_2_36_x86_64"),
		built(t, "bz2.whl", "https://files.example/six-1.0.tar.bz2", "cp311-manylinux_2_36_x86_64"), listed,
	})
	if err != nil || len(able) != 3 || len(of) != 2 || of["one.whl"] != of["two.whl"] {
		t.Fatalf("%v, %v, %v", able, of, err)
	}
	if len(warnings) != 1 || warnings[0] != "bz2.whl is not in the view uv-built: its source six-1.0.tar.bz2 is no .tar.gz, .tgz or .zip" {
		t.Errorf("%q", warnings)
	}
	text, err := os.ReadFile(of["one.whl"].path)
	for _, want := range []string{`"cp311-manylinux_2_36_x86_64":"` + dir, "one.whl", `"cp312-manylinux_2_36_x86_64":"` + dir, "two.whl", "backend-path"} {
		if err != nil || !bytes.Contains(text, []byte(want)) {
			t.Errorf("no %s in it; %v", want, err)
		}
	}
	for _, name := range []string{"0/0/one.whl", "0/1/two.whl"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != "wheel "+filepath.Base(name) {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}
