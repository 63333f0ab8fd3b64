package check

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"larder/snapshot"
)

// digest reads a plain file, without following a link or waiting on a pipe. A read that fails is
// tried once more: some disks need that.
func digest(ctx context.Context, path string, read func(int64)) (sum snapshot.Digest, size int64, err error) {
	for try := 0; ; try++ {
		sum, size, err = digestOnce(ctx, path, read)
		if err == nil || try > 0 || !errors.Is(err, unix.EIO) {
			return sum, size, err
		}
	}
}

func digestOnce(ctx context.Context, path string, read func(int64)) (snapshot.Digest, int64, error) {
	f, err := openPlain(path)
	if err != nil {
		return snapshot.Digest{}, 0, cause(err)
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		return snapshot.Digest{}, 0, errors.New("not a plain file")
	}
	h := sha256.New()
	buf := make([]byte, 256<<10)
	var size int64
	for {
		if err := ctx.Err(); err != nil {
			return snapshot.Digest{}, 0, err
		}
		n, err := f.Read(buf)
		h.Write(buf[:n])
		size += int64(n)
		if read != nil {
			read(int64(n))
		}
		if err == io.EOF {
			return snapshot.Digest(h.Sum(nil)), size, nil
		}
		if err != nil {
			return snapshot.Digest{}, size, cause(err)
		}
	}
}

// cause drops the path from an error: the finding names it shorter.
func cause(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// openPlain opens a file without following a link, waiting on a pipe, or leaving an access time.
func openPlain(path string) (*os.File, error) {
	const flags = os.O_RDONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	f, err := os.OpenFile(path, flags|unix.O_NONBLOCK|unix.O_NOATIME, 0)
	if errors.Is(err, unix.EPERM) { // O_NOATIME is for owners
		f, err = os.OpenFile(path, flags|unix.O_NONBLOCK, 0)
	}
	if errors.Is(err, unix.EAGAIN) {
		// gc holds a lease on the image for a moment, to see whether anybody uses it; it is a
		// plain file, then, and waiting for it is short.
		f, err = os.OpenFile(path, flags, 0)
	}
	return f, err
}
