package wheel

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"testing"

	"larder/builder/pypi/pypitest"
)

func TestFilesAreSafeForConcurrentUse(t *testing.T) {
	w := pypitest.Wheel{Descriptors: true, Dirs: true}
	for _, s := range []string{"", "x", strings.Repeat("some text ", 50_000), strings.Repeat("\x00", 70_000)} {
		w.Files = append(w.Files, pypitest.File{Path: "d/" + string(rune('a'+len(w.Files))), Text: s})
	}
	b := w.Bytes()
	a, err := Open(bytes.NewReader(b), int64(len(b)), w.Filename())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j, f := range w.Files {
				r, err := a.Open(a.Files()[j])
				if err != nil {
					t.Error(err)
					return
				}
				// Every other reader is closed early: its inflater must not be of harm to the next.
				var in io.Reader = r
				if i%2 == 1 {
					in = io.LimitReader(r, 10)
				}
				got, err := io.ReadAll(in)
				r.Close()
				if err != nil || i%2 == 0 && string(got) != f.Text || !strings.HasPrefix(f.Text, string(got)) {
					t.Errorf("%s: %d bytes, %v", f.Path, len(got), err)
				}
				if _, err := r.Read(make([]byte, 1)); err == nil {
					t.Error("read after Close")
				}
			}
		})
	}
	wg.Wait()
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"a/b.py":   `"a/b.py"`,
		"ünï 文":    `"ünï 文"`,
		"..\nevil": `"..\x0aevil"`,
		`a\b"c`:    `"a\\b\"c"`,
		"\xff\x00": `"\xff\x00"`,
		"\u202e":   `"\xe2\x80\xae"`,
		"\ufffd":   "\"\ufffd\"",
		"":         `""`,
	} {
		if got := Quote(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	if got := Quote(strings.Repeat("é", 5000)); len(got) > 450 || !strings.HasSuffix(got, "… (10000 bytes)") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}
