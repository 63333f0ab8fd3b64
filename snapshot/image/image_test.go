package image

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/snapshot"
)

// fakeWheels fills a tree with n files shaped like wheels: 30 directories of 20 files a layer.
func fakeWheels(tb testing.TB, n int) *Tree {
	t := NewTree()
	for i := 0; i < n; i++ {
		layer := i / 600
		dir := (i % 600) / 20
		o := snapshot.Object{Digest: sha256.Sum256(fmt.Appendf(nil, "%d", i))}
		p := fmt.Sprintf("l/%012x/lib/python3.11/site-packages/pkg%d/sub%d/module_%d.py", layer, layer, dir, i%20)
		if err := t.File(p, o, int64(i%30000)+1, 1600000000+int64(i)); err != nil {
			tb.Fatal(err)
		}
	}
	return t
}

func BenchmarkSeal(b *testing.B) {
	for _, n := range []int{10_000, 50_000, 200_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "image.erofs")
			var size int64
			for b.Loop() {
				b.StopTimer()
				t := fakeWheels(b, n)
				b.StartTimer()
				f, err := os.Create(path)
				if err != nil {
					b.Fatal(err)
				}
				if err := t.Write(f); err != nil {
					b.Fatal(err)
				}
				fi, _ := f.Stat()
				size = fi.Size()
				f.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n)/1000, "us/file")
			b.ReportMetric(float64(size)/float64(n), "B/file")
		})
	}
}

func BenchmarkCopyFrom(b *testing.B) {
	const n = 36_000
	path := filepath.Join(b.TempDir(), "image.erofs")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	if err := fakeWheels(b, n).Write(f); err != nil {
		b.Fatal(err)
	}
	f.Close()
	for b.Loop() {
		img, err := Open(path, b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		t := NewTree()
		if err := t.CopyFrom(img, "l"); err != nil {
			b.Fatal(err)
		}
		img.Close()
		if t.Len() != n {
			b.Fatal(t.Len())
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n/1000, "us/file")
}

// Whatever an image ends in is read: the inode of a link, the target of which has no room beside it, is
// the last thing in some.
func TestLastInodeOfAnImage(t *testing.T) {
	dir, full := t.TempDir(), 0
	for n := range 110 {
		tree := NewTree()
		for i := range n {
			must(t, tree.File(fmt.Sprintf("d%d/f", i), object("x"), 1, snapshot.Epoch))
		}
		for i := range n % 5 {
			must(t, tree.File(fmt.Sprintf("e%d", i), object(""), 0, snapshot.Epoch))
		}
		target := strings.Repeat("../", 30) + "target"
		must(t, tree.Symlink("z/link", target))
		path := filepath.Join(dir, fmt.Sprint(n))
		writeImage(t, tree, path)
		raw, err := os.ReadFile(path)
		must(t, err)
		if bytes.ContainsFunc(raw[len(raw)-32:], func(r rune) bool { return r != 0 }) {
			full++
		}
		img, err := Open(path, "")
		must(t, err)
		got := ""
		must(t, img.Walk("", func(e Entry) error {
			got += e.Target
			return nil
		}))
		must(t, img.Close())
		if got != target {
			t.Errorf("%d directories: the link leads to %q", n, got)
		}
	}
	if full == 0 {
		t.Error("no image is full to its last byte: these show nothing")
	}
}
