package trash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Remove takes one entry of dir away: a file, a link, or a whole directory with what is in it.
// A missing entry is fs.ErrNotExist. A directory is hidden first, under a name that begins with
// a dot, so that nobody takes what is half removed for what it was.
func Remove(dir *os.File, name string) error { return RemoveWithin(context.Background(), dir, name) }

// RemoveWithin is Remove for as long as ctx lasts. With ctx's error it was not enough: what is left
// of the entry is hidden in dir, and whoever removes that goes on where this call was.
func RemoveWithin(ctx context.Context, dir *os.File, name string) error {
	err := unlink(int(dir.Fd()), name)
	if !isFull(err) {
		return pathError(dir, name, err)
	}
	if !IsHidden(name) {
		if to, err := move(dir, name, dir); err == nil {
			name = to
		} else if errors.Is(err, unix.ENOENT) {
			return pathError(dir, name, err)
		} // else it is removed under its own name, or cannot be
	}
	return drain(ctx, dir, name)
}

// IsHidden says whether an entry's name is one that Remove gives to what is half removed.
func IsHidden(name string) bool { return strings.HasPrefix(name, hidden) }

// Empty removes everything in dir, as far as it can and as long as ctx lasts: what had to stay (a
// mount point, somebody faster than us) is counted in left and named in the error, and is tried again
// the next time. Two processes may empty the same directory at once.
func Empty(ctx context.Context, dir *os.File) (removed, left int, err error) {
	return sweep(ctx, dir, func(name string) error { return RemoveWithin(ctx, dir, name) })
}

const (
	batch     = 512 // names of a directory read at a time, whatever a container put there
	maxErrors = 8   // named of one directory; the rest is counted
)

// sweep calls take for every entry of dir, again and again until nothing is left or nothing gives
// way any more: what failed for something inside may be empty by the next round. It ends with ctx, too.
func sweep(ctx context.Context, dir *os.File, take func(name string) error) (taken, left int, err error) {
	for {
		var errs []error
		progress := false
		left = 0
		if _, err := dir.Seek(0, io.SeekStart); err != nil {
			return taken, left, err
		}
		for {
			names, err := dir.Readdirnames(batch)
			for _, name := range names {
				if ctx.Err() != nil {
					return taken, left, ctx.Err()
				}
				err := take(name)
				if err == nil || errors.Is(err, fs.ErrNotExist) {
					progress = true
					taken++
					continue
				}
				if left++; left <= maxErrors {
					errs = append(errs, err)
				}
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return taken, left, err
			}
		}
		if !progress {
			return taken, left, errors.Join(errs...)
		}
	}
}

// drain removes the directory name of dir. Directories met inside are moved up into that one,
// whose list of entries is then the list of what is still to do: no recursion, no "..", a few
// file descriptors and one batch of names whatever the depth and width, nothing of it seen in
// dir, and no path that a live writer could bend, since every call names one entry of an open directory.
func drain(ctx context.Context, dir *os.File, name string) error {
	top, err := openDir(dir, name)
	if err != nil {
		return pathError(dir, name, err)
	}
	defer top.Close()
	leaveProject(top)
	if _, _, err := sweep(ctx, top, func(name string) error { return flatten(ctx, top, name) }); err != nil {
		return err
	}
	return pathError(dir, name, unlink(int(dir.Fd()), name))
}

// flatten removes one entry of top, moving directories that are not empty up into top.
func flatten(ctx context.Context, top *os.File, name string) error {
	err := unlink(int(top.Fd()), name)
	if !isFull(err) {
		return pathError(top, name, err)
	}
	sub, err := openDir(top, name)
	if err != nil {
		return pathError(top, name, err)
	}
	defer sub.Close()
	_, _, err = sweep(ctx, sub, func(name string) error {
		err := unlink(int(sub.Fd()), name)
		if isFull(err) {
			_, err = move(sub, name, top)
		}
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
			err = prune(ctx, sub, name, pruneDepth)
		}
		return pathError(sub, name, err)
	})
	if err != nil {
		return err
	}
	return pathError(top, name, unlink(int(top.Fd()), name))
}

var serial atomic.Uint64

// hidden begins the names that move gives.
const hidden = ".d-"

// move gives an entry of one directory a new name of ours in another, or the same.
func move(from *os.File, name string, to *os.File) (string, error) {
	for {
		moved := hidden + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatUint(serial.Add(1), 36)
		rename := func() error {
			return unix.Renameat2(int(from.Fd()), name, int(to.Fd()), moved, unix.RENAME_NOREPLACE)
		}
		err := rename()
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
			if unlock(int(from.Fd()), name) {
				err = rename()
			}
		}
		if !errors.Is(err, unix.EEXIST) {
			return moved, err
		}
	}
}

// isFull says whether an entry could not be unlinked because it is a directory with entries.
func isFull(err error) bool {
	return errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST)
}

// unlink removes a file or an empty directory, clearing the immutable and append-only flags that
// a container with the capability may have left on it or on its directory.
func unlink(dirfd int, name string) error {
	err := unlinkOnce(dirfd, name)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		if unlock(dirfd, name) {
			err = unlinkOnce(dirfd, name)
		}
	}
	return err
}

func unlinkOnce(dirfd int, name string) error {
	err := unix.Unlinkat(dirfd, name, 0)
	if errors.Is(err, unix.EISDIR) {
		err = unix.Unlinkat(dirfd, name, unix.AT_REMOVEDIR)
	}
	return err
}

// FS_IMMUTABLE_FL and FS_APPEND_FL of linux/fs.h.
const lockingFlags = 0x10 | 0x20

// unlock makes an entry and its directory removable, and says whether it changed anything.
func unlock(dirfd int, name string) (changed bool) {
	changed = clearFlags(dirfd)
	var st unix.Stat_t
	if unix.Fstat(dirfd, &st) == nil && st.Mode&0o700 != 0o700 {
		changed = unix.Fchmod(dirfd, 0o700) == nil || changed
	}
	// O_NONBLOCK and no other type than file and directory: a FIFO or a device is never opened.
	if unix.Fstatat(dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return changed
	}
	if t := st.Mode & unix.S_IFMT; t != unix.S_IFREG && t != unix.S_IFDIR {
		return changed
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR && st.Mode&0o700 != 0o700 {
		changed = allow(dirfd, name) || changed
	}
	fd, err := unix.Openat(dirfd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return changed
	}
	defer unix.Close(fd)
	return clearFlags(fd) || changed
}

func clearFlags(fd int) bool {
	flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if err != nil || flags&lockingFlags == 0 {
		return false
	}
	return unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(flags&^lockingFlags)) == nil
}

// openDir opens a directory entry without following a link and without entering a mount.
func openDir(dir *os.File, name string) (*os.File, error) {
	how := &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_BENEATH}
	fd, err := unix.Openat2(int(dir.Fd()), name, how)
	if errors.Is(err, unix.EACCES) && allow(int(dir.Fd()), name) {
		fd, err = unix.Openat2(int(dir.Fd()), name, how)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// allow gives a directory of mode 0000 back to its owner; root needs no mode. It is opened as a
// mere place, so that the mode changes of what was opened and not of what the name means by then.
func allow(dirfd int, name string) bool {
	if os.Geteuid() == 0 {
		return false
	}
	fd, err := unix.Openat(dirfd, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), 0o700) == nil
}

func pathError(dir *os.File, name string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EXDEV) {
		return fmt.Errorf("remove %q in %q: a mount is there: %w", name, dir.Name(), err)
	}
	return &fs.PathError{Op: "remove", Path: dir.Name() + "/" + name, Err: err}
}
