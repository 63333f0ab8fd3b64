package source_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"testing"

	"larder/builder"
	"larder/builder/pypi/layer"
	"larder/builder/pypi/source"
	"larder/builder/sandbox"
	"larder/snapshot"
)

// backEnd is a back end in the source's own tree: it needs nothing of an index. build is Python that
// build_wheel runs; pack makes a wheel.
const backEnd = `
import os, sys, time, datetime, random, subprocess, zipfile

def pack(out, files, name="demo", version="1.0", tag="py3-none-any"):
    stem = name + "-" + version
    info = stem + ".dist-info/"
    files = dict(files)
    files[info + "METADATA"] = "Metadata-Version: 2.1\nName: %s\nVersion: %s\n" % (name, version)
    files[info + "WHEEL"] = "Wheel-Version: 1.0\nGenerator: demo\nRoot-Is-Purelib: true\nTag: %s\n" % tag
    files[info + "RECORD"] = ""
    with zipfile.ZipFile(os.path.join(out, stem + "-" + tag + ".whl"), "w", zipfile.ZIP_DEFLATED) as z:
        for path, text in files.items():
            z.writestr(path, text)
    return stem + "-" + tag + ".whl"

def build_wheel(out, settings=None, metadata=None):
    `

func demo(build string) map[string]string {
	return map[string]string{
		"pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'back'\nbackend-path = ['tools']\n",
		"tools/back.py":  backEnd + build + "\n",
		"demo.py":        "x = 1\n",
	}
}

// pack makes an archive with the one directory demo-1.0.
func pack(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: "demo-1.0/" + name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, text)
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// packZip makes the same as a zip.
func packZip(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range files {
		w, err := z.Create("demo-1.0/" + name)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, text)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sourceOf(b []byte) source.Source {
	return source.Source{Project: "demo", Version: "1.0", Filename: "demo-1.0.tar.gz", Digest: snapshot.Sum(b),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
}

// open is a Builder for an interpreter, whose sandbox is real.
func open(t testing.TB, python string, change func(*source.Config)) *source.Builder {
	t.Helper()
	in, err := layer.Probe(t.Context(), python)
	if err != nil {
		t.Fatal(err)
	}
	runner, err := sandbox.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cfg := source.Config{Tag: in.Tag, Interpreter: in, Sandbox: runner, Scratch: t.TempDir(),
		Fetch: func(_ context.Context, d source.Dependency) (builder.Reader, int64, error) {
			t.Errorf("%s is fetched", d.Filename)
			return nil, 0, os.ErrNotExist
		}}
	if change != nil {
		change(&cfg)
	}
	b, err := source.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(b.Close(), runner.Close()); err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(cfg.Scratch); len(left) > 0 {
			t.Errorf("scratch has %s", left)
		}
	})
	return b
}
