package misses

import (
	"fmt"
	"io"
	"os"

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
		return nil, 0, errEntry
	}
	f, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), os.O_RDONLY|unix.O_CLOEXEC, 0)
	return f, st.Size, err
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
