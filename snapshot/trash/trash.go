package trash

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Remove takes one entry of dir away: a file, a link, or a whole directory with what is in it.
// A missing entry is fs.ErrNotExist.
func Remove(dir *os.File, name string) error {
	err := unlink(int(dir.Fd()), name)
	if !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
		return pathError(dir, name, err)
	}
	return drain(dir, name)
}

// Empty removes everything in dir, as far as it can: what had to stay (a mount point, somebody
// faster than us) is counted in left and named in the error, and is tried again the next time.
// Two processes may empty the same directory at once.
func Empty(dir *os.File) (removed, left int, err error) {
	var errs []error
	failed := map[string]bool{}
	again := true
	for {
		names, err := list(dir, -1)
		if err != nil {
			return removed, len(failed), errors.Join(append(errs, err)...)
		}
		progress := false
		for _, name := range names {
			if failed[name] {
				continue
			}
			progress = true
			if err := Remove(dir, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				failed[name] = true
				errs = append(errs, err)
				continue
			}
			removed++
		}
		if progress {
			continue
		}
		if len(failed) == 0 || !again {
			return removed, len(failed), errors.Join(errs...)
		}
		// Once more: what failed for something inside may be empty, now that that was moved up.
		again, errs = false, nil
		clear(failed)
	}
}

var serial atomic.Uint64

// drain removes the directory name of dir. Directories met inside are moved up into dir under a
// name of our own and join the list: no recursion, no "..", two file descriptors whatever the
// depth, and no path that a live writer could bend, since every call names one entry of an open directory.
func drain(dir *os.File, name string) error {
	work := []string{name}
	for len(work) > 0 {
		last := len(work) - 1
		next := work[last]
		sub, err := openDir(dir, next)
		if errors.Is(err, unix.ENOENT) {
			work = work[:last]
			continue
		}
		if err != nil {
			return pathError(dir, next, err)
		}
		moved, err := drainOne(dir, sub, &work)
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
			prune(sub, pruneDepth)
			moved, err = drainOne(dir, sub, &work)
		}
		sub.Close()
		if err != nil {
			return err
		}
		err = unlink(int(dir.Fd()), next)
		if moved && err != nil {
			continue // more than one batch in it: its turn comes again
		}
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return pathError(dir, next, err)
		}
		// Often empty by now, though what was in it is further up the list: taking it out here
		// keeps the list as short as the tree is wide, not as long as it is deep.
		work = append(work[:last], work[last+1:]...)
	}
	return nil
}

// drainOne empties sub of all but directories that are not empty, which it moves up. It stops
// after some hundreds so that the list stays short for a directory of a million directories.
func drainOne(dir, sub *os.File, work *[]string) (moved bool, err error) {
	for {
		names, err := list(sub, 512)
		if err != nil || len(names) == 0 {
			return moved, err
		}
		for _, n := range names {
			err := unlink(int(sub.Fd()), n)
			switch {
			case err == nil, errors.Is(err, unix.ENOENT):
			case errors.Is(err, unix.EISDIR), errors.Is(err, unix.ENOTEMPTY), errors.Is(err, unix.EEXIST):
				up, err := moveUp(dir, sub, n)
				if err != nil {
					return moved, pathError(sub, n, err)
				}
				*work = append(*work, up)
				moved = true
			default:
				return moved, pathError(sub, n, err)
			}
		}
		if moved {
			return true, nil
		}
	}
}

func moveUp(dir, sub *os.File, name string) (string, error) {
	for {
		up := ".d-" + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatUint(serial.Add(1), 36)
		rename := func() error {
			return unix.Renameat2(int(sub.Fd()), name, int(dir.Fd()), up, unix.RENAME_NOREPLACE)
		}
		err := rename()
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
			if unlock(int(sub.Fd()), name) {
				err = rename()
			}
		}
		if !errors.Is(err, unix.EEXIST) {
			return up, err
		}
	}
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

// list returns names of dir from its start: n at most, or all.
func list(dir *os.File, n int) ([]string, error) {
	if _, err := dir.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	names, err := dir.Readdirnames(n)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return names, err
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
