package tarball

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"larder/builder/npm/npmtest"
	"larder/snapshot"
	"larder/snapshot/image"
)

// pool is where a test's files go.
type pool struct {
	mu    sync.Mutex
	files map[snapshot.Object]string
}

func (p *pool) put(r io.Reader, exec bool) (snapshot.Object, int64, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return snapshot.Object{}, 0, fmt.Errorf("put: %w", err)
	}
	o := snapshot.Object{Digest: snapshot.Sum(text), Exec: exec}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.files == nil {
		p.files = map[snapshot.Object]string{}
	}
	p.files[o] = string(text)
	return o, int64(len(text)), nil
}

// list is what Unpack says, one line an entry.
func list(t *testing.T, data []byte, name, version string) []string {
	t.Helper()
	var p pool
	entries, err := Unpack(t.Context(), source(data), name, version, p.put)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range entries {
		if e.MTime != snapshot.Epoch {
			t.Errorf("%s: time %d", e.Path, e.MTime)
		}
		switch text, is := p.files[e.Object]; {
		case e.Size > 0 && (!is || int64(len(text)) != e.Size || e.Object.Exec != (e.Mode == 0o755)):
			t.Errorf("%+v: %q", e, text)
		default:
			lines = append(lines, fmt.Sprintf("%s %03o %q", e.Path, e.Mode, text))
		}
	}
	return lines
}

func source(data []byte) Source {
	return Source{bytes.NewReader(data), int64(len(data)), "demo-1.0.0.tgz"}
}

const manifestText = `{"name":"demo","version":"1.0.0"}`

// What comes out is what npm makes of it.
func TestUnpack(t *testing.T) {
	file := npmtest.File
	mode := func(e npmtest.Entry, mode int64) npmtest.Entry { e.Mode = mode; return e }
	link := func(kind byte, name, to string) npmtest.Entry {
		return npmtest.Entry{Header: tar.Header{Name: name, Linkname: to, Typeflag: kind}}
	}
	dir := func(name string) npmtest.Entry { return npmtest.Entry{Header: tar.Header{Name: name, Mode: 0o700}} }
	long := strings.Repeat("long/", 40) + strings.Repeat("n", 120)
	for name, c := range map[string]struct {
		entries []npmtest.Entry
		want    []string
	}{
		"modes": {[]npmtest.Entry{file("package/package.json", manifestText), mode(file("package/a", "a"), 0o600), mode(file("package/b", "b"), 0o4711), mode(file("package/c", "c"), 0), file("package/empty", "")},
			[]string{`a 644 "a"`, `b 755 "b"`, `c 644 "c"`, `empty 644 ""`, `package.json 644 "` + strings.ReplaceAll(manifestText, `"`, `\"`) + `"`}},
		"another root, links, what lies beside": {[]npmtest.Entry{dir("x/"), file("x/package.json", `{"name":"demo","version":"v1.0.0+build"}`), dir("x/d/"), link(tar.TypeSymlink, "x/up", "../../etc"), link(tar.TypeLink, "x/hard", "/etc/passwd"), file("._x", "apple"), file("y/b", "b")},
			[]string{`b 644 "b"`, `package.json 644 "{\"name\":\"demo\",\"version\":\"v1.0.0+build\"}"`}},
		"ignores": {[]npmtest.Entry{file("package/package.json", "\ufeff"+manifestText), file("package/.gitignore", "1"), file("package/a/.gitignore", "2"), file("package/a/.npmignore", "3"), file("package/b/.npmignore", "4"), file("package/b/.gitignore", "5"), file("package/c/.gitignore", "6"), file("package/c/.gitignore", "7")},
			[]string{`.npmignore 644 "1"`, `a/.npmignore 644 "3"`, `b/.npmignore 644 "4"`, `c/.npmignore 644 "7"`, `package.json 644 "\ufeff{\"name\":\"demo\",\"version\":\"1.0.0\"}"`}},
		"names with empty parts": {[]npmtest.Entry{dir("package/./"), file("package/./package.json", manifestText), file("package//x", "x"), file("package/./lib/.//y", "y"), file("./package/z", "z"), file("package/x", "x")},
			[]string{`lib/y 644 "y"`, `package.json 644 "` + strings.ReplaceAll(manifestText, `"`, `\"`) + `"`, `package/z 644 "z"`, `x 644 "x"`}},
		"twice the same, case twins, a long name": {[]npmtest.Entry{file("package/package.json", manifestText), file("package/a", "a"), file("package/A", "A"), file("package/a", "a"), file("package/"+long, "x")},
			[]string{`A 644 "A"`, `a 644 "a"`, long + ` 644 "x"`, `package.json 644 "` + strings.ReplaceAll(manifestText, `"`, `\"`) + `"`}},
	} {
		if got := list(t, npmtest.Tar(c.entries...), "demo", "1.0.0"); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n%q, want\n%q", name, got, c.want)
		}
	}
}

