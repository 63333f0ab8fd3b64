package ecosystem

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A file is read to its limit, a pipe as far as somebody writes, and nobody is waited for.
func TestHostReadFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(name, []byte("four"), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := (Host{}).ReadFile(name, 4); string(data) != "four" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	var refusal *Refusal
	if _, err := (Host{}).ReadFile(name, 3); !errors.As(err, &refusal) || !errors.Is(err, ErrRefused) || err.Error() != name+": larger than 3 bytes" || refusal.Hint() == "" {
		t.Errorf("%v", err)
	}
	if _, err := (Host{}).ReadFile(name+".none", 4); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	fifo := name + ".fifo"
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (Host{}).ReadFile(fifo, 4); !errors.Is(err, ErrRefused) || err.Error() != fifo+": a pipe that nobody writes to" {
		t.Errorf("%v", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.WriteString(w, "pipe"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if data, err := (Host{}).ReadFile(fmt.Sprintf("/proc/self/fd/%d", r.Fd()), 4); string(data) != "pipe" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
}
