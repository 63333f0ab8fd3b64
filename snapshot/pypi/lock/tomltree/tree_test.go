package tomltree

import (
	"errors"
	"strings"
	"testing"

	"larder/snapshot/pypi/lock/pins"
)

func TestRefused(t *testing.T) {
	for content, want := range map[string]string{
		"version = 1\nx\n":                    "uv.lock:2: not TOML",
		"version = 1\nversion = 1\n":          "uv.lock:2: not TOML: version is defined twice",
		"[a]\n[a]\n":                          "uv.lock:2: not TOML: a is defined twice",
		"a = 1\n[a]\n":                        "a is defined twice",
		"a = 1\n[[a]]\n":                      "a is defined twice",
		"a = 1\na.b = 1\n":                    "a is defined twice",
		"a = [1]\n[[a]]\n":                    "a is defined twice",
		"[[a]]\n[a]\n":                        "a is defined twice",
		"[a.b]\n[[a]]\n":                      "a is defined twice",
		"a = {b = 1}\na.c = 1\n":              "a is an inline table and closed",
		"a = {b = 1}\n[a.c]\n":                "a is an inline table and closed",
		"a = {b = 1, b = 2}\n":                "b is defined twice",
		"a = \"\"\"\nx\n\"\"\"\nb = \"\x01\"": "uv.lock:4: not TOML",
		"a = \"x":                             "uv.lock:1: not TOML",
		"[[package]]\nname = \"a\"\n<<<<<<< HEAD\nversion = \"1\"\n": "uv.lock:3: not TOML",
	} {
		_, err := Parse("uv.lock", []byte(content))
		if !errors.Is(err, pins.ErrRefused) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %q", content, err, want)
		}
	}
}

func TestLines(t *testing.T) {
	root, err := Parse("x", []byte("# c\na = 1\n[t]\nb = [\n  { c = 'x' },\n\n  { d.e = \"\"\"\n\ny\"\"\" }, # c\n]\n[[l]]\nf = true\n[[l]]\n[l.sub]\ng = 2026-01-02\n"))
	if err != nil {
		t.Fatal(err)
	}
	d := &Decoder{File: "x"}
	a, _ := root.Get("a")
	table := d.Table(root, "t")
	list := d.Tables(table, "b")
	headers := d.Tables(root, "l")
	if len(list) != 2 || len(headers) != 2 || d.Err != nil {
		t.Fatalf("%d, %d, %v", len(list), len(headers), d.Err)
	}
	for i, got := range []int{a.Line, table.Line, list[0].Line, list[1].Line, headers[0].Line, headers[1].Line} {
		if want := []int{2, 3, 5, 7, 11, 13}[i]; got != want {
			t.Errorf("place %d is line %d, want %d", i, got, want)
		}
	}
	if d.Text(list[0], "c") != "x" || d.Text(d.Table(list[1], "d"), "e") != "\ny" || !d.Flag(headers[0], "f") || d.Err != nil {
		t.Errorf("values, %v", d.Err)
	}
	if date, line, ok := Get[Scalar](d, d.Table(headers[1], "sub"), "g", "date"); !ok || date != "2026-01-02" || line != 15 {
		t.Errorf("%s, line %d, %v", date, line, ok)
	}
}

func TestDecoderKeepsTheFirstWrongType(t *testing.T) {
	root, err := Parse("x", []byte("a = 1\nb = 'x'\nc = [1, 'y']\n"))
	if err != nil {
		t.Fatal(err)
	}
	d := &Decoder{File: "x"}
	if d.Text(root, "none") != "" || d.Table(root, "none") != nil || d.List(root, "none") != nil || d.Text(nil, "a") != "" || d.Err != nil {
		t.Errorf("absent: %v", d.Err)
	}
	if d.Texts(root, "c") != nil || d.Text(root, "a") != "" || d.Text(root, "b") != "" {
		t.Error("wrong types were returned")
	}
	if d.Err == nil || d.Err.Error() != "x:3: c has an element that is no text" {
		t.Errorf("%v", d.Err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("a = 1\n[t.u]\nb.c = [{ d = 'x' }, [1, 2]]\n[[l]]\n[l.m]\n"))
	f.Add([]byte("a = {b = {c = \"\"\"x\"\"\"}}\r\n# c\n'q' = 1.5\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := Parse("x", data); err != nil && !errors.Is(err, pins.ErrRefused) {
			t.Fatal(err)
		}
	})
}
