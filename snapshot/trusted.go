package snapshot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// TrustedPath resolves the links in an absolute path and checks, as sshd's StrictModes do, that
// nobody but root and the caller can exchange what it leads to: every directory on the way is
// root's or the caller's, and nobody else can write to it unless it is sticky, as /tmp is. Without
// this, what is checked in a directory need not be what is deleted, renamed or given away there
// a moment later. What of the path does not exist is kept as it is. It wraps ErrStore.
func TrustedPath(path string) (string, error) {
	real, rest, err := resolve(path)
	if err != nil {
		return "", fmt.Errorf("check the way to %q: %w", path, err)
	}
	outside := Unmapped()
	for dir := "/"; ; {
		var st unix.Stat_t
		if err := unix.Lstat(dir, &st); err != nil {
			return "", fmt.Errorf("check the way to %q: %w", path, &fs.PathError{Op: "stat", Path: dir, Err: err})
		}
		if err := judge(path, dir, st, outside); err != nil {
			return "", err
		}
		if dir == real || st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return filepath.Join(real, rest), nil // nothing can be below a file
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(real[len(dir):], "/"), "/")
		dir = filepath.Join(dir, name)
	}
}

// resolve follows the links of the longest part of path that exists.
func resolve(path string) (real, rest string, err error) {
	for at := path; ; at = filepath.Dir(at) {
		real, err := filepath.EvalSymlinks(at)
		if err == nil {
			return real, strings.TrimPrefix(path[len(at):], "/"), nil
		}
		missing := errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
		if _, lerr := os.Lstat(at); lerr == nil || !missing {
			return "", "", err // a link that leads nowhere is none to make anything through
		}
	}
}

func judge(path, dir string, st unix.Stat_t, outside uint32) error {
	switch perm := st.Mode & 0o7777; {
	case st.Uid != 0 && st.Uid != uint32(os.Geteuid()) && st.Uid != outside:
		return &problem{kind: ErrStore,
			msg:  fmt.Sprintf("%q belongs to user %d, who could exchange %q below it", dir, st.Uid, path),
			hint: "name a place below directories of root's or your own"}
	case perm&0o022 != 0 && perm&unix.S_ISVTX == 0:
		return &problem{kind: ErrStore,
			msg:  fmt.Sprintf("%q is writable by others (mode %04o), who could exchange %q below it", dir, perm, path),
			hint: "chmod go-w " + dir + ", or name another place"}
	}
	return nil
}

// Unmapped is the user that the host's root is in a user namespace without it: nobody. In the
// host's own namespace it is root.
func Unmapped() uint32 {
	b, err := os.ReadFile("/proc/self/uid_map")
	if f := strings.Fields(string(b)); err != nil || len(f) == 3 && f[0] == "0" && f[1] == "0" {
		return 0
	}
	b, err = os.ReadFile("/proc/sys/kernel/overflowuid")
	if id, perr := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 32); err == nil && perr == nil {
		return uint32(id)
	}
	return 0
}
