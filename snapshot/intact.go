package snapshot

import (
	"context"
	"errors"
	"fmt"
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
	sum, st, err := SumFile(context.Background(), s.ImagePath(id), nil)
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

// CheckObject reads an object of the pool and compares it with its name, mode and owner too; it
// returns its size. ErrDamaged when it is missing (fs.ErrNotExist too), no plain file, has another
// mode or owner, holds other bytes or cannot be read; any other error is the host's.
func (s *Store) CheckObject(o Object) (size int64, err error) {
	ino, err := s.readObject(o)
	if err != nil {
		return 0, err
	}
	return ino.Size, nil
}

// readObject is CheckObject. The inode is as it was before the first byte was read.
func (s *Store) readObject(o Object) (unix.Stat_t, error) {
	sum, ino, err := SumFile(context.Background(), s.join(objectsName, o.Path()), nil)
	if err = judgeObject(o, ino, err); err == nil && sum != o.Digest {
		err = damagedObject(o, fmt.Sprintf("holds %d other bytes", ino.Size), nil)
	}
	return ino, err
}

// statObject is CheckObject without reading.
func (s *Store) statObject(o Object) (ino unix.Stat_t, err error) {
	path := s.join(objectsName, o.Path())
	err = ignoringEINTR(func() error { return unix.Lstat(path, &ino) })
	return ino, judgeObject(o, ino, err)
}

// judgeObject says what is wrong with an object's file by its inode, or by the error of looking at it.
func judgeObject(o Object, ino unix.Stat_t, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return damagedObject(o, "is missing", fs.ErrNotExist)
	case isDamage(err):
		return damagedObject(o, "cannot be read", errno(err))
	case err != nil:
		return fmt.Errorf("check object %s: %w", o, errno(err))
	case ino.Mode&unix.S_IFMT != unix.S_IFREG:
		return damagedObject(o, "cannot be read", errNotPlain)
	case ino.Mode != unix.S_IFREG|o.Mode():
		return damagedObject(o, fmt.Sprintf("has mode %04o, want %04o", ino.Mode&0o7777, o.Mode()), nil)
	case ino.Uid != uint32(os.Geteuid()):
		return damagedObject(o, fmt.Sprintf("belongs to user %d", ino.Uid), nil)
	}
	return nil
}

func damagedObject(o Object, why string, err error) error {
	return &problem{kind: ErrDamaged, msg: "object " + o.Path() + " " + why, err: err, hint: "larder verify says what needs it"}
}

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
