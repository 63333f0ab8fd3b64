package image

import (
	"io"
	"sync"
)

// windows is an io.ReaderAt that reads ahead: the reader above asks for a few bytes an inode, and
// neighbours in the image are neighbours in a walk.
type windows struct {
	r    io.ReaderAt
	mu   sync.Mutex
	win  [8]window
	next int
}

type window struct {
	off int64
	buf []byte
	n   int
}

const windowSize = 64 << 10

// The reader above asks for the 64 bytes of a long inode before it knows that one is short, which has 32
// (EROFS, on-disk format). So what a whole image ends in is followed by as many zeros: without them
// the last inode of an image that is full to the last byte could not be read.
const (
	blockSize = 4096
	tailSize  = 64 - 32
)

func (w *windows) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || len(p) > windowSize/2 {
		return w.r.ReadAt(p, off)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.win {
		win := &w.win[i]
		if off >= win.off && off+int64(len(p)) <= win.off+int64(win.n) {
			return copy(p, win.buf[off-win.off:]), nil
		}
	}
	win := &w.win[w.next]
	w.next = (w.next + 1) % len(w.win)
	if win.buf == nil {
		win.buf = make([]byte, windowSize)
	}
	win.n, win.off = 0, off&^(blockSize-1)
	n, err := w.r.ReadAt(win.buf, win.off)
	if err != nil && err != io.EOF {
		return 0, err
	}
	if err == io.EOF && n > 0 && n%blockSize == 0 {
		n += copy(win.buf[n:], make([]byte, tailSize))
	}
	win.n = n
	if skip := int(off - win.off); skip < n {
		n = copy(p, win.buf[skip:n])
	} else {
		n = 0
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
