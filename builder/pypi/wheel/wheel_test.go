package wheel

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/ulikunitz/xz/lzma"

	"larder/builder/pypi/pypitest"
)

func open(b []byte, filename string) (*Wheel, error) {
	return openWithin(bytes.NewReader(b), int64(len(b)), filename, limits{})
}

// check opens a wheel and reads all of it.
func check(b []byte, filename string) (*Wheel, error) {
	w, err := open(b, filename)
	if err == nil {
		err = w.Verify()
	}
	return w, err
}

func TestBadWheelsAreRefused(t *testing.T) {
	rows := map[string]bool{}
	for _, bad := range pypitest.Bad() {
		row, _, _ := strings.Cut(bad.Row, ":")
		rows[row] = true
		t.Run(bad.Row, func(t *testing.T) {
			_, err := check(bad.Bytes, bad.Filename)
			if !errors.Is(err, ErrRefused) {
				t.Fatalf("error %v, want a refusal", err)
			}
			line := err.Error()
			if !strings.Contains(line, bad.Rule) {
				t.Errorf("%s\nwant it to say %q", line, bad.Rule)
			}
			if !strings.HasPrefix(line, "refused ") || strings.ContainsFunc(line, unicode.IsControl) || len(line) > 1500 {
				t.Errorf("not one plain line: %q", line)
			}
		})
	}
	for n := 1; n <= 63; n++ {
		row := fmt.Sprintf("B%02d", n)
		if elsewhere[row] == "" && !rows[row] {
			t.Errorf("no bad wheel for row %s of the table", row)
		}
	}
}

// elsewhere are the rows that are no refusal, or need another kind of test.
var elsewhere = map[string]string{
	"B17": "layer: modes are normalised",
	"B40": "TestLimits", "B42": "TestLimits",
	"B13": "TestGoodForms", "B43": "TestGoodForms", "B46": "TestGoodForms",
	"B48": "layers lie in a directory of their own",
	"B50": "TestOddRecords", "B51": "TestOddRecords", "B52": "TestOddRecords", "B53": "TestOddRecords",
	"B60": "TestParseName",
}

func TestRefusalText(t *testing.T) {
	w := pypitest.Wheel{Files: []pypitest.File{{Path: "..\nevil", Text: "x"}}}
	_, err := check(w.Bytes(), w.Filename())
	const want = `refused demo-1.0-py3-none-any.whl: entry "..\x0aevil" has a control character`
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	var r *Refusal
	if !errors.As(err, &r) || r.Entry != "..\nevil" || r.File != "demo-1.0-py3-none-any.whl" {
		t.Errorf("%#v", r)
	}
	_, err = check(nil, "a\nb.whl")
	if err == nil || err.Error() != `refused "a\x0ab.whl": is not named project-version(-build)-python-abi-platform.whl` {
		t.Errorf("%v", err)
	}
}

// What pip installs is taken, whatever its RECORD says. What becomes of it is tried
// by package layer, against pip.
func TestOddRecords(t *testing.T) {
	for _, form := range pypitest.OddRecords() {
		if _, err := check(form.Bytes(), form.Filename()); err != nil {
			t.Errorf("%s: %v", form.Name, err)
		}
	}
}

// bzipped is "x = 1\n", compressed by Python's bz2.
var bzipped = string(must(base64.StdEncoding.DecodeString("QlpoOTFBWSZTWaPddosAAALYgAAQQAAgAgBAIAAhg0GaC4EcXckU4UJCj3XaLA==")))

// lzmad and lzmadNothing are "x = 1\n" and nothing, compressed by Python's zipfile: with an end marker.
var (
	lzmad        = string(must(base64.StdEncoding.DecodeString("CQQFAF0AAIAAADwIA6IRVt2ZuR///qEgAA==")))
	lzmadNothing = string(must(base64.StdEncoding.DecodeString("CQQFAF0AAIAAAIP/+///wAAAAA==")))
)

