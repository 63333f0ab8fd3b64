package misses

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// openBelow opens a name in a directory: no link, no other file system, nothing
// above.
func openBelow(dir int, name string, flags uint64) (int, error) {
	return unix.Openat2(dir, name, &unix.OpenHow{
		Flags:   flags | unix.O_CLOEXEC | unix.O_NOFOLLOW,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
	})
}

// copiedUp says whether a file is one of the mount's own that came into the upper because its owner,
// mode or times were changed: nobody downloaded it. The kernel marks such files, those of lowers that
// it cannot find again too (with an empty value). Clients write new files, under other names first.
func copiedUp(dir int, name string) bool {
	_, err := unix.Lgetxattr(fmt.Sprintf("/proc/self/fd/%d/%s", dir, name), "trusted.overlay.origin", nil)
	return err == nil
}

// openRegular opens a plain file for reading. It is first opened as a path
// only and judged: opening a device can act on it, opening a FIFO waits.
func openRegular(dir int, name string) (*os.File, int64, error) {
	fd, err := openBelow(dir, name, unix.O_PATH)
	if err != nil {
		return nil, 0, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, 0, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, 0, errors.New("not a plain file")
	}
	f, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), os.O_RDONLY|unix.O_CLOEXEC, 0)
	return f, st.Size, err
}

// dir is a directory of the upper that is scanned.
type dir struct {
	scan *scan
	top  int // the upper
	fd   int
}

// Read implements ecosystem.Dir. What is read counts against the scan's limit.
func (d dir) Read(name string, read func(r io.ReaderAt, size int64) error) error {
	f, size, err := openRegular(d.fd, name)
	if err != nil {
		return err
	}
	defer f.Close()
	return read(&counter{ReaderAt: f, n: &d.scan.bytes}, size)
}

// Has implements ecosystem.Dir.
func (d dir) Has(sub, file string) bool {
	fd, err := openBelow(d.fd, sub, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	return unix.Fstatat(fd, file, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG
}

// New implements ecosystem.Dir.
func (d dir) New(path ...string) bool {
	if len(path) == 0 {
		return false
	}
	above, name := d.top, path[len(path)-1]
	if len(path) > 1 {
		fd, err := openBelow(d.top, strings.Join(path[:len(path)-1], "/"), unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return false
		}
		defer unix.Close(fd)
		above = fd
	}
	var st unix.Stat_t
	return !strings.Contains(name, "/") && unix.Fstatat(above, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && !copiedUp(above, name)
}

// counter adds up what is read through it.
type counter struct {
	io.ReaderAt
	n *int64
}

func (c *counter) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, off)
	*c.n += int64(n)
	return n, err
}