// Programs are executable and start on Linux, wherever package.json names them, and nothing else is.
func TestPrograms(t *testing.T) {
	const dos, unix = "#!/usr/bin/env node\r\nx\r\n", "#!/usr/bin/env node\nx\r\n"
	for bin, programs := range map[string][]string{
		`"bin":"./cli.js"`: {"cli.js"}, `"bin":{"a":"cli.js","b":"/lib/../lib/b.js","c":["no"],"d":null}`: {"cli.js", "lib/b.js"},
		`"bin":["cli.js"]`: {"cli.js"}, `"bin":"../../lib/b.js"`: {"lib/b.js"}, `"bin":"missing.js"`: nil, `"bin":{"":"cli.js"}`: nil, `"bin":7`: nil, `"bin":"."`: nil,
		`"directories":{"bin":"lib"}`: {"lib/b.js"}, `"directories":{"bin":"lib"},"bin":"cli.js"`: {"cli.js"}, `"directories":7`: nil, `"Bin":"cli.js"`: nil,
		`"bundledDependencies":["in"]`:      {"node_modules/in/in.js", "node_modules/in/node_modules/@s/deep/deep.js"},
		`"bundleDependencies":true`:         {"node_modules/in/in.js", "node_modules/in/node_modules/@s/deep/deep.js"},
		`"bundleDependencies":["in/lib"]`:   nil,
		`"bin":"test/node_modules/x/in.js"`: {"test/node_modules/x/in.js"},
	} {
		files := map[string]string{"package.json": `{"name":"demo","version":"1.0.0",` + bin + `}`,
			"cli.js": dos, "lib/b.js": dos, "node_modules/in/package.json": `{"name":"in","bin":"in.js"}`, "node_modules/in/in.js": dos,
			"node_modules/in/node_modules/@s/deep/package.json": `{"name":"@s/deep","bin":{"deep":"deep.js"}}`, "node_modules/in/node_modules/@s/deep/deep.js": dos,
			"test/node_modules/x/package.json": `{"name":"in","bin":"in.js"}`, "test/node_modules/x/in.js": dos}
		var entries []npmtest.Entry
		for _, name := range slices.Sorted(maps.Keys(files)) {
			entries = append(entries, npmtest.File("package/"+name, files[name]))
		}
		var got []string
		for _, line := range list(t, npmtest.Tar(entries...), "demo", "1.0.0") {
			switch name, _, _ := strings.Cut(line, " "); {
			case strings.HasSuffix(line, fmt.Sprintf(" 755 %q", unix)):
				got = append(got, name)
			case strings.HasSuffix(name, ".js") && !strings.HasSuffix(line, fmt.Sprintf(" 644 %q", dos)):
				t.Errorf("%s: %s", bin, line)
			}
		}
		if !slices.Equal(got, programs) {
			t.Errorf("%s: %q, want %q", bin, got, programs)
		}
	}
	for in, want := range map[string]string{"#!a\r\n": "#!a\n", "#!\r\n": "#!\r\n", "x\r\n": "x\r\n", "#!a\n\r\n": "#!a\n\r\n", "#!a\r": "#!a\r", "": ""} {
		if got := string(mendLine([]byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// Each bad tarball is refused with one line that names it and says why.
func TestRefusals(t *testing.T) {
	file := npmtest.File
	good := npmtest.Tar(file("package/package.json", manifestText))
	plain, err := gzip.NewReader(bytes.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(plain)
	if err != nil {
		t.Fatal(err)
	}
	kind := func(kind byte, name string) []byte {
		return npmtest.Tar(npmtest.Entry{Header: tar.Header{Name: name, Typeflag: kind}})
	}
	sparse := func() []byte {
		r, err := gzip.NewReader(bytes.NewReader(npmtest.Tar(npmtest.Entry{Header: tar.Header{Name: "package/x", Format: tar.FormatPAX, PAXRecords: map[string]string{"NEW.sparse.name": "x"}}})))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return npmtest.Gzip(bytes.Replace(plain, []byte("NEW.sparse"), []byte("GNU.sparse"), 1)) // which Go does not write
	}
	global := func(key, value string) []byte {
		return npmtest.Tar(npmtest.Entry{Header: tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{key: value}}})
	}
	flipped := slices.Clone(good)
	flipped[len(flipped)-6] ^= 1
	damaged := slices.Clone(good)
	damaged[20] ^= 0xff
	for rule, data := range map[string][]byte{
		`entry "package/../../etc/x" has a ".." in its name`:                                          npmtest.Tar(file("package/../../etc/x", "")),
		`entry "../x" has a ".." in its name`:                                                         npmtest.Tar(file("../x", "")),
		`entry "/etc/x" has an absolute name`:                                                         npmtest.Tar(file("/etc/x", "")),
		`entry "package/." is a file by its kind and a directory by its name`:                         npmtest.Tar(file("package/.", "")),
		`entry "package/./.." has a ".." in its name`:                                                 npmtest.Tar(file("package/./..", "")),
		`entry "package/.//c:x" has a drive letter in its name`:                                       npmtest.Tar(file("package/.//c:x", "")),
		`entry "package/.//x" occurs twice, and is not the same`:                                      npmtest.Tar(file("package/x", "1"), file("package/.//x", "2")),
		`entry "package/c:x" has a drive letter in its name`:                                          npmtest.Tar(file("package/c:x", "")),
		`entry "package/a\\b" has a backslash in its name`:                                            npmtest.Tar(file(`package/a\b`, "")),
		`entry "package/a\nb" has a control character in its name`:                                    npmtest.Tar(file("package/a\nb", "")),
		`entry "package/.wh.x" has a whiteout name (.wh.)`:                                            npmtest.Tar(file("package/.wh.x", "")),
		`has a name component longer than 255 bytes`:                                                  npmtest.Tar(file("package/"+strings.Repeat("n", 256), "")),
		`has a name longer than 1024 bytes`:                                                           npmtest.Tar(file("package/"+strings.Repeat("nn/", 400), "")),
		`is more than 128 directories deep`:                                                           npmtest.Tar(file("package/"+strings.Repeat("n/", 128)+"x", "")),
		`entry "package/tty" is a device or FIFO`:                                                     kind(tar.TypeChar, "package/tty"),
		`entry "package/disk" is a device or FIFO`:                                                    kind(tar.TypeBlock, "package/disk"),
		`entry "package/pipe" is a device or FIFO`:                                                    kind(tar.TypeFifo, "package/pipe"),
		`entry "package/x" is of the unknown kind 'Z'`:                                                kind('Z', "package/x"),
		`entry "other/x" occurs twice, and is not the same`:                                           npmtest.Tar(file("package/x", "1"), file("other/x", "2")),
		`entry "x" is a file and a directory`:                                                         npmtest.Tar(file("package/x", "1"), file("package/x/y", "2")),
		`has no package.json`:                                                                         npmtest.Tar(file("package/lib/package.json", manifestText)),
		`has a package.json that is no JSON object`:                                                   npmtest.Tar(file("package/package.json", "[]")),
		`is published as demo, and its package.json says "other"`:                                     npmtest.Tar(file("package/package.json", `{"name":"other","version":"1.0.0"}`)),
		`is published as demo, and its package.json says ""`:                                          npmtest.Tar(file("package/package.json", `{"Name":"demo","version":"1.0.0"}`)),
		`is published as version 1.0.0, and its package.json says "1.0.1"`:                            npmtest.Tar(file("package/package.json", `{"name":"demo","version":"1.0.1"}`)),
		`is too large: all package.json files together may have 16777216 bytes`:                       npmtest.Tar(file("package/package.json", strings.Repeat(" ", maxPackageJSON)+manifestText)),
		`has a global header that sets the path of all entries`:                                       global("path", "package/x"),
		`entry "package/x" is a sparse file`:                                                          sparse(),
		`is not a whole gzipped tar archive: unexpected EOF`:                                          good[:len(good)/2],
		`is not a whole gzipped tar archive: gzip: invalid checksum`:                                  flipped,
		`is not a whole gzipped tar archive: flate: corrupt input`:                                    damaged,
		`is not a whole gzipped tar archive: gzip: invalid header`:                                    append(slices.Clone(good), "more than that, which is not gzip"...),
		`is not a whole gzipped tar archive: archive/tar: invalid tar header`:                         npmtest.Gzip(bytes.Repeat([]byte("no archive"), 200)),
		`is not a whole gzipped tar archive: EOF`:                                                     nil,
		`goes on after the end of its archive`:                                                        npmtest.Gzip(append(slices.Clone(raw), raw...)),
		"entry \"" + strings.Repeat("n", 200) + "\" … (2057 bytes) has a name longer than 1024 bytes": npmtest.Tar(file(strings.Repeat("n", 2057), "")),
	} {
		var p pool
		_, err := Unpack(t.Context(), source(data), "demo", "1.0.0", p.put)
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), rule) || !strings.HasPrefix(err.Error(), "refused demo-1.0.0.tgz: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want %s", err, rule)
		}
	}
	// What a header for all may say, and npm packs of git archives have.
	data := npmtest.Tar(npmtest.Entry{Header: tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "c0ffee"}}}, file("package/package.json", manifestText))
	if got := list(t, data, "demo", "1.0.0"); len(got) != 1 {
		t.Error(got)
	}
}

