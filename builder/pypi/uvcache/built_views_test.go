package uvcache

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"larder/builder"
	"larder/builder/pypi/pypitest"
	"larder/snapshot"
	"larder/snapshot/image"
)

// source is an sdist whose back end leaves a mark and then fails.
func (b *builtTest) source(name string) []byte {
	marks := fmt.Sprintf("open(%q, 'w')\nraise SystemExit(1)\n", b.marker)
	members := []member{
		{name + "/pyproject.toml", []byte("[build-system]\nrequires = []\nbuild-backend = \"marks\"\nbackend-path = [\".\"]\n")},
		{name + "/marks.py", []byte(marks)}, {name + "/setup.py", []byte(marks)}, {name + "/PKG-INFO", []byte("Metadata-Version: 1.0\n")},
	}
	data, err := tarball(members)
	if strings.HasPrefix(name, "quick") {
		data, err = zipped(members)
	}
	if err != nil {
		b.Fatal(err)
	}
	return data
}

// wheel is one for the caches, of what the index has, or built from a source that it has.
func (b *builtTest) wheel(w pypitest.Wheel, source string, target Target) Wheel {
	data := w.Bytes()
	x := Wheel{Project: w.Name, Version: w.Version, Filename: w.Filename(), Digest: fmt.Sprintf("%x", sha256.Sum256(data)), Size: int64(len(data)),
		Index: b.index.URL(), Metadata: source == "", Target: target, Open: func() (builder.Reader, error) { return closer{bytes.NewReader(data)}, nil }}
	offered := pypitest.Artifact{Name: w.Filename(), Data: data}
	if source != "" {
		root, _, _ := strings.Cut(strings.TrimSuffix(source, ".zip"), ".tar")
		offered = pypitest.Artifact{Name: source, Data: b.source(root)}
		x.Built = &Source{fmt.Sprintf("%x", sha256.Sum256(offered.Data)), int64(len(offered.Data))}
	}
	x.URL = b.index.AddFile(w.Name, offered)
	return x
}

// fill has uvs write the three views, and returns their directories, the uppermost first.
func (b *builtTest) fill(paths []string) []string {
	native := func(t Target) string {
		python, machine, _ := strings.Cut(t.Tag.String(), "-manylinux_2_36_")
		return python + "-" + python + "-manylinux_2_17_" + machine
	}
	base := b.wheel(pypitest.Wheel{Name: "base-lib", Version: "1.0"}, "", b.target)
	older := b.wheel(pypitest.Wheel{Name: "thing", Version: "0.9"}, "", b.target)
	thing := b.wheel(pypitest.Wheel{Name: "thing", Version: "1.0", Requires: []string{"base-lib"}}, "thing-1.0.tar.gz", b.target)
	quick := b.wheel(pypitest.Wheel{Name: "quick-one", Version: "2.0", Tag: native(b.target)}, "quick_one-2.0.zip", b.target)
	again := quick
	data := pypitest.Wheel{Name: "quick-one", Version: "2.0", Tag: native(b.other), Summary: "for another"}
	text := data.Bytes()
	again.Filename, again.Digest, again.Size, again.Target = data.Filename(), fmt.Sprintf("%x", sha256.Sum256(text)), int64(len(text)), b.other
	again.Open = func() (builder.Reader, error) { return closer{bytes.NewReader(text)}, nil }
	b.lock = fmt.Sprintf("base-lib==1.0 --hash=sha256:%s\nthing==1.0 --hash=sha256:%s\nquick-one==2.0 --hash=sha256:%s\n", base.Digest, thing.Built.Digest, quick.Built.Digest)

	listed := older
	listed.Listed = true
	var lowers []string
	for _, v := range []struct {
		name   string
		wheels []Wheel
	}{{"uv-built-native", []Wheel{quick, again}}, {"uv-built", []Wheel{thing, listed}}, {"uv", []Wheel{base, older}}} {
		w, err := Open(b.Context(), v.name, paths, func(text string) { b.Error(v.name, text) })
		if err != nil {
			b.Fatal(err)
		}
		entries, err := w.Write(b.Context(), b.TempDir(), v.wheels, b.put)
		if err != nil {
			b.Fatal(err)
		}
		common, of := Split(entries)
		if want := map[string]int{"uv-built-native": 1, "uv-built": 1, "uv": 2}[v.name]; len(of) != want || len(common) == 0 {
			b.Errorf("%s: common %v, of projects %v", v.name, common, of)
		}
		lowers = append(lowers, b.lay(v.name, entries))
	}
	if _, err := os.Stat(b.marker); err == nil || len(b.index.Requests()) > 0 {
		b.Error("to write a view, the code of a source ran, or the index was asked: ", b.index.Requests())
	}
	return lowers
}

func (b *builtTest) put(r io.Reader, exec bool) (snapshot.Object, int64, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return snapshot.Object{}, 0, err
	}
	o := snapshot.Object{Digest: snapshot.Sum(text), Exec: exec}
	return o, int64(len(text)), os.WriteFile(filepath.Join(b.objects, o.Digest.String()), text, 0o644)
}

// lay writes a view as a directory.
func (b *builtTest) lay(name string, entries []image.Entry) string {
	dir := filepath.Join(b.TempDir(), name)
	for _, e := range entries {
		path := filepath.Join(dir, e.Path)
		if strings.Contains(e.Path, "/src") || strings.HasSuffix(e.Path, ".lock") {
			b.Errorf("%s has %s", name, e.Path)
		}
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		switch {
		case err != nil || e.Mode.IsDir():
		case e.Mode&fs.ModeSymlink != 0:
			err = os.Symlink(e.Target, path)
		default:
			var text []byte
			if e.Size > 0 {
				text, err = os.ReadFile(filepath.Join(b.objects, e.Object.Digest.String()))
			}
			if err == nil {
				err = os.WriteFile(path, text, 0o644)
			}
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	return dir
}
