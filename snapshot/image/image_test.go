package image

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
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
