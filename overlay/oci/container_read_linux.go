package oci

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"larder/overlay"
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
	found, err := overlay.OpenAt(c.root, path.Clean(name),
		unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return fail(errno(err))
	}
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
	f, err := c.openProc("thread-self/fd/"+strconv.Itoa(int(found.Fd())), unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	data, err := io.ReadAll(overlay.Counted(io.LimitReader(f, limit+1), c.Reads.Take))
	if err != nil {
		return fail(err)
	}
	if int64(len(data)) > limit {
		return fail(fmt.Errorf("larger than %d bytes", limit))
	}
	return data, nil
}

// Find says where a regular file lies below the container's root, links followed as a process of it would
// follow them, and its permissions. It is not opened for reading.
func (c *Container) Find(name string) (at string, mode os.FileMode, err error) {
	if err := checkPoint(name); err != nil {
		return "", 0, fmt.Errorf("%w: find %.80q: no plain absolute path", ErrContainer, name)
	}
	err = c.inside(func() error {
		at, mode, err = c.find(path.Clean(name))
		return err
	})
	if err != nil {
		return "", 0, fmt.Errorf("%w: find %.80q: %w", ErrContainer, name, errno(err))
	}
	return at, mode, nil
}

func (c *Container) find(name string) (at string, mode os.FileMode, err error) {
	f, err := overlay.OpenAt(c.root, name, unix.OpenHow{Flags: unix.O_PATH, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		return "", 0, err
	}
	if at, err = c.pathOf(f); err != nil {
		return "", 0, err
	}
	if !strings.HasPrefix(at, c.rootPath+"/") {
		return "", 0, errors.New("it leads out of the container's root")
	}
	return c.inRoot(at), st.Mode().Perm(), nil
}

// errno is the reason without the path, which the message names already.
func errno(err error) error {
	if e := (*os.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

// IsDir says whether name is a directory below the container's root, as a process of it would
// find it.
func (c *Container) IsDir(name string) bool {
	return checkPoint(name) == nil && c.inside(func() error {
		dir, err := overlay.Resolve(c.root, path.Clean(name))
		if err == nil {
			dir.Close()
		}
		return err
	}) == nil
}
