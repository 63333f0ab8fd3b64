//go:build linux

package overlay_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/overlaytest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// openTree makes a tree of the snapshot for an owner; 0 needs no mapping.
func openTree(t testing.TB, s overlaytest.Snapshot, backing overlay.Backing, uid, gid int) *os.File {
	t.Helper()
	image, err := overlay.Chosen().OpenImage(s.Image, backing)
	must(t, err)
	t.Cleanup(func() { image.Close() })
	if backing != overlay.AnyBacking && image.Backing != backing {
		t.Fatalf("image is backed by %d, want %d", image.Backing, backing)
	}
	tree, err := overlay.Chosen().OpenTree(image, s.Objects, overlay.Owner{UID: uid, GID: gid})
	must(t, err)
	t.Cleanup(func() { tree.Close() })
	return tree
}

// newInstance makes u and w.
func newInstance(t testing.TB, uid, gid int) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"u", "w"} {
		must(t, os.Mkdir(filepath.Join(dir, d), 0o755))
		must(t, os.Chown(filepath.Join(dir, d), uid, gid))
	}
	return dir
}

// attach puts a mount on a fresh directory and returns its path.
func attach(t testing.TB, m *os.File) string {
	t.Helper()
	dir := t.TempDir()
	root, err := os.Open("/")
	must(t, err)
	defer root.Close()
	point, err := overlay.Resolve(root, dir)
	must(t, err)
	defer point.Close()
	must(t, overlay.Attach(m, point))
	t.Cleanup(func() { must(t, unmount(dir)) })
	return dir
}

var small = map[string]string{
	"views/pip/http-v2/a/b":                  "body",
	"views/pip-old/http/c":                   "old body",
	"l/000000000001/lib/python3.11/one.py":   "one",
	"l/000000000002/lib/python3.11/two.py":   "two",
	"l/000000000002/bin/two*":                "#!/bin/sh\n",
	"l/000000000002/lib/python3.11/__init__": "",
	"manifest.json":                          "{}",
}

// A fresh upper is mounted without a word in the kernel's log: a host starts thousands a day.
func TestMountViewIsQuiet(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	lower := fmt.Sprintf("views/quiet-%d-%d", os.Getpid(), time.Now().UnixNano()) // the kernel's lines name lowers
	s := overlaytest.New(t, t.TempDir(), map[string]string{lower + "/a": "a"})
	tree := openTree(t, s, overlay.AnyBacking, 0, 0)
	for _, volatile := range []bool{true, false} {
		m, err := overlay.Chosen().NewView(overlay.View{Tree: tree, Lowers: []string{lower}, Instance: newInstance(t, 0, 0), Source: "larder:test", Volatile: volatile})
		must(t, err)
		m.Close()
	}
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK, 0)
	must(t, err)
	defer unix.Close(fd)
	line := make([]byte, 8192)
	for {
		n, err := unix.Read(fd, line)
		if err == unix.EPIPE {
			continue // older lines were overwritten meanwhile
		}
		if err != nil {
			return
		}
		if bytes.Contains(line[:n], []byte(lower)) {
			t.Errorf("the kernel says: %s", line[:n])
		}
	}
}

func TestMountViewFromFileAndLoop(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	s := overlaytest.New(t, t.TempDir(), small)
	for _, backing := range overlaytest.Backings() {
		t.Run(fmt.Sprint("backing ", backing), func(t *testing.T) {
			tree := openTree(t, s, backing, 0, 0)
			instance := newInstance(t, 0, 0)
			m, err := overlay.Chosen().NewView(overlay.View{
				Tree: tree, Lowers: []string{"views/pip", "views/pip-old", "l/000000000002"},
				Instance: instance, Source: "larder:test",
			})
			must(t, err)
			defer m.Close()
			dir := attach(t, m)
			for name, want := range map[string]string{
				"http-v2/a/b": "body", "http/c": "old body", "bin/two": "#!/bin/sh\n", "lib/python3.11/__init__": "",
			} {
				got, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil || string(got) != want {
					t.Errorf("%s: %q, %v; want %q", name, got, err, want)
				}
			}
			must(t, os.WriteFile(filepath.Join(dir, "http-v2/a/b"), []byte("mine"), 0o644))
			must(t, os.WriteFile(filepath.Join(dir, "new"), []byte("new"), 0o644))
			if got, err := os.ReadFile(filepath.Join(instance, "u/http-v2/a/b")); err != nil || string(got) != "mine" {
				t.Errorf("the write is not in the upper: %q, %v", got, err)
			}
			line := mountLine(t, dir)
			for _, want := range []string{",lowerdir+=/views/pip,", ",upperdir=/u,", ",workdir=/w,", " larder:test ", "nosuid,nodev", "redirect_dir=nofollow", "metacopy=off"} {
				if !strings.Contains(line, want) {
					// defaults of the kernel are not printed
					t.Logf("mountinfo lacks %q: %s", want, line)
				}
			}
			if strings.Contains(line, s.Dir) || strings.Contains(line, instance) {
				t.Errorf("mountinfo shows a path of the host: %s", line)
			}
			// The same upper cannot be mounted twice.
			_, err = overlay.Chosen().NewView(overlay.View{Tree: tree, Lowers: []string{"views/pip"}, Instance: instance, Source: "larder:test"})
			if !errors.Is(err, overlay.ErrBusy) {
				t.Errorf("second mount of one upper: %v, want ErrBusy", err)
			} else {
				t.Log(err)
			}
		})
	}
}
