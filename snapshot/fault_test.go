package snapshot

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestHostFault(t *testing.T) {
	network := func(errno unix.Errno) error {
		return &url.Error{Op: "Get", Err: &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", errno)}}
	}
	path := func(errno unix.Errno) error { return &fs.PathError{Op: "open", Path: "x", Err: errno} }
	for _, tt := range []struct {
		err  error
		want unix.Errno
	}{
		{nil, 0},
		{errors.New("x"), 0},
		{fs.ErrNotExist, 0},
		{unix.EIO, unix.EIO},
		{fmt.Errorf("stock: %w", path(unix.EACCES)), unix.EACCES},
		{errors.Join(errors.New("x"), fmt.Errorf("%w: %w", ErrDamaged, path(unix.EINTR))), unix.EINTR},
		{&problem{kind: ErrSpace, err: unix.ENOSPC}, unix.ENOSPC},
		{network(unix.ECONNREFUSED), 0},
		{fmt.Errorf("fetch: %w", network(unix.EACCES)), 0},
		{network(unix.EMFILE), unix.EMFILE},
		{errors.Join(network(unix.ECONNRESET), path(unix.EROFS)), unix.EROFS},
	} {
		if got := HostFault(tt.err); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.err, got, tt.want)
		}
	}
}
