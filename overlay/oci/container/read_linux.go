package container

import (
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// ReadFile reads a regular file below the container's root as a process of it
// would find it. It is opened without being opened (O_PATH) until it is known
// to be a regular file: opening a FIFO waits and opening a device acts. What is
// read counts in Reads too.
func (c *Container) ReadFile(name string, limit int64) ([]byte, error) {
	var data []byte
	err := c.inside(func() (err error) {
		data, err = c.readFile(name, limit)
		return err
	})
	return data, err
}

func (c *Container) readFile(name string, limit int64) ([]byte, error) {
	if err := checkPoint(name); err != nil {
		return nil, fmt.Errorf("%w: read %.80q: no plain absolute path", ErrContainer, name)
	}
	fail := func(err error) ([]byte, error) {
		return nil, fmt.Errorf("%w: read %.80q: %w", ErrContainer, name, err)
	}
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	fd, err := retryAgain(func() (int, error) { return unix.Openat2(int(c.root.Fd()), path.Clean(name), &how) })
	if err != nil {
		return fail(err)
	}
	found := os.NewFile(uintptr(fd), name)
	defer found.Close()
	info, err := found.Stat()
	if err != nil {
		return fail(err)
	}
	if !info.Mode().IsRegular() {
		return fail(fmt.Errorf("not a regular file"))
	}
	magic, err := filesystem(found)
	if err != nil {
		return fail(err)
	}
	if kind, ok := forbidden[magic]; ok {
		return fail(fmt.Errorf("on %s", kind))
	}
	f, err := c.openProc("thread-self/fd/"+strconv.Itoa(fd), unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	data, err := io.ReadAll(c.Reads.Reader(io.LimitReader(f, limit+1)))
	if err != nil {
		return fail(err)
	}
	if int64(len(data)) > limit {
		return fail(fmt.Errorf("larger than %d bytes", limit))
	}
	return data, nil
}

// retryAgain repeats a scoped open: the kernel gives up with EAGAIN when
// something is renamed on the host meanwhile, which a container can provoke,
// so not for ever.
func retryAgain(call func() (int, error)) (int, error) {
	deadline := time.Now().Add(50 * time.Millisecond)
	for {
		fd, err := call()
		if err != unix.EINTR && err != unix.EAGAIN || time.Now().After(deadline) {
			return fd, err
		}
	}
}
