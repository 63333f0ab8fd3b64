package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func lines(t *testing.T, path string) (good []int, bad int) {
	t.Helper()
	b, err := Read(path, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		var n int
		if json.Unmarshal(line, &n) != nil {
			bad++
			continue
		}
		good = append(good, n)
	}
	return good, bad
}

func TestAppendAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			if err := Append(path, n, 1<<20); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if good, bad := lines(t, path); len(good) != 20 || bad != 0 {
		t.Errorf("%d lines, %d bad", len(good), bad)
	}
}

func TestTornLineStaysOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	if err := os.WriteFile(path, []byte("1\n{\"to"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Append(path, 2, 1<<20); err != nil {
		t.Fatal(err)
	}
	if good, bad := lines(t, path); len(good) != 2 || good[1] != 2 || bad != 1 {
		t.Errorf("%v, %d bad", good, bad)
	}
}

func TestAppendIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	for n := range 1000 {
		if err := Append(path, n, 1000); err != nil {
			t.Fatal(err)
		}
	}
	good, bad := lines(t, path)
	if bad != 0 || len(good) > 300 || good[len(good)-1] != 999 || good[0] != 1000-len(good) {
		t.Errorf("%d lines from %d, %d bad", len(good), good[0], bad)
	}
}

// What use did not take stays, and is there again.
func TestDrain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	if err := Drain(path, 1<<20, func([]byte) error { return errors.New("called") }); err != nil {
		t.Errorf("of no file: %v", err)
	}
	if err := Append(path, 1, 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := Drain(path, 1<<20, func([]byte) error { return errors.New("no") }); err == nil {
		t.Error("the error is lost")
	}
	var got string
	if err := Drain(path, 1<<20, func(b []byte) error { got = string(b); return nil }); err != nil || got != "1\n" {
		t.Errorf("%q, %v", got, err)
	}
	if good, _ := lines(t, path); len(good) != 0 {
		t.Errorf("left: %v", good)
	}
}

func TestNoLinkAndNoPipe(t *testing.T) {
	dir := t.TempDir()
	link, pipe := filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	if err := errors.Join(os.Symlink(filepath.Join(dir, "victim"), link), unix.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, pipe} {
		if err := Append(path, 1, 1<<20); err == nil || strings.Contains(err.Error(), "marshal") {
			t.Errorf("append to %s: %v", path, err)
		}
		if _, err := Read(path, 1<<20); err == nil {
			t.Errorf("read %s", path)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, "victim")); err == nil {
		t.Error("wrote through a link")
	}
}
