package snapshot

import (
	"os"
	"path/filepath"
	"testing"
)

// A file is replaced whole, with its mode, and nothing is left beside it; what cannot be
// replaced leaves nothing either.
func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, text := range []string{"one, long", "two"} {
		must(t, WriteFile(path, []byte(text), 0o644))
		if b, err := os.ReadFile(path); err != nil || string(b) != text {
			t.Errorf("%q, %v", b, err)
		}
		if st, err := os.Stat(path); err != nil || st.Mode() != 0o644 {
			t.Errorf("%v, %v", st.Mode(), err)
		}
	}
	taken := filepath.Join(dir, "taken")
	must(t, os.Mkdir(taken, 0o755))
	if err := WriteFile(taken, []byte("x"), 0o644); err == nil {
		t.Error("wrote over a directory")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left: %v, %v", left, err)
	}
}
