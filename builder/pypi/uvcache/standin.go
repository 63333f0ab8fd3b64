package uvcache

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Source is what a wheel was built from.
type Source struct {
	Digest string // SHA-256 in hexadecimal
	Size   int64  // in bytes; 0 where it is not known
}

// standIn is what a uv unpacks and builds in place of a source: it gives the wheel that was built.
type standIn struct {
	source       Source
	path, digest string
	size         int64
}

func (s standIn) open() (readSeekCloser, error) { return os.Open(s.path) }

// standInTarget is the variable that tells a stand-in which of its wheels is wanted.
const standInTarget = "LARDER_TARGET"

const (
	standInProject = `[build-system]
requires = []
build-backend = "larder"
backend-path = ["."]
`
	standInBackend = `import os

WHEELS = %s


def build_wheel(directory, config_settings=None, metadata_directory=None):
    path = WHEELS[os.environ["` + standInTarget + `"]]
    name = os.path.basename(path)
    os.link(path, os.path.join(directory, name))
    return name
`
)

// padding makes a stand-in so large that uv writes its size in four bytes, in which every size up to
// 4 GiB can be written in its place.
const padding = 1 << 16

// standIns makes what stands in for the sources of wheels, in dir, which is not there yet. It returns
// the wheels without those that it had to warn of.
func (w *Writer) standIns(dir string, wheels []Wheel) (able []Wheel, of map[string]standIn, err error) {
	of = map[string]standIn{}
	bySource := map[string][]Wheel{} // by address
	for _, x := range wheels {
		switch {
		case x.Built == nil || x.Listed:
			able = append(able, x)
		case archiverOf(x.onPage().filename) == nil:
			w.warn(fmt.Sprintf("%s is not in the view %s: its source %s is no .tar.gz, .tgz or .zip", x.Filename, w.view, x.onPage().filename))
		default:
			able = append(able, x)
			bySource[x.address()] = append(bySource[x.address()], x)
		}
	}
	for _, built := range bySource {
		s, err := newStandIn(filepath.Join(dir, strconv.Itoa(len(of))), built)
		if err != nil {
			return nil, nil, err
		}
		for _, x := range built {
			of[x.Digest] = s
		}
	}
	return able, of, nil
}

// newStandIn makes what stands in for one source, in dir, beside the wheels that were built of it.
func newStandIn(dir string, built []Wheel) (s standIn, err error) {
	s.source = *built[0].Built
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return s, err
	}
	paths := map[string]string{}
	for i, x := range built {
		path := filepath.Join(dir, strconv.Itoa(i), x.Filename)
		if err := copyWheel(path, x); err != nil {
			return s, err
		}
		paths[x.Target.Tag.String()] = path
	}
	table, err := json.Marshal(paths)
	if err != nil {
		return s, err
	}
	name := built[0].onPage().filename
	data, err := archiverOf(name)([]member{
		{"source/pyproject.toml", []byte(standInProject)},
		{"source/larder.py", fmt.Appendf(nil, standInBackend, table)},
		{"source/padding", make([]byte, padding)},
	})
	if err != nil {
		return s, err
	}
	sum := sha256.Sum256(data)
	s.path, s.digest, s.size = filepath.Join(dir, "source"), fmt.Sprintf("%x", sum), int64(len(data))
	return s, os.WriteFile(s.path, data, 0o600)
}

func copyWheel(path string, x Wheel) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	r, err := x.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// member is one file of an archive.
type member struct {
	name string
	data []byte
}

// archiverOf is what packs a source of that name; nil where nothing here does.
func archiverOf(name string) func([]member) ([]byte, error) {
	switch {
	case strings.HasSuffix(name, ".tar.gz"), strings.HasSuffix(name, ".tgz"):
		return tarball
	case strings.HasSuffix(name, ".zip"):
		return zipped
	}
	return nil
}

func tarball(members []member) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.NoCompression) // for the padding
	if err != nil {
		return nil, err
	}
	t := tar.NewWriter(z)
	for _, m := range members {
		if err := t.WriteHeader(&tar.Header{Name: m.name, Mode: 0o644, Size: int64(len(m.data))}); err != nil {
			return nil, err
		}
		if _, err := t.Write(m.data); err != nil {
			return nil, err
		}
	}
	err = errors.Join(t.Close(), z.Close())
	return b.Bytes(), err
}

// zipped has all sizes before the data: uv unpacks while it reads.
func zipped(members []member) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, m := range members {
		w, err := z.CreateRaw(&zip.FileHeader{Name: m.name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(m.data),
			CompressedSize64: uint64(len(m.data)), UncompressedSize64: uint64(len(m.data))})
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(m.data); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return b.Bytes(), err
}
