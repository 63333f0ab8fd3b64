package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"larder/snapshot"
)

// checkObjects looks at the objects that images name and, when the whole store is checked, at
// every name in the pool.
func (c *checker) checkObjects(ctx context.Context, whole bool) error {
	var read []snapshot.Object
	var total int64
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
		read = append(read, o)
		total += size
	}
	if whole {
		strays, bytes, err := c.strays(ctx)
		if err != nil {
			return err
		}
		read = append(read, strays...)
		total += bytes
	}
	if !c.opts.Full {
		return nil
	}
	return c.readAll(ctx, read, total)
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
func (c *checker) strays(ctx context.Context) (objects []snapshot.Object, bytes int64, err error) {
	for i := range 256 {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		dir := fmt.Sprintf("%02x", i)
		entries, err := os.ReadDir(filepath.Join(c.store.ObjectsDir(), dir))
		if absent(err) {
			continue // said with the store's layout
		}
		if err != nil {
			return nil, 0, err
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
			objects = append(objects, o)
			if err == nil {
				bytes += fi.Size()
			}
		}
	}
	return objects, bytes, nil
}

// readAll hashes objects, as many at once as there are processors.
func (c *checker) readAll(ctx context.Context, objects []snapshot.Object, total int64) error {
	var (
		mu   sync.Mutex
		done int64
		host error
		wg   sync.WaitGroup
		work = make(chan snapshot.Object)
	)
	progress := func(n int64) {
		if c.opts.Progress == nil || n == 0 {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		done += n
		c.opts.Progress(done, total)
	}
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for o := range work {
				sum, _, err := digest(ctx, c.objectPath(o), progress)
				detail := ""
				switch _, used := c.sizes[o]; {
				case ctx.Err() != nil:
				case errors.Is(err, fs.ErrNotExist) && !used:
				case errors.Is(err, fs.ErrNotExist):
					detail = "missing"
				case ofHost(err):
					mu.Lock()
					host = fmt.Errorf("check object %s: %w", o, err)
					mu.Unlock()
				case err != nil:
					detail = "cannot be read: " + err.Error()
				case sum != o.Digest:
					detail = "its bytes have digest " + sum.Short()
				}
				if detail != "" {
					mu.Lock()
					c.bad[o] = detail
					mu.Unlock()
				}
			}
		})
	}
	for _, o := range objects {
		work <- o
	}
	close(work)
	wg.Wait()
	return errors.Join(ctx.Err(), host)
}
