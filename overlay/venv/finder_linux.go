package venv

import (
	"errors"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// finder reads below an environment's directory.
type finder struct {
	root   int
	listed int // names so far
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
		if f.listed += len(names); f.listed > maxListed {
			return nil, errTooMuch
		}
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// read returns a regular file's content, nil when it is none. It is opened
// without being opened (O_PATH) until that is known: opening a device acts.
func (f *finder) read(name string) ([]byte, error) {
	fd, err := f.open(name, unix.O_PATH)
	if unfit(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, err
	}
	r, err := os.OpenFile("/proc/thread-self/fd/"+strconv.Itoa(fd), os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxRecord+1))
	if err == nil && len(data) > maxRecord {
		err = errTooMuch
	}
	return data, err
}
