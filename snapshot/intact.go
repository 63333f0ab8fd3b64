package snapshot

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// CheckImage reads a snapshot's image and compares it with the id. Whoever takes something from an
// image to make something new checks it first: a damaged one may read well. ErrDamaged when it is
// missing, no plain file, or other bytes; any other error is the host's.
func (s *Store) CheckImage(id ID) error {
	problemOf := func(why string, err error) error {
		return &problem{kind: ErrDamaged, msg: "image of snapshot " + id.Short() + ": " + why, err: err,
			hint: "larder verify says what is damaged; larder build makes it again"}
	}
	sum, st, err := sumFile(s.ImagePath(id))
	switch {
	case isDamage(err):
		return problemOf("cannot be read", errno(err))
	case err != nil:
		return fmt.Errorf("check image of snapshot %s: %w", id.Short(), errno(err))
	case sum != id:
		return problemOf(fmt.Sprintf("its %d bytes have digest %s", st.Size, sum.Short()), nil)
	}
	return nil
}

// CheckObject reads an object of the pool and compares it with its name, mode and all; it returns
// its size. ErrDamaged when it is missing (fs.ErrNotExist too), no plain file, has another mode,
// holds other bytes or cannot be read; any other error is the host's.
func (s *Store) CheckObject(o Object) (size int64, err error) {
	problemOf := func(why string, err error) error {
		return &problem{kind: ErrDamaged, msg: "object " + o.Path() + " " + why, err: err, hint: "larder verify says what needs it"}
	}
	sum, st, err := sumFile(s.join(objectsName, o.Path()))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, problemOf("is missing", fs.ErrNotExist)
	case isDamage(err):
		return 0, problemOf("cannot be read", errno(err))
	case err != nil:
		return 0, fmt.Errorf("check object %s: %w", o, errno(err))
	case st.Mode != unix.S_IFREG|o.Mode():
		return 0, problemOf(fmt.Sprintf("has mode %04o, want %04o", st.Mode&0o7777, o.Mode()), nil)
	case sum != o.Digest:
		return 0, problemOf(fmt.Sprintf("holds %d other bytes", st.Size), nil)
	}
	return st.Size, nil
}

var errNotPlain = errors.New("not a plain file")

// isDamage tells what is wrong with a file from what is wrong with the host: too many open files
// or no permission say nothing about the bytes.
func isDamage(err error) bool {
	for _, kind := range []error{errNotPlain, unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.ENXIO, unix.EIO, unix.EBADMSG, unix.EUCLEAN} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// sumFile hashes a plain file, without following a link or waiting on a pipe. The size is that of
// the bytes read.
func sumFile(path string) (sum Digest, st unix.Stat_t, err error) {
	const flags = os.O_RDONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	f, err := os.OpenFile(path, flags|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.EAGAIN) {
		f, err = os.OpenFile(path, flags, 0) // gc looks for a moment whether anybody uses this image
	}
	if err != nil {
		return sum, st, err
	}
	defer f.Close()
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return sum, st, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return sum, st, errNotPlain
	}
	h := sha256.New()
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	// Through os.File's own WriteTo it would be a buffer of 32 kB for every file.
	st.Size, err = io.CopyBuffer(h, struct{ io.Reader }{f}, (*buf)[:cap(*buf)])
	return Digest(h.Sum(nil)), st, err
}
