package wheel

import (
	"archive/zip"
	"bytes"
	"compress/bzip2"
	"errors"
	"io"
	"path"
	"strings"
	"testing"
	"unicode"

	"larder/builder/pypi/pypitest"
)

// What is accepted, archive/zip reads as the same files, and its names are safe to
// join to a directory.
func FuzzWheel(f *testing.F) {
	for _, bad := range pypitest.Bad() {
		if len(bad.Bytes) < 1<<14 {
			f.Add(bad.Bytes)
		}
	}
	for _, form := range goodForms() {
		f.Add(form.Bytes())
	}
	f.Fuzz(checkAgainstZip)
}

func checkAgainstZip(t *testing.T, b []byte) {
	w, err := openWithin(bytes.NewReader(b), int64(len(b)), "demo-1.0-py3-none-any.whl", limits{Files: 1000, TotalSize: 1 << 24})
	if err == nil {
		err = w.Verify()
	}
	if err != nil {
		if !errors.Is(err, ErrRefused) || strings.ContainsFunc(err.Error(), unicode.IsControl) {
			t.Fatalf("error %q", err)
		}
		return
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatalf("archive/zip: %v", err)
	}
	z.RegisterDecompressor(12, func(r io.Reader) io.ReadCloser { return io.NopCloser(bzip2.NewReader(r)) })
	i := 0
	for _, entry := range z.File {
		if entry.Method == methodLZMA {
			return // archive/zip has no reader that knows the entry's size
		}
		if strings.HasSuffix(entry.Name, "/") {
			continue
		}
		g := w.Files()[i]
		i++
		if g.Name != entry.Name || path.Clean("/"+g.Path) != "/"+g.Path {
			t.Fatalf("names %q and %q", g.Name, entry.Name)
		}
		if !bytes.Equal(content(t, w, g), zipContent(t, entry)) {
			t.Fatalf("%q has two contents", g.Name)
		}
	}
	if i != len(w.Files()) {
		t.Fatalf("%d files, archive/zip sees %d", len(w.Files()), i)
	}
}

// The same, with the mutations where they get past the first check.
func FuzzEntry(f *testing.F) {
	f.Add("a/b.py", "", "x", "", uint16(0), uint32(0o100644), int64(0), int64(0), int64(0), uint8(0))
	f.Add("a", "b", "x", pypitest.UnicodePath("a", "b"), uint16(8), uint32(0o120777), int64(1), int64(-1), int64(30), uint8(0xff))
	f.Add("ä/", "", "", pypitest.Zip64Extra(1, 2), uint16(1<<11), uint32(0o040755), int64(0xfffffffe), int64(0), int64(-5), uint8(0x55))
	f.Fuzz(func(t *testing.T, name, local, data, extra string, flags uint16, mode uint32, packed, size, offset int64, how uint8) {
		if len(name) > 2000 || len(extra) > 2000 || len(data) > 1<<16 {
			return
		}
		bit := func(n int) bool { return how>>n&1 == 1 }
		e := pypitest.Entry{Name: name, LocalName: local, Data: data, Extra: extra, Flags: flags, Mode: mode & 0xffff,
			Packed: packed, Size: size, Offset: offset, Stored: bit(0), Descriptor: bit(1), Desc64: bit(2), DescNoSig: bit(3), Zip64: bit(4)}
		if bit(5) {
			e.LocalPacked, e.LocalSize = packed, size
		}
		checkAgainstZip(t, pypitest.Wheel{Edit: func(a *pypitest.Archive) {
			a.Entries = append([]pypitest.Entry{e}, a.Entries...)
			a.Zip64, a.SeeZip64 = bit(6), bit(7)
		}}.Bytes())
	})
}

func content(t *testing.T, w *Wheel, f *File) []byte {
	r, err := w.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil || int64(len(b)) != f.Size {
		t.Fatalf("%d bytes of %d: %v", len(b), f.Size, err)
	}
	return b
}

func zipContent(t *testing.T, f *zip.File) []byte {
	r, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Rows survive being written as the csv module would and read again.
func FuzzRecord(f *testing.F) {
	for _, s := range []string{"", "a,,\n", "a,sha256=x,1\r\nb,,\r\n", `"a,""b""",,` + "\n", `"a`, `a"b,,`, "a,b,c,d\n", "\n", "\ufeffa,,", ",,", "a"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		rows, err := parseRecord(b)
		if err != nil {
			return
		}
		var out strings.Builder
		for _, r := range rows {
			for i, field := range []string{r.Path, r.Hash, r.Size} {
				if i > 0 {
					out.WriteByte(',')
				}
				out.WriteString(`"` + strings.ReplaceAll(field, `"`, `""`) + `"`)
			}
			out.WriteString("\r\n")
		}
		again, err := parseRecord([]byte(out.String()))
		if err != nil || len(again) != len(rows) {
			t.Fatalf("%q: %v", out.String(), err)
		}
		for i := range rows {
			if rows[i] != again[i] {
				t.Fatalf("row %q became %q", rows[i], again[i])
			}
		}
	})
}

func FuzzMetadata(f *testing.F) {
	for _, s := range []string{"", pypitest.Wheel{Requires: []string{"a"}}.MetadataText(), "Name: a\n b\n\nName: c", "A:\rB:\r\nC", " a", ":", "Name : x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := ParseMetadata(b)
		for _, v := range append([]string{m.Name, m.Version, m.RequiresPython}, m.RequiresDist...) {
			if v != strings.TrimSpace(v) {
				t.Fatalf("value %q", v)
			}
		}
	})
}

func FuzzEntryPoints(f *testing.F) {
	for _, s := range []string{"", "[console_scripts]\na = b:c\n", "[gui_scripts]\na=b.c:d.e [x, y]", "[[console_scripts]]\na = b:c", "[console_scripts]\n../a = b:c", "# x\n[x]\ny"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := parseEntryPoints(text)
		if err != nil {
			return
		}
		for _, p := range append(append([]EntryPoint(nil), e.Console...), e.GUI...) {
			if path.Base("bin/"+p.Command) != p.Command || p.Command == "." || p.Command == ".." || strings.ContainsFunc(p.Command, unicode.IsSpace) || isPython(p.Command) {
				t.Fatalf("command %q", p.Command)
			}
			for _, id := range append(strings.Split(p.Module, "."), strings.Split(p.Func, ".")...) {
				if id == "" || strings.ContainsFunc(id, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsNumber(r) }) {
					t.Fatalf("%q is no identifier of %+v", id, p)
				}
			}
		}
	})
}

func FuzzName(f *testing.F) {
	for _, bad := range pypitest.Bad() {
		f.Add(bad.Filename)
	}
	for _, form := range goodForms() {
		f.Add(form.Filename())
	}
	f.Fuzz(func(t *testing.T, filename string) {
		n, err := ParseName(filename)
		if err != nil {
			if !errors.Is(err, ErrRefused) || strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Fatalf("error %q", err)
			}
			return
		}
		if path.Base(filename) != filename || n.Project == "" || n.Version == "" || len(n.Python)*len(n.ABI)*len(n.Platform) == 0 {
			t.Fatalf("%q: %+v", filename, n)
		}
	})
}
