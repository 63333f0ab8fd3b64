package venv

import (
	"errors"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"larder/overlay"
)

// perName is what a name that is listed takes beside its bytes.
const perName = 32

// finder reads below an environment's directory.
type finder struct {
	root   int
	budget *overlay.Budget // of all that is read, names included
}

// open opens below the environment's directory, and nowhere else.
func (f *finder) open(name string, flags uint64) (int, error) {
	how := unix.OpenHow{Flags: flags | unix.O_NONBLOCK | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV}
	if flags&unix.O_PATH != 0 {
		how.Flags &^= unix.O_NONBLOCK // the kernel wants none with O_PATH
	}
	for try := 0; ; try++ {
		fd, err := unix.Openat2(f.root, name, &how)
		// Somebody's rename can make it EAGAIN, but not for ever.
		if (err == unix.EINTR || err == unix.EAGAIN) && try < 100 {
			continue
		}
		if err != nil {
			return -1, &os.PathError{Op: "open", Path: name, Err: err}
		}
		return fd, nil
	}
}

// unfit are the errors of a path that leads to nothing of the environment's.
func unfit(err error) bool {
	for _, e := range []error{unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.EXDEV, unix.ENAMETOOLONG} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// list returns the names in a directory, none when it is no directory.
func (f *finder) list(dir string) ([]string, error) {
	fd, err := f.open(dir, unix.O_RDONLY|unix.O_DIRECTORY)
	if unfit(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return f.names(fd)
}

func (f *finder) names(fd int) ([]string, error) {
	again, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	d := os.NewFile(uintptr(again), "directory")
	defer d.Close()
	var all []string
	for {
		names, err := d.Readdirnames(1000)
		all = append(all, names...)
		size := 0
		for _, name := range names {
			size += len(name) + perName
		}
		if err := f.budget.Take(int64(size)); err != nil {
			return nil, err
		}
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// record hands the RECORD of a dist-info to read, if it is a regular file. It is
// opened without being opened (O_PATH) until that is known: opening a device acts.
func (f *finder) record(d distInfo, read func(io.Reader) error) error {
	fd, err := f.open(d.path()+"/RECORD", unix.O_PATH)
	if unfit(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return err
	}
	r, err := os.OpenFile("/proc/thread-self/fd/"+strconv.Itoa(fd), os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	return read(f.budget.Reader(r))
}
