package instance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"larder/overlay"
)

// makeInstance makes the directory of an instance and locks it. That one is there
// already is an error wrapping fs.ErrExist, and with keep none.
func makeInstance(dir string, keep bool) (*Instance, error) {
	parent, err := openParent(dir)
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	name := filepath.Base(dir)
	if err := unix.Mkdirat(int(parent.Fd()), name, 0o700); err != nil && !(keep && err == unix.EEXIST) {
		return nil, fmt.Errorf("make instance: %w", &os.PathError{Op: "mkdir", Path: dir, Err: err})
	}
	return lock(parent, name, dir)
}

// openParent opens the directory that an instance is in. Whoever may write to
// it could exchange the instance for something else of root's, so that is
// nobody but root and the caller, unless it is sticky. Links are not followed;
// who owns what is above it is the caller's to judge.
func openParent(dir string) (*os.File, error) {
	path := filepath.Dir(dir)
	fd, err := unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS})
	if err != nil {
		return nil, fmt.Errorf("open parent of instance: %w", &os.PathError{Op: "open", Path: path, Err: err})
	}
	parent := os.NewFile(uintptr(fd), path)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		parent.Close()
		return nil, fmt.Errorf("stat parent of instance: %w", &os.PathError{Op: "stat", Path: path, Err: err})
	}
	if st.Uid != 0 && int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0 && st.Mode&unix.S_ISVTX == 0 {
		parent.Close()
		return nil, &overlay.Problem{Kind: overlay.ErrRefused,
			Text:   fmt.Sprintf("instance %s is in a directory of user %d with mode %04o: others could exchange it", dir, st.Uid, st.Mode&0o7777),
			Advice: fmt.Sprintf("name a directory whose parent belongs to root or user %d, and that nobody else can write", os.Geteuid())}
	}
	return parent, nil
}

// openDir opens a directory of another, and neither a link nor what is mounted on it.
func openDir(parent *os.File, name string) (*os.File, error) {
	return overlay.OpenAt(parent, name, unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS})
}

// makeDir makes a directory with an owner and a mode that no umask changes.
func makeDir(parent *os.File, name string, owner overlay.Owner, mode os.FileMode) error {
	if err := unix.Mkdirat(int(parent.Fd()), name, 0o700); err != nil {
		return &os.PathError{Op: "mkdir", Path: filepath.Join(parent.Name(), name), Err: err}
	}
	dir, err := openDir(parent, name)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Chown(owner.UID, owner.GID); err != nil {
		return err
	}
	return dir.Chmod(mode)
}

// isDir says whether an entry is a directory.
func isDir(parent *os.File, name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(int(parent.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// removeEmpty removes what a crash before the record was written can have left:
// directories that were never mounted, so they are empty, but for a mask, in
// which all is ours.
func removeEmpty(parent *os.File, name string) error {
	dir, err := openDir(parent, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	root, err := os.OpenRoot(below(dir))
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.RemoveAll("m"); err != nil {
		return err
	}
	for _, d := range []string{"u", "w"} {
		if err := rmdir(dir, d); err != nil {
			return err
		}
	}
	return rmdir(parent, name)
}

func rmdir(parent *os.File, name string) error {
	if err := unix.Unlinkat(int(parent.Fd()), name, unix.AT_REMOVEDIR); err != nil && err != unix.ENOENT {
		return &os.PathError{Op: "rmdir", Path: filepath.Join(parent.Name(), name), Err: err}
	}
	return nil
}

// below is a path that leads into an open directory, wherever that is by now.
func below(dir *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(dir.Fd())) }
