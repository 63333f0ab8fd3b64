package image

import (
	"errors"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"larder/snapshot"
)

// Footprint is what a snapshot takes from the pool beside others, in bytes of objects, each
// counted once.
type Footprint struct {
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
	Own     int64 `json:"own_bytes"`   // of objects that no other snapshot needs: they go with this one
	Image   int64 `json:"image_bytes"` // of the image itself
}

// Shared are the bytes that other snapshots need, too.
func (f Footprint) Shared() int64 { return f.Bytes - f.Own }

// Footprints say what snapshots need of a pool.
type Footprints struct {
	Each    []*Footprint // in the order of the images; nil of one that cannot be read
	Errors  []error      // why not
	objects map[snapshot.Object]need
}

// need is who needs an object: one of the images that do, and how many do.
type need struct {
	size int64
	by   int
	n    int
}

// Compare walks images of one store and adds up: some 7 µs a file, of several images at once. While
// one cannot be read, or is nil, nobody knows which objects the others have alone.
func Compare(images []*Image) *Footprints {
	f := &Footprints{Each: make([]*Footprint, len(images)), Errors: make([]error, len(images)), objects: map[snapshot.Object]need{}}
	var (
		g  errgroup.Group
		mu sync.Mutex
	)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for at, img := range images {
		if img == nil {
			continue
		}
		g.Go(func() error {
			sizes, err := img.sizes()
			mu.Lock()
			defer mu.Unlock()
			if f.Errors[at] = err; err == nil {
				f.add(at, sizes, img)
			}
			return nil
		})
	}
	_ = g.Wait() // what went wrong is in Errors
	for _, n := range f.objects {
		if n.n == 1 {
			f.Each[n.by].Own += n.size
		}
	}
	return f
}

// sizes are those of the objects that an image needs.
func (i *Image) sizes() (map[snapshot.Object]int64, error) {
	sizes := map[snapshot.Object]int64{}
	return sizes, i.Walk("", func(e Entry) error {
		if e.Mode.IsRegular() && e.Size > 0 {
			sizes[e.Object] = e.Size
		}
		return nil
	})
}

func (f *Footprints) add(at int, sizes map[snapshot.Object]int64, img *Image) {
	print := &Footprint{Objects: len(sizes)}
	f.Each[at] = print
	if fi, err := img.file.Stat(); err == nil {
		print.Image = fi.Size()
	}
	for o, size := range sizes {
		f.objects[o] = need{size, at, f.objects[o].n + 1}
		print.Bytes += size
	}
}

// Needed says whether any of the images needs an object.
func (f *Footprints) Needed(o snapshot.Object) bool { return f.objects[o].n > 0 }

// Exchange is what a store gains and loses, in bytes of objects, when one snapshot takes the place
// of another.
type Exchange struct {
	Added  int64 `json:"added_bytes"`
	Gone   int64 `json:"removed_bytes"`
	Shared int64 `json:"shared_bytes"`
}

// Exchanged compares two images of one store.
func Exchanged(from, to *Image) (Exchange, error) {
	f := Compare([]*Image{from, to})
	if err := errors.Join(f.Errors...); err != nil {
		return Exchange{}, err
	}
	return Exchange{Added: f.Each[1].Own, Gone: f.Each[0].Own, Shared: f.Each[1].Shared()}, nil
}
