package overlay

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Beside opens the directory at a path below another one, through no link; nil: it is not there. at is what it is called.
func Beside(dir *os.File, path, at string) (*os.File, error) {
	f, err := OpenAt(dir, path, unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS})
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, unix.ENOENT):
		return nil, nil
	case errors.Is(err, unix.ELOOP):
		return nil, ThroughLink(at)
	case errors.Is(err, unix.ENOTDIR):
		return nil, &Problem{ErrRefused, fmt.Sprintf("%.200q, where an environment is to be mounted in, is no directory", at), "move it away"}
	}
	return nil, fmt.Errorf("%.200q, where an environment is to be mounted in: %w", at, err)
}

// ThroughLink is about a directory that is a link, or below one, and must not be.
func ThroughLink(at string) error {
	return &Problem{ErrRefused, fmt.Sprintf("%.200q, where an environment is to be mounted, is a symbolic link, or lies behind one", at), "have a directory there"}
}