// A small file cannot cost much: neither in entries, nor in bytes, nor in directories.
func TestBombs(t *testing.T) {
	var many []npmtest.Entry
	for i := range 30 {
		many = append(many, npmtest.File(fmt.Sprintf("package/%d/a/b/c", i), ""))
	}
	zeros := npmtest.Tar(npmtest.File("package/x", strings.Repeat("\x00", 1<<20)))
	after := npmtest.Gzip(append([]byte(strings.Repeat("\x00", 1024)), make([]byte, 1<<20)...))
	for rule, c := range map[string]struct {
		data []byte
		most limits
	}{
		"has more than 20 entries":                {npmtest.Tar(many...), limits{Files: 20}},
		"has more than 100 files and directories": {npmtest.Tar(many...), limits{Files: 100}},
		"unpacks to more than 1000 bytes":         {zeros, limits{TotalSize: 1000}},
		"unpacks to more than 100 times its size": {zeros, limits{Free: 1000}},
		"unpacks to more than 100000 bytes":       {after, limits{TotalSize: 100_000}},
	} {
		var p pool
		if _, err := unpack(t.Context(), source(c.data), "demo", "1.0.0", p.put, c.most); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), rule) {
			t.Errorf("%v, want %s", err, rule)
		}
	}
	ctx, stop := context.WithCancelCause(t.Context())
	stop(errStop)
	var p pool
	if _, err := Unpack(ctx, source(zeros), "demo", "1.0.0", p.put); !errors.Is(err, errStop) || errors.Is(err, ErrRefused) {
		t.Error(err)
	}
	full := func(io.Reader, bool) (snapshot.Object, int64, error) { return snapshot.Object{}, 0, snapshot.ErrSpace }
	if _, err := Unpack(t.Context(), source(zeros), "demo", "1.0.0", full); !errors.Is(err, snapshot.ErrSpace) || errors.Is(err, ErrRefused) {
		t.Error(err)
	}
}

