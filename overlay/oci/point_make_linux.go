package oci

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"larder/overlay"
)

// makeAll makes the directories that are missing on the way to want, below the
// deepest that is there.
func (c *Container) makeAll(p *overlay.Point, want string, o PointOptions) error {
	parts := strings.Split(strings.Trim(want, "/"), "/")
	at, dir := len(parts)-1, (*os.File)(nil)
	for ; ; at-- {
		var err error
		dir, err = overlay.Resolve(c.root, "/"+strings.Join(parts[:at], "/"))
		if err == nil {
			break
		}
		if !errors.Is(err, unix.ENOENT) || at == 0 {
			return err
		}
	}
	st, err := overlay.Status(dir)
	if err == nil && at > 0 {
		err = c.judgeParent(dir, want)
	}
	if err == nil && st.Mnt_id != c.rootMount && !o.Cover {
		err = c.judgeVolume(dir, st)
	}
	readOnly := err == nil && c.created && st.Mnt_id == c.rootMount && isReadOnly(dir)
	if readOnly {
		dir, err = writable(dir)
	}
	if err != nil {
		dir.Close()
		return err
	}
	for _, name := range parts[at:] {
		child, err := makeDir(dir, name, o.Owner)
		if err != nil {
			dir.Close()
			return err
		}
		parent, made := dir, p.Undo
		p.Made = append(p.Made, parent)
		p.Undo = func() {
			_ = unix.Unlinkat(int(parent.Fd()), name, unix.AT_REMOVEDIR)
			if made != nil {
				made()
			}
		}
		dir = child
	}
	if !readOnly {
		p.Dir = dir
		return nil
	}
	dir.Close()
	p.Dir, err = overlay.Resolve(c.root, want)
	return err
}

func isReadOnly(dir *os.File) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(int(dir.Fd()), &st) == nil && st.Flags&unix.ST_RDONLY != 0
}

// writable is the same directory where it can be written: a root that is to be read-only is so by a
// flag of its mount, which the runtime sets after createRuntime. A mount that nobody sees does
// without. A file system that is itself read-only stays so.
func writable(dir *os.File) (*os.File, error) {
	clone, err := overlay.Clone(dir)
	if err != nil {
		return dir, err
	}
	dir.Close()
	attr := unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(int(clone.Fd()), "", unix.AT_EMPTY_PATH, &attr); err != nil {
		return clone, fmt.Errorf("mount_setattr: %w", err)
	}
	return clone, nil
}

// judgeVolume refuses to make directories among files that the container may share with others: the
// host's, or somebody's home. st is dir's.
func (c *Container) judgeVolume(dir *os.File, st unix.Statx_t) error {
	table, err := c.mounts()
	if err != nil {
		return err
	}
	if at := slices.IndexFunc(table, func(m *mountinfo.Info) bool { return m.ID == int(st.Mnt_id) }); at >= 0 && containersOwn(table[at]) {
		return nil
	}
	if st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		if empty, err := c.empty(dir, "lost+found"); err != nil || empty {
			return err
		}
	}
	return errors.New("it would have to be made in a volume that is in use: make it there (mkdir -p), or set override in the profile")
}

// judgeParent refuses to make anything in the kernel's directories: a mkdir in
// a cgroup is a cgroup. The other rules are for the directory itself.
func (c *Container) judgeParent(dir *os.File, want string) error {
	kind, err := c.kernelFilesystem(dir)
	if err != nil {
		return err
	}
	if err := checkFilesystem(want, kind); err != nil {
		return err
	}
	at, err := c.pathOf(dir)
	if err != nil {
		return err
	}
	return checkResolved(want, path.Join(c.inRoot(at), "missing"))
}

// makeDir makes one directory and opens it. Another container that shares the
// file system could exchange it meanwhile, so what is given away afterwards is
// only what looks as mkdir left it: empty, or no older than that, as another hook on
// the same way makes the next directory in it at once.
func makeDir(parent *os.File, name string, owner overlay.Owner) (*os.File, error) {
	begin := coarseNow()
	if err := unix.Mkdirat(int(parent.Fd()), name, 0o700); err != nil {
		if err == unix.EEXIST {
			return nil, errInTheWay
		}
		return nil, &os.PathError{Op: "mkdir", Path: name, Err: err}
	}
	fail := func(err error) (*os.File, error) {
		_ = unix.Unlinkat(int(parent.Fd()), name, unix.AT_REMOVEDIR)
		return nil, &os.PathError{Op: "mkdir", Path: name, Err: err}
	}
	dir, err := overlay.OpenAt(parent, name, unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW, Resolve: overlay.Below})
	if err != nil {
		return fail(errno(err))
	}
	fd := int(dir.Fd())
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st); err != nil {
		dir.Close()
		return fail(err)
	}
	_, empty := dir.Readdirnames(1)
	if st.Uid != uint32(os.Geteuid()) || st.Mode&0o777&^0o700 != 0 || empty != io.EOF && !bornSince(st, begin) {
		dir.Close()
		return nil, fmt.Errorf("mkdir %s: exchanged by somebody else", name)
	}
	if err := unix.Fchown(fd, owner.UID, owner.GID); err != nil {
		dir.Close()
		return fail(err)
	}
	// After the owner: chown clears what chmod may set.
	if err := unix.Fchmod(fd, 0o755); err != nil {
		dir.Close()
		return fail(err)
	}
	return dir, nil
}

// coarseNow is the time that the kernel gives to files now.
func coarseNow() (now unix.Timespec) {
	_ = unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &now)
	return now
}

// bornSince says whether a file is known to be no older than begin.
func bornSince(st unix.Statx_t, begin unix.Timespec) bool {
	return st.Mask&unix.STATX_BTIME != 0 && begin.Sec > 0 &&
		(st.Btime.Sec > begin.Sec || st.Btime.Sec == begin.Sec && int64(st.Btime.Nsec) >= begin.Nsec)
}
