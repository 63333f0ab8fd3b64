package snapshot

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// dirID tells a directory from every other, also after the disk it is on was mounted again. The
// number of a device does not: it is handed out in the order in which devices are found.
type dirID struct {
	Inode uint64 `json:"inode"`
	Birth int64  `json:"birth,omitempty"` // ns since 1970; 0 where the file system does not keep it
	FSID  string `json:"fsid,omitempty"`  // of statfs; "" where it is only the device's number, as on XFS
}

func statDir(path string) (dirID, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return dirID{}, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	return dirIDOf(fd)
}

func dirIDOf(fd int) (dirID, error) {
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_BTIME, &st); err != nil {
		return dirID{}, fmt.Errorf("statx: %w", err)
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return dirID{}, fmt.Errorf("statfs: %w", err)
	}
	id := dirID{Inode: st.Ino}
	if st.Mask&unix.STATX_BTIME != 0 {
		id.Birth = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	}
	fsid := uint64(uint32(fs.Fsid.Val[1]))<<32 | uint64(uint32(fs.Fsid.Val[0]))
	if fsid != 0 && fsid != unix.Mkdev(st.Dev_major, st.Dev_minor) {
		id.FSID = fmt.Sprintf("%016x", fsid)
	}
	return id, nil
}

// same says whether two are one directory for certain. Every disk has a root of the same inode
// number, and two that were made in one second one birth.
func (a dirID) same(b dirID) bool { return a == b && (a.Birth != 0 || a.FSID != "") }
