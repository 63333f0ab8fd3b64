package snapshot

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What a name first meant stays, whatever is added, and a line that a kill tore is nobody's.
func TestFirsts(t *testing.T) {
	s, err := Create(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	read := func() map[string]First {
		t.Helper()
		all, err := s.Firsts("toy")
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if all := read(); len(all) != 0 {
		t.Error(all)
	}
	first := func(name, text string) First {
		return First{Name: name, SHA256: Sum([]byte(text)), Size: int64(len(text)), URL: "toy:///" + name, Time: time.Unix(1e9, 0).UTC(), Detail: []byte(`{"a":"<b>"}`)}
	}
	add := func(all ...First) {
		t.Helper()
		if err := s.AddFirsts("toy", all); err != nil {
			t.Fatal(err)
		}
	}
	add(first("a", "1"), first("b", "2"))
	add(first("a", "3"), first("c\nd", "4"))
	add()
	all := read()
	if a := all["a"]; len(all) != 3 || a.SHA256 != Sum([]byte("1")) || !a.Time.Equal(time.Unix(1e9, 0)) || string(a.Detail) != `{"a":"<b>"}` || all["c\nd"].Size != 1 {
		t.Errorf("%+v", all)
	}
	if other, err := s.Firsts("other"); err != nil || len(other) != 0 {
		t.Error(other, err)
	}
	if of, err := s.FirstsOf(); err != nil || strings.Join(of, " ") != "toy" {
		t.Error(of, err)
	}
	path := s.FirstsPath("toy")
	tear := func(text string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteString(text)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, torn := range []string{`{"name":"e","sha`, strings.Repeat("\x00", 100_000)} {
		tear(torn)
		if all := read(); len(all) != 3 {
			t.Errorf("%+v", all)
		}
	}
	add(first("e", "5"))
	if all := read(); len(all) != 4 || all["e"].Size != 1 {
		t.Errorf("%+v", all)
	}
	for _, bad := range []string{"{}\n", "\n", `{"name":"f","sha256":"00"}` + "\n", "\x00\n"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		tear(bad)
		if _, err := s.Firsts("toy"); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "firsts/toy.jsonl, line 6") {
			t.Errorf("%q: %v", bad, err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Firsts("toy"); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
	if err := s.AddFirsts("toy", []First{first("g", "6")}); err == nil {
		t.Error("a link is followed")
	}
}
