package lock

import (
	"encoding/json"
	"errors"
	"path"
	"strconv"
	"strings"
	"testing"

	"larder/snapshot"
)

// What is read of any text is JSON, and stays what it is when it is written.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{`{"a":[1,-2.5e3,"x\u00e9\ud83d\ude00\n",true,null,{}]}`, "[]", `"\`, "{\"a\":1,}", "[1 2]", "01", "tru", "1\x00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := parse(text)
		if err != nil {
			if errors.Is(err, errSyntax) && json.Valid([]byte(text)) {
				t.Fatalf("JSON was refused: %v", err)
			}
			return
		}
		if !json.Valid([]byte(text)) {
			t.Fatal("read what is no JSON")
		}
		once := string(v.appendJSON(nil, "\n", " ", ""))
		again, err := parse(once)
		if twice := string(again.appendJSON(nil, "\n", " ", "")); err != nil || once != twice {
			t.Fatalf("%q is written as %q, then as %q, %v", text, once, twice, err)
		}
	})
}

// No text makes a plan that leaves its directory, or names a layer that is none.
func FuzzRead(f *testing.F) {
	f.Add(packages(pkg("a", `"bin": {"a": "b"}`) + "," + pkg("a/node_modules/@s/b", `"optional": true, "os": ["darwin"]`)))
	f.Add(packages(`"node_modules/ws": {"resolved": "../ws", "link": true}, "../ws": {"bin": "x"}`))
	f.Add(packages(own("p/a", "a", `"bin": {"a": "b"}`) + "," + own("../b", "a", "") + `,"p/a/node_modules/l": {"resolved": "p/b", "link": true}`))
	f.Add(packages(own("p/a", "a", `"bin": {"a": "b"}`) + "," + own("p/a/b", "a", "") + `,"p/a/node_modules/l": {"resolved": "p/b", "link": true}`))
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Read("package-lock.json", text, tag(t, "linux-x64-glibc"))
		if err != nil {
			if !errors.Is(err, ErrRefused) || strings.ContainsAny(err.Error(), "\n\x00") {
				t.Fatalf("%v", err)
			}
			return
		}
		inside := func(p string) {
			if p == "" || path.Clean("/"+p) != "/"+p || strings.ContainsRune(p, 0) {
				t.Fatalf("%q is no path", p)
			}
		}
		seen := map[string]bool{}
		parts := map[string]bool{"": len(r.Mounts) == 0}
		for i, m := range r.Mounts {
			if inside(m); len(r.Mounts) < 2 || len(r.Mounts) > maxMounts || strings.Count("/"+m+"/", "/node_modules/") != 1 || path.Base(m) != "node_modules" || seen[m] || (i == 0) != (m == "node_modules") {
				t.Fatalf("mounts %q", r.Mounts)
			}
			seen[m], parts[strconv.Itoa(i)] = true, true
		}
		clear(seen)
		for _, p := range r.Places {
			if inside(p.Path); seen[p.Path] || !parts[r.PartOf(p.Path)] {
				t.Fatalf("%s is there twice, or nowhere", p.Path)
			}
			seen[p.Path] = true
			if pin := r.Pins[p.Pin]; strings.ContainsAny(pin.Name+pin.Version, "/\x00") || len(pin.Digests) == 0 {
				t.Fatalf("pin %+v", pin)
			}
		}
		for _, o := range r.Own {
			if inside(o.Path); seen[o.Path] || !parts[r.PartOf(o.Path)] {
				t.Fatalf("%s is there twice, or nowhere", o.Path)
			}
			seen[o.Path] = true
		}
		if _, err := snapshot.ParseDigest(r.Digest); err != nil {
			t.Fatal(err)
		}
	})
}
