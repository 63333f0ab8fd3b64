package lock

import (
	"errors"
	"strings"
	"testing"
)

func TestTOMLRefused(t *testing.T) {
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
		_, err := parseTOML("uv.lock", []byte(content))
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %q", content, err, want)
		}
	}
}

func TestTOMLLines(t *testing.T) {
	root, err := parseTOML("x", []byte("# c\na = 1\n[t]\nb = [\n  { c = 'x' },\n\n  { d.e = \"\"\"\n\ny\"\"\" }, # c\n]\n[[l]]\nf = true\n[[l]]\n[l.sub]\ng = 2026-01-02\n"))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := root.value("a")
	table := root.table("t")
	list := table.tables("b")
	headers := root.tables("l")
	if len(list) != 2 || len(headers) != 2 || root.doc.err != nil {
		t.Fatalf("%d, %d, %v", len(list), len(headers), root.doc.err)
	}
	for i, got := range []int{a.line, table.line, list[0].line, list[1].line, headers[0].line, headers[1].line} {
		if want := []int{2, 3, 5, 7, 11, 13}[i]; got != want {
			t.Errorf("place %d is line %d, want %d", i, got, want)
		}
	}
	if list[0].text("c") != "x" || list[1].table("d").text("e") != "\ny" || !headers[0].flag("f") || root.doc.err != nil {
		t.Errorf("values, %v", root.doc.err)
	}
	if v, _ := headers[1].table("sub").value("g"); v != (value{15, scalar("2026-01-02")}) {
		t.Errorf("date %+v", v)
	}
	if date, ok := get[scalar](headers[1].table("sub"), "g", "date"); !ok || date != "2026-01-02" {
		t.Errorf("%s, %v", date, ok)
	}
}

func TestTableKeepsTheFirstWrongType(t *testing.T) {
	root, err := parseTOML("x", []byte("a = 1\nb = 'x'\nc = [1, 'y']\nd = [2]\n"))
	if err != nil {
		t.Fatal(err)
	}
	absent := root.table("none")
	if root.text("none") != "" || absent != nil || root.list("none") != nil || absent.text("a") != "" || absent.keys() != nil || root.doc.err != nil {
		t.Errorf("absent: %v", root.doc.err)
	}
	if root.texts("c") != nil || root.texts("d") != nil || root.text("a") != "" || root.text("b") != "" {
		t.Error("wrong types were returned")
	}
	if err := root.doc.err; err == nil || err.Error() != "x:3: c has an element that is no text" {
		t.Errorf("%v", err)
	}
}

func FuzzTOML(f *testing.F) {
	f.Add([]byte("a = 1\n[t.u]\nb.c = [{ d = 'x' }, [1, 2]]\n[[l]]\n[l.m]\n"))
	f.Add([]byte("a = {b = {c = \"\"\"x\"\"\"}}\r\n# c\n'q' = 1.5\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := parseTOML("x", data); err != nil && !errors.Is(err, ErrRefused) {
			t.Fatal(err)
		}
	})
}
