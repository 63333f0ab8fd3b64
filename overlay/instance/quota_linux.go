package instance

import (
	"encoding/binary"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"larder/overlay"
)

// What follows is in linux/fs.h, quota.h and dqblk_xfs.h, and not in x/sys.

// attributes is struct fsxattr.
type attributes struct {
	flags, extentSize, extents, project, copyExtentSize uint32
	_                                                   [8]byte
}

const (
	getAttributes  = 0x801c581f // FS_IOC_FSGETXATTR
	setAttributes  = 0x401c5820 // FS_IOC_FSSETXATTR
	inheritProject = 0x200      // FS_XFLAG_PROJINHERIT
)

func (a *attributes) call(dir *os.File, request uintptr) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, dir.Fd(), request, uintptr(unsafe.Pointer(a))); errno != 0 {
		return &os.PathError{Op: "project of", Path: dir.Name(), Err: errno}
	}
	return nil
}

// quota is struct if_dqblk: limits in blocks of 1024 bytes, space in bytes.
type quota struct {
	blockLimit, blockSoft, space uint64
	inodeLimit, inodeSoft        uint64
	inodes                       uint64
	_                            [2]uint64
	valid                        uint32
	_                            uint32
}

const (
	projects    = 2          // PRJQUOTA
	getQuota    = 0x800007   // Q_GETQUOTA
	setQuota    = 0x800008   // Q_SETQUOTA
	getState    = 'X'<<8 + 5 // Q_XGETQSTAT
	limitBlocks = 1          // QIF_BLIMITS
	inForce     = 1 << 5     // FS_QUOTA_PDQ_ENFD
)

func (q *quota) call(dir *os.File, command, id uint32) error {
	return quotactl(dir, command, id, unsafe.Pointer(q))
}

func quotactl(dir *os.File, command, id uint32, argument unsafe.Pointer) error {
	_, _, errno := unix.Syscall6(unix.SYS_QUOTACTL_FD, dir.Fd(), uintptr(command<<8|projects), uintptr(id), uintptr(argument), 0, 0)
	if errno != 0 {
		return &os.PathError{Op: "quota of", Path: dir.Name(), Err: errno}
	}
	return nil
}

// enforced says whether the file system of dir has project quotas that are in
// force, and not only counted.
func enforced(dir *os.File) error {
	var state [256]byte // struct fs_quota_stat
	err := quotactl(dir, getState, 0, unsafe.Pointer(&state))
	if err != nil || binary.NativeEndian.Uint16(state[2:])&inForce == 0 {
		return &overlay.Problem{Kind: overlay.ErrUnsupported, Text: fmt.Sprintf("the file system of %s has no project quotas in force", dir.Name()),
			Advice: QuotaFix}
	}
	return nil
}

// QuotaFix is what makes Limit possible.
const QuotaFix = "mount ext4 (made with -O quota,project) or xfs with prjquota; on btrfs give the store a file system of its own"