var errStop = errors.New("stop")

// Whatever the bytes: no panic, one line, and only names that stay below a directory.
func FuzzUnpack(f *testing.F) {
	for _, seed := range [][]npmtest.Entry{
		{npmtest.File("package/package.json", `{"name":"demo","version":"1.0.0","bin":{"a":"b"}}`), npmtest.File("package/b", "#!x\r\n")},
		{npmtest.File("package/../x", ""), npmtest.File("package/.gitignore", "x")},
		{{Header: tar.Header{Name: "package/l", Linkname: "..", Typeflag: tar.TypeSymlink}}},
		{{Header: tar.Header{Name: "package/" + strings.Repeat("n", 120), Format: tar.FormatPAX}}},
	} {
		r, err := gzip.NewReader(bytes.NewReader(npmtest.Tar(seed...)))
		if err != nil {
			f.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, plain []byte) {
		var p pool
		entries, err := unpack(t.Context(), source(npmtest.Gzip(plain)), "demo", "1.0.0", p.put, limits{TotalSize: 1 << 20})
		if err != nil {
			if !errors.Is(err, ErrRefused) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%v", err)
			}
			return
		}
		tree := image.NewTree()
		for _, e := range entries {
			if !fs.ValidPath(e.Path) {
				t.Errorf("%q", e.Path)
			}
		}
		if err := tree.Place("l/0", entries); err != nil {
			t.Error(err)
		}
	})
}
