package run

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"larder/overlay"
)

// What a user's environment says is read from regular files only, without waiting, and only so much.
func TestReadFile(t *testing.T) {
	n := namespace{&session{}}
	dir := t.TempDir()
	if _, err := n.ReadFile(filepath.Join(dir, "none"), 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	file, fifo := filepath.Join(dir, "file"), filepath.Join(dir, "fifo")
	if err := errors.Join(unix.Mkfifo(fifo, 0o600), os.WriteFile(file, []byte("text"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, dir} {
		if _, err := n.ReadFile(path, 10); !errors.Is(err, overlay.ErrRefused) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if b, err := n.ReadFile(file, 4); err != nil || string(b) != "text" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := n.ReadFile(file, 3); err == nil {
		t.Error("a file that is too large was read")
	}
	if err := n.Take(overlay.MaxRead - 8); err != nil {
		t.Error(err)
	}
	if _, err := n.ReadFile(file, 4); !errors.Is(err, overlay.ErrMaxRead) {
		t.Errorf("more than all: %v", err)
	}
}
