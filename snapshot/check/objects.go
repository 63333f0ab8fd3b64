package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"larder/snapshot"
)

// checkObjects looks at the objects that images name and, when the whole store is checked, at
// every name in the pool.
func (c *checker) checkObjects(ctx context.Context, whole bool) error {
	var read []sized
	for o, size := range c.sizes {
		if err := ctx.Err(); err != nil {
			return err
		}
		c.report.Objects++
		c.report.Bytes += size
		if detail := c.look(o, size); detail != "" {
			c.bad[o] = detail
			continue
		}
		read = append(read, sized{o, size})
	}
	if whole {
		strays, err := c.strays(ctx)
		if err != nil {
			return err
		}
		read = append(read, strays...)
	}
	if !c.opts.Full {
		return nil
	}
	return c.readAll(ctx, slices.DeleteFunc(read, func(f sized) bool { return !c.opts.Subset.has(f.object) }))
}

// sized is an object and the size of its file, in bytes.
type sized struct {
	object snapshot.Object
	size   int64
}

func (c *checker) objectPath(o snapshot.Object) string {
	return filepath.Join(c.store.ObjectsDir(), o.Path())
}

// look compares an object's file with what it must be.
func (c *checker) look(o snapshot.Object, size int64) string {
	var st unix.Stat_t
	switch err := unix.Lstat(c.objectPath(o), &st); {
	case errors.Is(err, unix.ENOENT):
		return "missing"
	case err != nil:
		return err.Error()
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return "not a plain file"
	case size >= 0 && st.Size != size:
		return fmt.Sprintf("%d bytes, want %d", st.Size, size)
	case st.Mode&0o7777 != o.Mode():
		return fmt.Sprintf("mode %04o, want %04o", st.Mode&0o7777, o.Mode())
	case st.Uid != c.owner:
		return fmt.Sprintf("owned by user %d, want %d", st.Uid, c.owner)
	}
	return ""
}

// strays returns the objects of the pool that no image names, and reports what is no object.
func (c *checker) strays(ctx context.Context) (objects []sized, err error) {
	for i := range 256 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		dir := fmt.Sprintf("%02x", i)
		entries, err := os.ReadDir(filepath.Join(c.store.ObjectsDir(), dir))
		if absent(err) {
			continue // said with the store's layout
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			o, err := snapshot.ParseObject(dir + "/" + e.Name())
			if err != nil {
				c.harmless(KindStore, snapshot.ID{}, filepath.Join(c.store.ObjectsDir(), dir, e.Name()), "objects/%s/%s is no object", dir, e.Name())
				continue
			}
			if _, used := c.sizes[o]; used {
				continue
			}
			fi, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue // gc
			}
			if detail := c.look(o, -1); detail != "" && detail != "missing" {
				c.bad[o] = detail
				continue
			}
			f := sized{object: o}
			if err == nil {
				f.size = fi.Size()
			}
			objects = append(objects, f)
		}
	}
	return objects, nil
}

// readAll hashes objects. The largest come first, so that no processor is left with one at the end.
func (c *checker) readAll(ctx context.Context, files []sized) error {
	slices.SortFunc(files, func(a, b sized) int { return cmp.Compare(b.size, a.size) })
	c.report.Read = len(files)
	for _, f := range files {
		c.report.ReadBytes += f.size
	}
	var done atomic.Int64
	defer c.showProgress(&done)()
	var (
		mu   sync.Mutex
		next atomic.Int64
		host error
		wg   sync.WaitGroup
	)
	for range readers() {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(files) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				detail, err := c.readOne(ctx, files[i].object, &done)
				mu.Lock()
				if detail != "" {
					c.bad[files[i].object] = detail
				}
				if host == nil {
					host = err
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return errors.Join(ctx.Err(), host)
}

// readers is how many files are read at once: all processors hash, while others wait for the disk.
func readers() int { return 2 * runtime.GOMAXPROCS(0) }

// readOne hashes an object and says what is wrong with it. An error is of the host.
func (c *checker) readOne(ctx context.Context, o snapshot.Object, done *atomic.Int64) (detail string, err error) {
	sum, _, err := snapshot.SumFile(ctx, c.objectPath(o), func(n int64) { done.Add(n) })
	switch _, used := c.sizes[o]; {
	case ctx.Err() != nil:
	case errors.Is(err, fs.ErrNotExist) && !used:
	case errors.Is(err, fs.ErrNotExist):
		return "missing", nil
	case ofHost(err):
		return "", fmt.Errorf("check object %s: %w", o, err)
	case err != nil:
		return "cannot be read: " + cause(err).Error(), nil
	case sum != o.Digest:
		return "its bytes have digest " + sum.Short(), nil
	}
	return "", nil
}

// progressEvery is how often progress is told.
const progressEvery = 100 * time.Millisecond

// showProgress tells how many bytes are read, until the function it returns is called.
func (c *checker) showProgress(done *atomic.Int64) (end func()) {
	if c.opts.Progress == nil {
		return func() {}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				c.opts.Progress(done.Load(), c.report.ReadBytes)
			case <-stop:
				c.opts.Progress(done.Load(), c.report.ReadBytes)
				return
			}
		}
	}()
	return func() { close(stop); <-stopped }
}
