package layer

import (
	"context"
	"crypto/sha256"
	"hash"
	"io"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"larder/builder/pypi/pypitest"
	"larder/snapshot"
)

// BenchmarkBuild makes the layers of all cached wheels, as a build does: as many at
// once as there are processors, one compiler. Storing is left out, hashing is not.
func BenchmarkBuild(b *testing.B) {
	wheels := pypitest.Real(b)
	in := python(b)
	hashes := sync.Pool{New: func() any { return sha256.New() }}
	put := func(r io.Reader, exec bool) (snapshot.Object, int64, error) {
		h := hashes.Get().(hash.Hash)
		defer hashes.Put(h)
		h.Reset()
		n, err := io.Copy(h, r)
		return snapshot.Object{Digest: snapshot.Digest(h.Sum(nil)), Exec: exec}, n, err
	}
	for _, bytecode := range []bool{true, false} {
		name := "bytecode"
		if !bytecode {
			name = "unpack"
		}
		b.Run(name, func(b *testing.B) {
			for range b.N {
				var c *Compiler
				if bytecode {
					c = compiler(b, in, runtime.GOMAXPROCS(0))
				}
				var mu sync.Mutex
				var files, size int64
				var g errgroup.Group
				g.SetLimit(runtime.GOMAXPROCS(0))
				for _, name := range wheels {
					g.Go(func() error {
						layer, err := Build(context.Background(), openWheel(b, name), in.Tag, c, put)
						mu.Lock()
						defer mu.Unlock()
						files += int64(len(layer))
						for _, f := range layer {
							size += f.Size
						}
						return err
					})
				}
				if err := g.Wait(); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(files), "files")
				b.ReportMetric(float64(size)/1e6, "MB")
			}
		})
	}
}
