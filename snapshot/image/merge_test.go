//go:build linux

package image

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"larder/snapshot"
)

// TestMountMergeIsWhatOverlayfsShows merges random layers in the image and stacks the same layers
// in the kernel: both must show the same names with the same content.
func TestMountMergeIsWhatOverlayfsShows(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount")
	}
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		dir := t.TempDir()
		tree := NewTree()
		var srcs []string
		var lowers []int
		for layer := range 2 + r.IntN(6) {
			src := fmt.Sprintf("l/%d", layer)
			srcs = append(srcs, src)
			must(t, tree.Dir(src))
			must(t, os.MkdirAll(filepath.Join(dir, src), 0o755))
			for range r.IntN(12) {
				// Few names and few levels, so that they meet: also as file here and directory there.
				p := src
				for range 1 + r.IntN(4) {
					p += "/" + string('a'+rune(r.IntN(3)))
				}
				content := fmt.Sprintf("%d of %s", layer, p)
				if tree.File(p, object(content), int64(len(content)), 1) != nil {
					continue // in the way of another one of this layer
				}
				must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, p)), 0o755))
				must(t, os.WriteFile(filepath.Join(dir, p), []byte(content), 0o644))
			}
			fd, err := unix.Open(filepath.Join(dir, src), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			must(t, err)
			defer unix.Close(fd)
			lowers = append(lowers, fd)
		}
		must(t, tree.Merge("e/all", srcs))
		path := filepath.Join(dir, "image")
		writeImage(t, tree, path)
		img, err := Open(path, dir)
		must(t, err)
		got := map[string]string{}
		must(t, img.Walk("e/all", func(e Entry) error {
			rel := e.Path[len("e/all"):]
			got[rel] = "dir"
			if e.Mode.IsRegular() {
				got[rel] = e.Object.Digest.String()
			}
			return nil
		}))
		img.Close()

		m := fsmount(t, "overlay", func(fd int) error {
			for _, l := range lowers {
				if err := unix.FsconfigSetFd(fd, "lowerdir+", l); err != nil {
					return err
				}
			}
			return nil
		})
		root := fmt.Sprintf("/proc/self/fd/%d/.", m)
		n := 0
		must(t, fs.WalkDir(os.DirFS(root), ".", func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			n++
			rel, want := "/"+p, "dir"
			if p == "." {
				rel = ""
			}
			if !d.IsDir() {
				b, err := os.ReadFile(filepath.Join(root, p))
				if err != nil {
					return err
				}
				want = snapshot.Sum(b).String()
			}
			if got[rel] != want {
				t.Errorf("seed %d: %q is %q merged, %q stacked", seed, rel, got[rel], want)
			}
			return nil
		}))
		if n != len(got) {
			t.Errorf("seed %d: %d names stacked, %d merged", seed, n, len(got))
		}
	}
}
