package snapshot

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
)

// A recipe is read back as it was kept, under a name that covers all that decides its result; one that
// was changed, cut or renamed is damaged, one of a newer version of this program is not, and neither hides
// the others.
func TestRecipe(t *testing.T) {
	s := newStore(t)
	if all, bad, err := s.Recipes(); len(all)+len(bad) > 0 || err != nil {
		t.Fatal(all, bad, err)
	}
	good := Recipe{Ecosystem: "toy", Target: "toy", Project: "a", Version: "1", Filename: "a-1.src", Source: Sum([]byte("a")),
		What: json.RawMessage(`{"needs":["<b&c>"]}`), Result: &RecipeResult{Filename: "a-1.tar", SHA256: Sum([]byte("b")), Size: 1, Kind: Pure}}
	failed := good
	failed.What, failed.Result, failed.Failure = json.RawMessage(`{}`), nil, &RecipeFailure{"needs-network", "no answer"}
	for _, r := range []Recipe{good, failed} {
		if err := s.PutRecipe(r); err != nil {
			t.Fatal(err)
		}
	}
	r, err := s.Recipe(good.ID())
	if err != nil || string(r.What) != string(good.What) || *r.Result != *good.Result || r.Failure != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	if all, bad, err := s.Recipes(); len(all) != 2 || len(bad) > 0 || err != nil {
		t.Fatal(all, bad, err)
	}
	if _, err := s.Recipe(Sum([]byte("none"))); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
	text, err := os.ReadFile(s.RecipePath(good.ID()))
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		old, new string
		kind     error
		says     string
	}{
		"cut":         {string(text[len(text)/2:]), "", ErrDamaged, "unexpected end"},
		"changed":     {"<b&c>", "<b&d>", ErrDamaged, "another recipe's"},
		"no outcome":  {`"result":`, `"other":`, ErrDamaged, "neither"},
		"no format":   {`"format":1`, `"format":0`, ErrDamaged, "format 0"},
		"newer":       {`"format":1`, `"format":2`, ErrFormat, "has format 2, and this program knows format 1"},
		"newer types": {`"format":1`, `"format":3,"project":{}`, ErrFormat, "has format 3, and this program knows format 1"},
	} {
		changed := strings.Replace(string(text), c.old, c.new, 1)
		if err := os.Remove(s.RecipePath(good.ID())); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.RecipePath(good.ID()), []byte(changed), 0o400); err != nil {
			t.Fatal(err)
		}
		_, err := s.Recipe(good.ID())
		var hinted interface{ Hint() string }
		if !errors.As(err, &hinted) || !errors.Is(err, c.kind) || errors.Is(err, ErrDamaged) != (c.kind == ErrDamaged) || !strings.Contains(err.Error(), c.says) {
			t.Fatalf("%s: %v", what, err)
		}
		if strings.Contains(hinted.Hint(), "remove") != (c.kind == ErrDamaged) {
			t.Errorf("%s: hint: %s", what, hinted.Hint())
		}
		if all, bad, err := s.Recipes(); len(all) != 1 || len(bad) != 1 || bad[0].Path != s.RecipePath(good.ID()) || err != nil {
			t.Errorf("%s: %v %v %v", what, all, bad, err)
		}
	}
}
