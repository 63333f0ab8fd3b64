package snapshot

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

var errNotPlain = errors.New("not a plain file")

// SumFile hashes a plain file, without following a link, waiting on a pipe or leaving an access
// time. The inode is as it was before the first byte was read, but for its size, which is that of
// the bytes read. A read that fails is tried once more: some disks need that. progress, unless
// nil, is told of each part as it is read, in bytes.
func SumFile(ctx context.Context, path string, progress func(int64)) (sum Digest, ino unix.Stat_t, err error) {
	for try := 0; ; try++ {
		sum, ino, err = sumOnce(ctx, path, progress)
		if try > 0 || !errors.Is(err, unix.EIO) {
			return sum, ino, err
		}
	}
}

// sumOnce works on the descriptor itself: os.File would ask the poller about every file, and most are small.
func sumOnce(ctx context.Context, path string, progress func(int64)) (sum Digest, ino unix.Stat_t, err error) {
	fd, err := openPlain(path)
	if err != nil {
		return sum, ino, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	if err := unix.Fstat(fd, &ino); err != nil {
		return sum, ino, err
	}
	if ino.Mode&unix.S_IFMT != unix.S_IFREG {
		return sum, ino, errNotPlain
	}
	h := sha256.New()
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	ino.Size = 0
	for ctx.Err() == nil {
		n, err := unix.Read(fd, (*buf)[:cap(*buf)])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return sum, ino, &fs.PathError{Op: "read", Path: path, Err: err}
		}
		if n == 0 {
			return Digest(h.Sum(nil)), ino, nil
		}
		h.Write((*buf)[:n])
		ino.Size += int64(n)
		if progress != nil {
			progress(int64(n))
		}
	}
	return sum, ino, ctx.Err()
}

// openPlain opens a file for reading, unless that would wait.
func openPlain(path string) (fd int, err error) {
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	open := func(more int) error {
		return ignoringEINTR(func() error { fd, err = unix.Open(path, flags|more, 0); return err })
	}
	err = open(unix.O_NONBLOCK | unix.O_NOATIME)
	if err == unix.EPERM { // O_NOATIME is for owners
		err = open(unix.O_NONBLOCK)
	}
	if err == unix.EAGAIN {
		// gc holds a lease on an image for a moment, to see whether anybody uses it; it is a
		// plain file, then, and waiting for it is short.
		err = open(0)
	}
	return fd, err
}
