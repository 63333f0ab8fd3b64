package index

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func openSizes(t *testing.T, dir string) *PageCache {
	t.Helper()
	c, err := OpenPageCache(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSizesBound(t *testing.T) {
	dir := t.TempDir()
	c := openSizes(t, dir)
	c.putSize("https://files.example/a", 7)
	path := filepath.Join(dir, "sizes")
	b, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(b), "files.example") || !strings.HasSuffix(string(b), " 7\n") {
		t.Fatalf("%q %v", b, err)
	}
	if err := os.Truncate(path, maxSizes+1); err != nil {
		t.Fatal(err)
	}
	c = openSizes(t, dir)
	if _, ok := c.size("https://files.example/a"); ok {
		t.Fatal("read a file of sizes that is too large")
	}
	c.putSize("https://files.example/b", 8)
	if info, err := os.Stat(path); err != nil || info.Size() > 100 {
		t.Fatal(info.Size(), err)
	}
}

// TestSizesUnwritable: what cannot be written is remembered in memory.
func TestSizesUnwritable(t *testing.T) {
	dir := t.TempDir()
	c := openSizes(t, dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	c.putSize("https://index.example/f", 5)
	if n, ok := c.size("https://index.example/f"); !ok || n != 5 {
		t.Fatal("not even remembered in memory")
	}
}

// After damage anything may have the name: a pipe is not waited for.
func TestSizesPipe(t *testing.T) {
	dir := t.TempDir()
	c := openSizes(t, dir)
	if err := syscall.Mkfifo(filepath.Join(dir, "sizes"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.size("https://files.example/a"); ok {
		t.Error("a size from a pipe")
	}
}
