package overlay

import (
	"os"

	"golang.org/x/sys/unix"
)

// FlagsBelow are the flags (MOUNT_ATTR_*) of the mount that a mount point is
// on, as far as a view put there would undo them: read-only and noexec. Every
// view is nosuid and nodev.
//
// That the mount of root is read-only does not count: an image is read-only so
// that nobody changes it, and its caches are written all the same. A volume is
// read-only because somebody said so of the volume.
func FlagsBelow(point, root *os.File) (flags int, err error) {
	var st unix.Statfs_t
	if _, err := retry(func() (int, error) { return 0, unix.Fstatfs(fdOf(point), &st) }); err != nil {
		return 0, newError("statfs", point.Name(), "", "", err)
	}
	if st.Flags&unix.ST_NOEXEC != 0 {
		flags |= unix.MOUNT_ATTR_NOEXEC
	}
	if st.Flags&unix.ST_RDONLY == 0 {
		return flags, nil
	}
	own, err := Status(point)
	if err != nil {
		return 0, err
	}
	if of, err := Status(root); err != nil || of.Mnt_id == own.Mnt_id {
		return flags, err
	}
	return flags | unix.MOUNT_ATTR_RDONLY, nil
}

// Restrict adds flags (MOUNT_ATTR_*) to a detached mount.
func Restrict(m *os.File, flags int) error {
	if flags == 0 {
		return nil
	}
	if err := unix.MountSetattr(fdOf(m), "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: uint64(flags)}); err != nil {
		return newError("mount_setattr", m.Name(), "", "", err)
	}
	return nil
}
