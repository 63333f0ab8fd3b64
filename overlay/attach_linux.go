package overlay

import (
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Attach puts a detached mount on an open directory, by descriptor: whatever
// happens to the path meanwhile, the mount lands where it was resolved to. The
// calling thread must be in the directory's mount namespace.
func Attach(m, point *os.File) error {
	_, err := retry(func() (int, error) {
		return 0, unix.MoveMount(fdOf(m), "", fdOf(point), "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
	})
	if err != nil {
		return newError("move_mount", m.Name(), point.Name(), "", err)
	}
	return nil
}

// Resolve opens a directory below root as a process chrooted there would see
// it: links are followed, none leads out, magic links (/proc/self/root and its
// like) are refused. What comes back is an O_PATH descriptor.
func Resolve(root *os.File, path string) (*os.File, error) {
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	return OpenAt(root, path, how)
}

// Below are the ways to resolve a path that lead to what is below a directory and on its file
// system, through no link.
const Below = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV

// OpenAt opens a path below a directory as openat2(2) does.
func OpenAt(dir *os.File, path string, how unix.OpenHow) (*os.File, error) {
	how.Flags |= unix.O_CLOEXEC
	fd, err := openat2(dir, path, &how)
	path = filepath.Join(dir.Name(), path)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// openat2 retries EAGAIN: the kernel gives up a scoped lookup when anything is
// renamed on the host meanwhile. Somebody renaming in a loop must not hold us
// up for ever.
func openat2(dir *os.File, path string, how *unix.OpenHow) (int, error) {
	var deadline time.Time
	for {
		fd, err := unix.Openat2(fdOf(dir), path, how)
		switch err {
		case unix.EINTR:
		case unix.EAGAIN:
			if deadline.IsZero() {
				deadline = time.Now().Add(50 * time.Millisecond)
			} else if time.Now().After(deadline) {
				return -1, err
			}
		default:
			return fd, err
		}
	}
}

// Status asks for what is known without asking a server: a network or FUSE file system that does
// not answer would hold us up. Which mount the file is on, and whether it is its root, is there.
func Status(f *os.File) (st unix.Statx_t, err error) {
	err = unix.Statx(fdOf(f), "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_BASIC_STATS|unix.STATX_MNT_ID, &st)
	if err == nil && (st.Mask&unix.STATX_MNT_ID == 0 || st.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT == 0) {
		err = unix.ENOSYS
	}
	if err != nil {
		return st, &os.PathError{Op: "statx", Path: f.Name(), Err: err}
	}
	return st, nil
}

// IsMountPoint says whether an open directory is the root of a mount.
func IsMountPoint(dir *os.File) (bool, error) {
	st, err := Status(dir)
	return st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0, err
}
