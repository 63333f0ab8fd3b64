package pypi

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
	root *os.File
	take func(n int64) error // counts all that is read, names included
}

// open opens below the environment's directory, and nowhere else.
func (f *finder) open(name string, flags uint64) (*os.File, error) {
	if flags&unix.O_PATH == 0 {
		flags |= unix.O_NONBLOCK // the kernel wants none with O_PATH
	}
	return overlay.OpenAt(f.root, name, unix.OpenHow{Flags: flags | unix.O_NOFOLLOW, Resolve: overlay.Below})
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
	d, err := f.open(dir, unix.O_RDONLY|unix.O_DIRECTORY)
	if unfit(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return f.names(d)
}

func (f *finder) names(d *os.File) ([]string, error) {
	var all []string
	for {
		names, err := d.Readdirnames(1000)
		all = append(all, names...)
		size := 0
		for _, name := range names {
			size += len(name) + perName
		}
		if err := f.take(int64(size)); err != nil {
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
	found, err := f.open(d.path()+"/RECORD", unix.O_PATH)
	if unfit(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer found.Close()
	if st, err := found.Stat(); err != nil || !st.Mode().IsRegular() {
		return err
	}
	r, err := os.OpenFile("/proc/thread-self/fd/"+strconv.Itoa(int(found.Fd())), os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	return read(overlay.Counted(r, f.take))
}
