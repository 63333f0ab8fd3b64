package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"larder/overlay"
)

// openPoint opens the directory at path for user u, and with create makes what
// is missing of it. means is what the user names another one with. It must run on a thread that shares its file-system
// identity with nobody.
//
// Links: only those that root made are followed (/home -> /var/home). The path
// goes through directories of the user's, we are root, and what comes out gets
// a writable copy mounted on it. Who is not root follows any: there is nothing to gain.
func openPoint(path string, u User, create bool, means string) (*overlay.Point, error) {
	dir, err := walk(path, u, create, means)
	if err != nil {
		return nil, err
	}
	p := &overlay.Point{Dir: dir}
	if err = describe(p, u, means); err == nil {
		p.Below, err = overlay.Clone(dir)
	}
	if err != nil {
		dir.Close()
		return nil, err
	}
	return p, nil
}

func describe(p *overlay.Point, u User, means string) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(p.Dir.Fd()), &st); err != nil {
		return &os.PathError{Op: "stat", Path: p.Dir.Name(), Err: err}
	}
	real, err := os.Readlink("/proc/thread-self/fd/" + strconv.Itoa(int(p.Dir.Fd())))
	if err != nil {
		return fmt.Errorf("name mount point: %w", err)
	}
	p.Path, p.Owner, p.Mode = real, overlay.Owner{UID: int(st.Uid), GID: int(st.Gid)}, os.FileMode(st.Mode&0o777)
	switch {
	case real == "/":
		return &overlay.Problem{Kind: overlay.ErrRefused, Text: "/ is no mount point for a view"}
	case u.Owner.UID != 0 && p.Owner.UID != u.Owner.UID:
		return &overlay.Problem{Kind: overlay.ErrRefused,
			Text:   fmt.Sprintf("%s belongs to user %d, and the command runs as user %d", real, p.Owner.UID, u.Owner.UID),
			Advice: "give the directory to that user, or name another with " + means}
	}
	if os.Geteuid() != 0 {
		p.Owner.GID = u.Owner.GID // the one group that is known in the user's own namespace
	}
	if err := checkMounts(real); err != nil {
		return err
	}
	root, err := openDir(unix.AT_FDCWD, "/")
	if err != nil {
		return &os.PathError{Op: "open", Path: "/", Err: err}
	}
	defer root.Close()
	p.Flags, err = overlay.FlagsBelow(p.Dir, root)
	return err
}

// checkMounts refuses a mount point with mounts below it, and tells one that
// has a view already.
func checkMounts(path string) error {
	f, err := os.Open("/proc/thread-self/mountinfo") // self would be the first thread's namespace
	if err != nil {
		return fmt.Errorf("read mount table: %w", err)
	}
	defer f.Close()
	mounts, err := mountinfo.GetMountsFromReader(f, mountinfo.PrefixFilter(path))
	if err != nil {
		return fmt.Errorf("read mount table: %w", err)
	}
	for _, m := range mounts {
		switch {
		case m.Mountpoint != path:
			return &overlay.Problem{Kind: overlay.ErrRefused, Text: fmt.Sprintf("something is mounted at %s, below the mount point %s", m.Mountpoint, path),
				Advice: "unmount it, or name another directory"}
		case strings.HasPrefix(m.Source, overlay.SourcePrefix):
			return errAttached
		}
	}
	return nil
}

// errAttached means that a view is there already: a run inside a run, or
// inside a container that the hook attended to.
var errAttached = errors.New("a view is attached there already")

const maxLinks = 40 // the kernel's own limit

func walk(path string, u User, create bool, means string) (*os.File, error) {
	if !filepath.IsAbs(path) {
		return nil, &overlay.Problem{Kind: overlay.ErrRefused, Text: fmt.Sprintf("mount point %q is not an absolute path", path)}
	}
	dir, err := openDir(unix.AT_FDCWD, "/")
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: "/", Err: err}
	}
	rest := strings.Split(strings.Trim(filepath.Clean(path), "/"), "/")
	links := 0
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		if name == "" || name == "." {
			continue
		}
		next, err := unix.Openat(int(dir.Fd()), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.ENOENT) && create {
			if err = mkdirAs(dir, name, u.Owner); err == nil || errors.Is(err, fs.ErrExist) {
				next, err = unix.Openat(int(dir.Fd()), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
			}
		}
		if err != nil {
			dir.Close()
			return nil, &os.PathError{Op: "open " + strconv.Quote(name) + " of mount point", Path: path, Err: err}
		}
		target, err := linkTarget(next, path, name, means)
		if err == nil && target != "" {
			unix.Close(next)
			if links++; links > maxLinks {
				dir.Close()
				return nil, &os.PathError{Op: "open mount point", Path: path, Err: unix.ELOOP}
			}
			rest = append(strings.Split(target, "/"), rest...)
			if !strings.HasPrefix(target, "/") {
				continue
			}
			next, err = unix.Openat(unix.AT_FDCWD, "/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		}
		dir.Close()
		if err != nil {
			return nil, err
		}
		dir = os.NewFile(uintptr(next), path)
	}
	return dir, nil
}

// linkTarget returns "" for a directory, the target of a link of root's, and
// an error for anything else; with an error, fd is closed.
func linkTarget(fd int, path, name, means string) (target string, err error) {
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	switch {
	case err != nil:
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return "", nil
	case st.Mode&unix.S_IFMT != unix.S_IFLNK:
		err = unix.ENOTDIR
	case st.Uid != 0 && os.Geteuid() == 0:
		unix.Close(fd)
		return "", &overlay.Problem{Kind: overlay.ErrRefused,
			Text:   fmt.Sprintf("%q in %s is a symbolic link of user %d: not followed", name, path, st.Uid),
			Advice: "name the real directory with " + means}
	default:
		buf := make([]byte, unix.PathMax)
		var n int
		if n, err = unix.Readlinkat(fd, "", buf); err == nil {
			return string(buf[:n]), nil
		}
	}
	unix.Close(fd)
	return "", &os.PathError{Op: "open " + strconv.Quote(name) + " of mount point", Path: path, Err: err}
}

func openDir(at int, name string) (*os.File, error) {
	fd, err := unix.Openat(at, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// mkdirAs makes a directory with the user's own rights: the kernel decides
// whether that user may, and whose it is. File-system ids are the thread's.
func mkdirAs(dir *os.File, name string, o overlay.Owner) error {
	if o.UID == 0 {
		return unix.Mkdirat(int(dir.Fd()), name, 0o700)
	}
	gid, err := unix.SetfsgidRetGid(o.GID)
	if err != nil {
		return err
	}
	defer unix.SetfsgidRetGid(gid)
	uid, err := unix.SetfsuidRetUid(o.UID)
	if err != nil {
		return err
	}
	defer unix.SetfsuidRetUid(uid)
	return unix.Mkdirat(int(dir.Fd()), name, 0o700)
}