// lzmaUnmarked is an entry without the marker, as 7-Zip makes them.
func lzmaUnmarked(text string) string {
	var b bytes.Buffer
	w := must(lzma.WriterConfig{SizeInHeader: true, Size: int64(len(text))}.NewWriter(&b))
	must(io.WriteString(w, text))
	must(0, w.Close())
	stream := b.String()
	return "\x13\x00\x05\x00" + stream[:5] + stream[lzma.HeaderLen:]
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var unmarked = strings.Repeat("what compresses well\n", 1000)

// goodForms are wheels that real tools make, however odd.
func goodForms() map[string]pypitest.Wheel {
	edit := func(f func(a *pypitest.Archive)) pypitest.Wheel { return pypitest.Wheel{Edit: f} }
	first := func(f func(e *pypitest.Entry)) pypitest.Wheel {
		return edit(func(a *pypitest.Archive) { f(&a.Entries[0]) })
	}
	files := func(f ...pypitest.File) pypitest.Wheel { return pypitest.Wheel{Files: f} }
	return map[string]pypitest.Wheel{
		"plain":              {},
		"stored":             {Stored: true},
		"directories":        {Dirs: true},
		"windows":            {Windows: true},
		"descriptors":        {Descriptors: true},
		"stored descriptors": {Descriptors: true, Stored: true},
		"descriptor without signature": first(func(e *pypitest.Entry) {
			e.Descriptor, e.DescNoSig = true, true
		}),
		"descriptor of 8 bytes": first(func(e *pypitest.Entry) { e.Descriptor, e.Desc64 = true, true }),
		"descriptor of 8 bytes without signature": first(func(e *pypitest.Entry) {
			e.Descriptor, e.Desc64, e.DescNoSig = true, true, true
		}),
		"descriptor and sizes": first(func(e *pypitest.Entry) { e.Descriptor, e.LocalAnyway = true, true }),
		"zip64 entries":        first(func(e *pypitest.Entry) { e.Zip64 = true }),
		"zip64 end":            edit(func(a *pypitest.Archive) { a.Zip64 = true }),
		"zip64 end only":       edit(func(a *pypitest.Archive) { a.Zip64, a.SeeZip64 = true, true }),
		"local zip64 field not needed": first(func(e *pypitest.Entry) {
			e.LocalExtra = pypitest.Zip64Extra(1, 1)
		}),
		"comment":       edit(func(a *pypitest.Archive) { a.Comment = "made by a tool" }),
		"entry comment": first(func(e *pypitest.Entry) { e.Comment = "a comment" }),
		"extra fields": first(func(e *pypitest.Entry) {
			e.Extra = pypitest.Extra(0x5455, "\x03abcdefgh") + pypitest.Extra(0x7875, "x")
		}),
		"padding":           first(func(e *pypitest.Entry) { e.LocalExtra = "\x00\x00\x00" }),
		"unicode path":      first(func(e *pypitest.Entry) { e.Extra = pypitest.UnicodePath(e.Name, e.Name) }),
		"flags":             first(func(e *pypitest.Entry) { e.Flags = 2 | 4 }),
		"UTF-8 flag":        first(func(e *pypitest.Entry) { e.Flags = 1 << 11 }),
		"odd time":          first(func(e *pypitest.Entry) { e.Time = 0xffffffff }),
		"setuid":            first(func(e *pypitest.Entry) { e.Mode = 0o106777 }),
		"not ASCII":         files(pypitest.File{Path: "demo/ünï/文.py", Text: "x = 1\n"}),
		"wheel in wheel":    files(pypitest.File{Path: "demo/bundled.whl", Text: string(pypitest.Wheel{}.Bytes())}),
		"empty files":       files(pypitest.File{Path: "a/__init__.py"}, pypitest.File{Path: "b/__init__.py"}),
		"comma and quote":   files(pypitest.File{Path: `demo/a,"b".py`, Text: "x = 1\n"}),
		"no hashes":         {NoHashes: true},
		"CRLF":              {EditRecord: func(rows []string) []string { return []string{strings.Join(rows, "\r\n") + "\r"} }},
		"RECORD not listed": {EditRecord: func(rows []string) []string { return rows[:len(rows)-1] }},
		"old name":          {Name: "Foo.Bar_baz", File: "Foo.Bar_baz-1.0-py3-none-any.whl", DistInfo: "Foo.Bar_baz-1.0.dist-info"},
		"dash in dist-info": {Name: "foo-bar", DistInfo: "foo-bar-1.0.dist-info"},
		"other spelling":    {Version: "1.0.0", File: "demo-1.0-py3-none-any.whl"},
		"local version":     {Version: "1.0+cu118"},
		"epoch":             {Version: "1!1.0"},
		"build":             {Build: "2abc"},
		"compressed tags":   {Tag: "py2.py3-none-any"},
		"platform":          {Tag: "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64"},
		"other group":       {EntryPoints: "[other]\nwhatever\n[console_scripts]\ndemo = demo:main [extra]\n"},
		"signatures": {Files: []pypitest.File{{Path: "demo.py"}}, Edit: func(a *pypitest.Archive) {
			a.Entries = append(a.Entries, pypitest.Entry{Name: "demo-1.0.dist-info/RECORD.jws", Data: "{}"})
		}},
		"dot before names": files(pypitest.File{Path: "./demo.py", Text: "x = 1\n"}, pypitest.File{Path: "./demo/a.py"}, pypitest.File{Path: "demo/b.py"}),
		"dot":              edit(func(a *pypitest.Archive) { a.Entries = append(a.Entries, pypitest.Entry{Name: "./", Stored: true}) }),
		"deep":             files(pypitest.File{Path: strings.Repeat("d/", 120) + "x.py"}),
		"bzip2 entry": first(func(e *pypitest.Entry) {
			e.Data, e.Method, e.Raw = "x = 1\n", 12, bzipped
		}),
		"bzip2 of nothing": first(func(e *pypitest.Entry) {
			e.Data, e.Method, e.Raw = "", 12, "BZh9\x17rE8P\x90\x00\x00\x00\x00"
		}),
		"LZMA entry": first(func(e *pypitest.Entry) {
			e.Data, e.Method, e.Raw, e.Flags = "x = 1\n", 14, lzmad, 2
		}),
		"LZMA of nothing": first(func(e *pypitest.Entry) {
			e.Data, e.Method, e.Raw, e.Flags = "", 14, lzmadNothing, 2
		}),
		"LZMA without marker": first(func(e *pypitest.Entry) {
			e.Data, e.Method, e.Raw = unmarked, 14, lzmaUnmarked(unmarked)
		}),
		"metadata with body": {Metadata: "Metadata-Version: 2.1\r\nName: demo\r\nVersion: 1.0\r\n\r\nName: other\r\n"},
		"case collision":     files(pypitest.File{Path: "a/B.py"}, pypitest.File{Path: "a/b.py"}),
		"run at every start": files(pypitest.File{Path: "sitecustomize.py"}, pypitest.File{Path: "x.pth", Text: "import x"}),
		"other tags":         {WheelText: "Wheel-Version: 1.0\nTag: py2-none-any\n"},
		"everything": {
			Requires: []string{"other>=1"}, RequiresPython: ">=3.8", Extras: []string{"x"}, Console: []string{"demo = demo:main"}, GUI: []string{"demo-gui = demo:main"},
			Scripts: []pypitest.File{{Path: "demo.sh", Text: "#!/bin/sh\n"}}, Data: []pypitest.File{{Path: "share/demo/x", Text: "x"}},
			Headers: []pypitest.File{{Path: "demo.h", Text: "x"}}, Platlib: []pypitest.File{{Path: "demo_plat.py"}}, Purelib: []pypitest.File{{Path: "demo_pure.py"}},
		},
	}
}

func TestGoodForms(t *testing.T) {
	for name, form := range goodForms() {
		t.Run(name, func(t *testing.T) {
			if _, err := check(form.Bytes(), form.Filename()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// What we accept, Python's zipfile must read as the same files with the same
// content. The archives are good ones, bad ones, and good ones with bytes changed.
func TestPythonReadsTheSame(t *testing.T) {
	dir := t.TempDir()
	type view map[string]string // name -> digest
	ours := map[string]view{}
	add := func(id int, b []byte, filename string) {
		w, err := check(b, filename)
		if err != nil {
			return
		}
		v := view{}
		for _, f := range w.Files() {
			r, err := w.Open(f)
			if err != nil {
				t.Fatal(err)
			}
			h := sha256.New()
			if _, err := io.Copy(h, r); err != nil {
				t.Fatal(err)
			}
			r.Close()
			v[f.Name] = fmt.Sprintf("%x %v", h.Sum(nil), f.Exec)
		}
		name := filepath.Join(dir, fmt.Sprintf("%d.zip", id))
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
		ours[name] = v
	}
	id := 0
	for _, bad := range pypitest.Bad() {
		id++
		add(id, bad.Bytes, bad.Filename)
	}
	for _, form := range goodForms() {
		id++
		b := form.Bytes()
		add(id, b, form.Filename())
		for i := range b {
			for _, flip := range []byte{1, 0x80, 0xff} {
				if (i*7+int(flip))%11 != 0 {
					continue
				}
				id++
				c := bytes.Clone(b)
				c[i] ^= flip
				add(id, c, form.Filename())
			}
		}
	}
	cmd := exec.Command("python3", "-c", `
import hashlib, json, stat, sys, zipfile
out = {}
for name in sys.stdin.read().split("\n"):
    try:
        z = zipfile.ZipFile(name)
        out[name] = {i.filename: hashlib.sha256(z.read(i)).hexdigest() + " " +
            str(bool(stat.S_ISREG(i.external_attr >> 16) and i.external_attr >> 16 & 0o111)).lower()
            for i in z.infolist() if not i.filename.endswith("/")}
        if len(out[name]) != sum(not n.endswith("/") for n in z.namelist()):
            out[name] = {"error": "two of one name"}
    except Exception as e:
        out[name] = {"error": repr(e)}
print(json.dumps(out))
`)
	var names []string
	for name := range ours {
		names = append(names, name)
	}
	cmd.Stdin = strings.NewReader(strings.Join(names, "\n"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	theirs := map[string]view{}
	if err := json.Unmarshal(out, &theirs); err != nil {
		t.Fatal(err)
	}
	for name, v := range ours {
		if fmt.Sprint(v) != fmt.Sprint(theirs[name]) {
			t.Errorf("%s: we read\n%v\nPython reads\n%v", name, v, theirs[name])
		}
	}
	t.Logf("%d archives of %d accepted", len(ours), id)
	if len(ours) < len(goodForms()) {
		t.Error("good forms were refused")
	}
}

// What little there is of it may unpack to many times its size.
func TestSmallBombsAreTaken(t *testing.T) {
	bomb := pypitest.Bomb(100 << 20)
	if _, err := open(bomb.Bytes(), bomb.Filename()); err != nil {
		t.Error(err)
	}
}

func TestLimits(t *testing.T) {
	bomb := pypitest.Bomb(20 << 20)
	b := bomb.Bytes()
	free := limits{Free: 16 << 20}
	if _, err := openWithin(bytes.NewReader(b), int64(len(b)), bomb.Filename(), free); err == nil || !strings.Contains(err.Error(), "more than 100 times its size") {
		t.Errorf("bomb: %v", err)
	}
	if _, err := openWithin(bytes.NewReader(b), int64(len(b)), bomb.Filename(), limits{Free: 16 << 20, Ratio: 2000}); err != nil {
		t.Errorf("bomb with a limit it keeps: %v", err)
	}
	if _, err := openWithin(bytes.NewReader(b), int64(len(b)), bomb.Filename(), limits{TotalSize: 1 << 20}); err == nil || !strings.Contains(err.Error(), "over the limit of 1048576 bytes") {
		t.Errorf("size: %v", err)
	}
	// The default, with sizes that are only declared.
	first := func(e *pypitest.Entry) { e.Size, e.LocalSize = 1<<30, 1<<30 }
	lying := pypitest.Wheel{Edit: func(a *pypitest.Archive) { first(&a.Entries[0]) }}
	if _, err := open(lying.Bytes(), lying.Filename()); err == nil || !strings.Contains(err.Error(), "more than 100 times its size, which would fill the disk") {
		t.Errorf("a GiB and more: %v", err)
	}
	many := pypitest.Wheel{}
	for i := range 60 {
		many.Files = append(many.Files, pypitest.File{Path: fmt.Sprintf("f%d", i), Text: strings.Repeat("\x00", 1<<20)})
	}
	b = many.Bytes()
	if _, err := openWithin(bytes.NewReader(b), int64(len(b)), many.Filename(), free); err == nil || !strings.Contains(err.Error(), "times its size") {
		t.Errorf("many small bombs: %v", err)
	}
	if _, err := openWithin(bytes.NewReader(b), int64(len(b)), many.Filename(), limits{Files: 50}); err == nil || !strings.Contains(err.Error(), "has 63 entries, over the limit of 50") {
		t.Errorf("count: %v", err)
	}
	// Five million entries are refused by their count, not after reading them.
	lie := pypitest.Wheel{Edit: func(a *pypitest.Archive) {
		a.Zip64, a.SeeZip64 = true, true
		a.EditEnd = func(e *pypitest.End) { e.Entries = 5_000_000 }
	}}
	b = lie.Bytes()
	if allocs := testing.Benchmark(func(bb *testing.B) {
		for range bb.N {
			if _, err := open(b, lie.Filename()); err == nil || !strings.Contains(err.Error(), "has 5000000 entries") {
				bb.Errorf("%v", err)
			}
		}
	}).AllocedBytesPerOp(); allocs > 1<<20 {
		t.Errorf("refusing five million entries takes %d bytes", allocs)
	}
	for name, limit := range map[string]int{"METADATA": maxMetadata, "WHEEL": maxWheelText, "RECORD": maxRecord, "entry_points.txt": maxEntryPoints} {
		form := pypitest.Wheel{Console: []string{"x = demo:main"}, Edit: func(a *pypitest.Archive) {
			for i := range a.Entries {
				if strings.HasSuffix(a.Entries[i].Name, "/"+name) {
					a.Entries[i].Data += strings.Repeat("\n", limit)
				}
			}
		}}
		b := form.Bytes()
		_, err := openWithin(bytes.NewReader(b), int64(len(b)), form.Filename(), limits{Ratio: 2000})
		if err == nil || !strings.Contains(err.Error(), name+`" is larger than`) {
			t.Errorf("%s too large: %v", name, err)
		}
	}
}

func TestOpenPassesReadErrorsOn(t *testing.T) {
	w := pypitest.Wheel{}
	broken := errors.New("disk on fire")
	_, err := Open(failing{broken}, int64(len(w.Bytes())), w.Filename())
	if !errors.Is(err, broken) || errors.Is(err, ErrRefused) {
		t.Errorf("%v", err)
	}
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

func TestParseName(t *testing.T) {
	for file, want := range map[string]Name{
		"Foo_Bar-1.0-py2.py3-none-any.whl":             {"foo-bar", "1.0", "", []string{"py2", "py3"}, []string{"none"}, []string{"any"}},
		"foo.bar-1.0.post1-2_x-cp311-abi3-linux_x.whl": {"foo-bar", "1.0.post1", "2_x", []string{"cp311"}, []string{"abi3"}, []string{"linux_x"}},
		"torch-2.1.0+cu118-cp311-cp311-any.whl":        {"torch", "2.1.0+cu118", "", []string{"cp311"}, []string{"cp311"}, []string{"any"}},
		"demo-1.0_1-py3-none-any.whl":                  {"demo", "1.0-1", "", []string{"py3"}, []string{"none"}, []string{"any"}},
	} {
		got, err := ParseName(file)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %+v, %v", file, got, err)
		}
	}
	// What is wrong with a name is tried by TestBadWheelsAreRefused.
}

func TestMetadata(t *testing.T) {
	form := pypitest.Wheel{Name: "Demo.Thing", Requires: []string{"a>=1", "b; extra == 'x'"}, RequiresPython: ">=3.8,<4", Extras: []string{"x"},
		Console: []string{"one = demo:main", "the two= demo.sub:cls.run [x,y]", "one = demo:other"}, GUI: []string{"three =demo:gui"}, Impure: true}
	w, err := check(form.Bytes(), form.Filename())
	if err != nil {
		t.Fatal(err)
	}
	m := w.Metadata
	if m.Name != "Demo.Thing" || m.Version != "1.0" || m.RequiresPython != ">=3.8,<4" || !slices.Equal(m.RequiresDist, form.Requires) ||
		w.Name.Project != "demo-thing" {
		t.Errorf("%+v", w)
	}
	want := EntryPoints{Console: []EntryPoint{{"one", "one", "demo", "other"}, {"the two", "two", "demo.sub", "cls.run"}}, GUI: []EntryPoint{{"three", "three", "demo", "gui"}}}
	if fmt.Sprint(w.EntryPoints) != fmt.Sprint(want) {
		t.Errorf("%+v", w.EntryPoints)
	}
	if len(w.Record()) != 5 || w.Record()[0].Path != "Demo_Thing.py" {
		t.Errorf("%v", w.Record())
	}
}

func TestWheeltestIsDeterministic(t *testing.T) {
	for name, form := range goodForms() {
		if !bytes.Equal(form.Bytes(), form.Bytes()) {
			t.Errorf("%s: two results", name)
		}
	}
}
