package lock

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestUnion(t *testing.T) {
	pin := func(name, version string, hashes ...string) Pin {
		return Pin{Name: name, Version: version, Hashes: hashes, File: "f", Line: 1}
	}
	sdist := Pin{Name: "a", Version: "1", SdistOnly: true, File: "f", Line: 1}
	for _, c := range []struct {
		name    string
		a, b    []Pin
		want    []string // name==version#hashes
		refusal string
	}{
		{"apart", []Pin{pin("b", "1")}, []Pin{pin("a", "1"), pin("c", "1")}, []string{"a==1#", "b==1#", "c==1#"}, ""},
		{"same", []Pin{pin("a", "1", "x", "y")}, []Pin{pin("a", "1", "y", "z")}, []string{"a==1#y"}, ""},
		{"one has hashes", []Pin{pin("a", "1")}, []Pin{pin("a", "1", "y")}, []string{"a==1#y"}, ""},
		{"the other has", []Pin{pin("a", "1", "y")}, []Pin{pin("a", "1")}, []string{"a==1#y"}, ""},
		{"same version", []Pin{pin("a", "1.0")}, []Pin{pin("a", "1", "y")}, []string{"a==1.0#y"}, ""},
		{"sdist first", []Pin{sdist}, []Pin{pin("a", "1", "y")}, []string{"a==1#sdist"}, ""},
		{"sdist last", []Pin{pin("a", "1", "y")}, []Pin{sdist}, []string{"a==1#sdist"}, ""},
		{"other version", []Pin{pin("a", "1")}, []Pin{pin("a", "2")}, nil, "a is pinned to 1 by f:1 and to 2 by f:1"},
		{"other hashes", []Pin{pin("a", "1", "x")}, []Pin{pin("a", "1", "y")}, nil, "a==1 has other hashes in f:1 than in f:1"},
	} {
		first := &Lock{Pins: slices.Clone(c.a)}
		all, err := union([]*Lock{first, {Pins: c.b}})
		if c.refusal != "" {
			if err == nil || err.Error() != c.refusal {
				t.Errorf("%s: %v", c.name, err)
			}
			wantRefusal(t, err, c.refusal)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []string
		for _, p := range all.Pins {
			hashes := strings.Join(p.Hashes, ",")
			if p.SdistOnly {
				hashes += "sdist"
			}
			got = append(got, p.Name+"=="+p.Version+"#"+hashes)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestReadAll(t *testing.T) {
	file := func(name, content string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	project := uvRoot + "dependencies = [{ name = \"a\" }]\n" + uvEntry("a", "1", "")
	one, two, reqs := file("uv.lock", project), file("uv.lock", project), file("r.txt", "b==2\nA==1.0\n")
	l, err := ReadAll([]string{one, reqs, two}, linux("3.11.7"), openFile)
	if err != nil || text(l) != "a==1 b==2" || strings.Join(l.LeftOut, " ") != "root" {
		t.Fatalf("%+v, %v", l, err)
	}
	if a := l.Pins[0]; !slices.Equal(a.Hashes, []string{sumA}) || a.File != one {
		t.Errorf("%+v", a)
	}
	alone, err := ReadAll([]string{one}, linux("3.11.7"), openFile)
	if err != nil || text(alone) != "a==1" || strings.Join(alone.LeftOut, " ") != "root" {
		t.Errorf("one lock: %+v, %v", alone, err)
	}
	if _, err := ReadAll([]string{one, file("r.txt", "a==2\n")}, linux("3.11.7"), openFile); !errors.Is(err, ErrRefused) {
		t.Errorf("two versions: %v", err)
	}
	if _, err := ReadAll([]string{one, "missing"}, linux("3.11.7"), openFile); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}
