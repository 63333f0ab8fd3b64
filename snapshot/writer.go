package snapshot

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"
)

// bufferSize: content up to this size is hashed in memory, and a file is made only when neither
// the pool nor the stage has it. Most files of packages are far smaller (mean 30 kB over 28,343 files).
const bufferSize = 256 << 10

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, bufferSize); return &b }}

// ObjectWriter takes the bytes of one object, hashing while they pass. It is for one goroutine.
// It ends with Commit or Abort.
type ObjectWriter struct {
	st   *Stage
	hash hash.Hash
	buf  *[]byte
	file *os.File // nil while everything fits the buffer
	size int64
	err  error
}

// NewObject starts an object.
func (st *Stage) NewObject() (*ObjectWriter, error) {
	if err := context.Cause(st.ctx); err != nil {
		return nil, err
	}
	return &ObjectWriter{st: st, hash: sha256.New(), buf: buffers.Get().(*[]byte)}, nil
}

// Write hashes and keeps p.
func (w *ObjectWriter) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	w.hash.Write(p)
	w.size += int64(len(p))
	if w.file == nil && len(*w.buf)+len(p) <= bufferSize {
		*w.buf = append(*w.buf, p...)
		return len(p), nil
	}
	if err := w.spill(); err != nil {
		w.err = err
		return 0, err
	}
	n, err := w.file.Write(p)
	if err != nil {
		w.err = w.st.writeError(err)
	}
	return n, w.err
}

// spill makes the file once the buffer is full.
func (w *ObjectWriter) spill() error {
	if w.file == nil {
		f, err := w.st.newFile()
		if err != nil {
			return err
		}
		w.file = f
	}
	if len(*w.buf) == 0 {
		return nil
	}
	_, err := w.file.Write(*w.buf)
	*w.buf = (*w.buf)[:0]
	if err != nil {
		return w.st.writeError(err)
	}
	return nil
}

// Truncate forgets everything written, for a transfer that starts again.
func (w *ObjectWriter) Truncate() error {
	w.hash.Reset()
	w.size, w.err = 0, nil
	*w.buf = (*w.buf)[:0]
	if w.file == nil {
		return nil
	}
	if _, err := w.file.Seek(0, 0); err != nil {
		return err
	}
	return w.file.Truncate(0)
}

// Sum is the digest of what was written so far.
func (w *ObjectWriter) Sum() Digest { return Digest(w.hash.Sum(nil)) }

// Size is the number of bytes written so far.
func (w *ObjectWriter) Size() int64 { return w.size }

// Abort drops the object.
func (w *ObjectWriter) Abort() {
	if w.file != nil {
		name := w.file.Name()
		w.file.Close()
		_ = removeFile(name) // else it goes with the stage
		w.file = nil
	}
	w.release()
}

func (w *ObjectWriter) release() {
	if w.buf != nil {
		*w.buf = (*w.buf)[:0]
		buffers.Put(w.buf)
		w.buf = nil
	}
	w.err = errors.New("write to a finished object")
}

// Commit ends the object and stages it under its digest, unless the stage has it, or the pool does:
// what is there is read, and replaced when it holds other bytes than its name says. An empty object
// is never stored: nothing reads its bytes.
func (w *ObjectWriter) Commit(exec bool) (Object, int64, error) {
	if w.err != nil {
		w.Abort()
		return Object{}, 0, w.err
	}
	defer w.release()
	o := Object{Digest: w.Sum(), Exec: exec}
	if w.size == 0 {
		if w.file != nil {
			w.Abort()
		}
		return o, 0, nil
	}
	if w.st.holds(o, w.size) {
		if w.file != nil {
			w.Abort()
		}
		return o, w.size, nil
	}
	if w.file == nil {
		path, err := w.st.writeWhole(*w.buf, o)
		if err != nil {
			w.Abort()
			return Object{}, 0, err
		}
		w.st.keepOne(o, stagedObject{path: path, size: w.size})
		return o, w.size, nil
	}
	if err := w.spill(); err != nil {
		w.Abort()
		return Object{}, 0, err
	}
	f := w.file
	if err := finish(f, o); err != nil {
		w.Abort()
		return Object{}, 0, w.st.writeError(err)
	}
	w.file = nil
	w.st.keepOne(o, stagedObject{path: f.Name(), size: w.size})
	return o, w.size, nil
}

// Put stages what r has, and returns its size.
func (st *Stage) Put(r io.Reader, exec bool) (Object, int64, error) {
	w, err := st.NewObject()
	if err != nil {
		return Object{}, 0, err
	}
	defer w.Abort()
	if _, err := io.Copy(w, r); err != nil {
		return Object{}, 0, err
	}
	return w.Commit(exec)
}

// PutBytes stages the content b.
func (st *Stage) PutBytes(b []byte, exec bool) (Object, error) {
	o := Object{Digest: Sum(b), Exec: exec}
	if len(b) == 0 {
		return o, nil
	}
	if st.holds(o, int64(len(b))) {
		return o, nil
	}
	if err := context.Cause(st.ctx); err != nil {
		return Object{}, err
	}
	path, err := st.writeWhole(b, o)
	if err != nil {
		return Object{}, err
	}
	st.keepOne(o, stagedObject{path: path, size: int64(len(b))})
	return o, nil
}

func (st *Stage) writeError(err error) error {
	return spaceError("write object", st.dir, 0, err)
}

// Keep makes one staged object durable and final now, so that it survives an interrupted build:
// artifacts are worth that, since fetching them again takes minutes. Until a snapshot names it, gc
// may take it away.
func (st *Stage) Keep(o Object) error {
	st.mu.Lock()
	so, ok := st.staged[o]
	st.mu.Unlock()
	if !ok {
		if _, err := st.store.statObject(o); err == nil {
			return nil
		}
		return fmt.Errorf("keep object %s: it was never staged", o)
	}
	f, err := os.Open(so.path)
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err == nil {
		err = st.store.place(so.path, o)
	}
	ino, there := st.store.statObject(o)
	if errors.Is(err, os.ErrNotExist) && there == nil {
		err = nil // another goroutine keeps the same object
	}
	if err != nil {
		return st.writeError(err)
	}
	err = syncDir(st.store.join(objectsName, o.Path()[:2]))
	st.mu.Lock()
	delete(st.staged, o)
	st.seen[o] = sighting{size: so.size, ctime: ino.Ctim.Nano(), read: true}
	if err != nil {
		st.unsynced = true
	}
	st.mu.Unlock()
	return err
}
