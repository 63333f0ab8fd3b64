package canonical_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"larder/builder/pypi/pypitest"
	"larder/builder/pypi/source/canonical"
	"larder/builder/pypi/wheel"
	"larder/snapshot"
)

func canonicalOf(t testing.TB, packed []byte, name string) ([]byte, []canonical.File) {
	t.Helper()
	w, err := wheel.Open(bytes.NewReader(packed), int64(len(packed)), name)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	files, err := canonical.Write(w, nil, &b)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), files
}

func demo() pypitest.Wheel {
	return pypitest.Wheel{Name: "demo", Files: []pypitest.File{
		{Path: "demo/__init__.py", Text: "x = 1\n"},
		{Path: "demo/a,b.txt", Text: "a\n"},
		{Path: "demo/ä.txt", Text: "ä\n"},
		{Path: "demo/run.sh", Text: "#!/bin/sh\n", Exec: true},
		{Path: "demo/empty", Text: ""},
		{Path: "zz.py", Text: strings.Repeat("y = 2\n", 1000)},
	}}
}

// The bytes are pinned: another digest needs another Format.
func TestVector(t *testing.T) {
	const want = "3f7c18b7ca6bc840c68cb69bbd1539b44c1c4e1a52c5d502afc7d5e921910692"
	got, _ := canonicalOf(t, demo().Bytes(), demo().Filename())
	if sum := snapshot.Sum(got).String(); sum != want {
		t.Errorf("format %d gives %s, want %s", canonical.Format, sum, want)
	}
}

// One tree, packed in any way, has one form; and that form is its own.
func TestOneForm(t *testing.T) {
	want, _ := canonicalOf(t, demo().Bytes(), demo().Filename())
	packed := map[string]pypitest.Wheel{}
	add := func(name string, change func(w *pypitest.Wheel)) {
		w := demo()
		change(&w)
		packed[name] = w
	}
	add("stored", func(w *pypitest.Wheel) { w.Stored = true })
	add("descriptors", func(w *pypitest.Wheel) { w.Descriptors = true })
	add("directories", func(w *pypitest.Wheel) { w.Dirs = true })
	add("no hashes in RECORD", func(w *pypitest.Wheel) { w.NoHashes = true })
	add("other RECORD", func(w *pypitest.Wheel) { w.Record = "demo/__init__.py,sha256=AAAA,1\r\n" })
	add("order", func(w *pypitest.Wheel) {
		w.Edit = func(a *pypitest.Archive) { slices.Reverse(a.Entries) }
	})
	add("times, modes, comments, signature", func(w *pypitest.Wheel) {
		w.Edit = func(a *pypitest.Archive) {
			for i := range a.Entries {
				e := &a.Entries[i]
				e.Time, e.Comment, e.Name = 0x5a21<<16|0x1234, "made by hand", strings.TrimPrefix(e.Name, "./")
				e.Mode |= 0o020
			}
			a.Comment = "an archive"
			a.Entries = append(a.Entries, pypitest.Entry{Name: "demo-1.0.dist-info/RECORD.jws", Data: "{}", Mode: 0o100644})
		}
	})
	for name, w := range packed {
		if got, _ := canonicalOf(t, w.Bytes(), w.Filename()); !bytes.Equal(got, want) {
			t.Errorf("%s: other bytes", name)
		}
	}
	if got, _ := canonicalOf(t, want, demo().Filename()); !bytes.Equal(got, want) {
		t.Error("the form of the form differs")
	}
}

func TestOrder(t *testing.T) {
	b, files := canonicalOf(t, demo().Bytes(), demo().Filename())
	w, err := wheel.Open(bytes.NewReader(b), int64(len(b)), demo().Filename())
	if err != nil {
		t.Fatal(err)
	}
	var names, listed, rows []string
	for _, f := range w.Files() {
		names = append(names, f.Name)
	}
	for _, f := range files {
		listed = append(listed, f.Path)
	}
	for _, r := range w.Record() {
		rows = append(rows, r.Path)
	}
	want := []string{"demo/__init__.py", "demo/a,b.txt", "demo/empty", "demo/run.sh", "demo/ä.txt", "zz.py",
		"demo-1.0.dist-info/METADATA", "demo-1.0.dist-info/WHEEL", "demo-1.0.dist-info/RECORD"}
	if !slices.Equal(names, want) || !slices.Equal(rows, want) || !slices.Equal(listed, want[:len(want)-1]) {
		t.Errorf("entries %q, files %q, rows %q", names, listed, rows)
	}
	if r := w.Record(); !strings.HasPrefix(r[0].Hash, "sha256=") || r[0].Size != "6" || r[len(r)-1].Hash != "" {
		t.Errorf("RECORD: %v", r)
	}
	for _, f := range w.Files() {
		if f.Exec != (f.Name == "demo/run.sh") {
			t.Errorf("%s: executable %t", f.Name, f.Exec)
		}
	}
	if err := w.Verify(); err != nil {
		t.Error(err)
	}
}

// What is no sound wheel has no form.
func TestDamaged(t *testing.T) {
	w := demo()
	w.Edit = func(a *pypitest.Archive) { a.Entries[0].CRC = 1; a.Entries[0].LocalCRC = 1 }
	b := w.Bytes()
	damaged, err := wheel.Open(bytes.NewReader(b), int64(len(b)), w.Filename())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := canonical.Write(damaged, nil, new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), "wrong checksum") {
		t.Errorf("error %v", err)
	}
}

// What package wheel accepts has a form, which it accepts and which is its own.
func FuzzForm(f *testing.F) {
	f.Add(demo().Bytes())
	for _, bad := range pypitest.Bad() {
		if len(bad.Bytes) < 1<<14 {
			f.Add(bad.Bytes)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		const name = "demo-1.0-py3-none-any.whl"
		w, err := wheel.Open(bytes.NewReader(b), int64(len(b)), name)
		if err != nil || w.Verify() != nil {
			return
		}
		once, _ := canonicalOf(t, b, name)
		if twice, _ := canonicalOf(t, once, name); !bytes.Equal(once, twice) {
			t.Error("the form of the form differs")
		}
	})
}
