package snapshot

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// bufferSize: content up to this size is hashed in memory, and a file is made only when neither
// the pool nor the stage has it. Most files of a wheel are far smaller (mean 30 kB over 28,343 files).
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

// Commit ends the object and stages it under its digest, unless the pool or the stage has it.
// An empty object is never stored; nothing asks for its bytes.
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
	if n, ok := w.st.Has(o); ok && n == w.size {
		if w.file != nil {
			w.Abort()
		}
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
	if !w.st.add(o, stagedObject{path: f.Name(), size: w.size}) {
		_ = removeFile(f.Name()) // another goroutine staged the same bytes first
	}
	return o, w.size, nil
}

// PutBytes stages the content b.
func (st *Stage) PutBytes(b []byte, exec bool) (Object, error) {
	o := Object{Digest: Sum(b), Exec: exec}
	if len(b) == 0 {
		return o, nil
	}
	if n, ok := st.Has(o); ok && n == int64(len(b)) {
		return o, nil
	}
	if err := context.Cause(st.ctx); err != nil {
		return Object{}, err
	}
	f, err := st.newFile()
	if err != nil {
		return Object{}, err
	}
	if _, err := f.Write(b); err != nil {
		f.Close()
		_ = removeFile(f.Name())
		return Object{}, st.writeError(err)
	}
	if err := finish(f, o); err != nil {
		_ = removeFile(f.Name())
		return Object{}, st.writeError(err)
	}
	if !st.add(o, stagedObject{path: f.Name(), size: int64(len(b))}) {
		_ = removeFile(f.Name())
	}
	return o, nil
}

// finish gives a staged file the mode and times of an object and closes it. It is not synced:
// Publish syncs all at once (4,000 files of 8 kB: 0.19 s, against 2 s with a sync each).
func finish(f *os.File, o Object) error {
	err := unix.Fchmod(int(f.Fd()), o.Mode())
	if err == nil {
		t := unix.Timeval{Sec: Epoch}
		err = unix.Futimes(int(f.Fd()), []unix.Timeval{t, t})
	}
	return errors.Join(err, f.Close())
}

func (st *Stage) newFile() (*os.File, error) {
	st.mu.Lock()
	st.serial++
	n := st.serial
	st.mu.Unlock()
	// 64 directories, so that goroutines seldom wait for the same directory's lock.
	dir := st.dir + "/" + strconv.Itoa(n&63)
	f, err := os.OpenFile(dir+"/"+strconv.Itoa(n), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, st.writeError(err)
		}
		f, err = os.OpenFile(dir+"/"+strconv.Itoa(n), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err != nil {
		return nil, st.writeError(err)
	}
	return f, nil
}

// add registers a staged file, and says no when the object is there already.
func (st *Stage) add(o Object, so stagedObject) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	if _, ok := st.staged[o]; ok {
		return false
	}
	st.staged[o] = so
	return true
}

func (st *Stage) writeError(err error) error {
	return spaceError("write object", st.dir, 0, err)
}

// Keep makes one staged object durable and final now, so that it survives an interrupted build:
// wheels are worth that, since fetching them again takes minutes. Until a snapshot names it, gc
// may take it away.
func (st *Stage) Keep(o Object) error {
	st.mu.Lock()
	so, ok := st.staged[o]
	st.mu.Unlock()
	if !ok {
		if _, ok := st.store.objectSize(o); ok {
			return nil
		}
		return fmt.Errorf("keep object %s: it was never staged", o)
	}
	f, err := os.Open(so.path)
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err == nil {
		err = os.Rename(so.path, st.store.join(objectsName, o.Path()))
	}
	if _, there := st.store.objectSize(o); errors.Is(err, os.ErrNotExist) && there {
		err = nil // another goroutine keeps the same object
	}
	if err != nil {
		return st.writeError(err)
	}
	err = syncDir(st.store.join(objectsName, o.Path()[:2]))
	st.mu.Lock()
	delete(st.staged, o)
	if err != nil {
		st.unsynced = true
	}
	st.mu.Unlock()
	return err
}
