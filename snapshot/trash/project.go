package trash

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The file attributes that linux/fs.h calls fsxattr; x/sys has neither them nor their calls.
type attributes struct {
	flags, extentSize, extents, project, copyExtentSize uint32
	_                                                   [8]byte
}

const (
	getAttributes  = 0x801c581f // FS_IOC_FSGETXATTR
	setAttributes  = 0x401c5820 // FS_IOC_FSSETXATTR
	inheritProject = 0x200      // FS_XFLAG_PROJINHERIT
)

// leaveProject ends a directory's project quota for what comes into it: nothing of another project
// can be renamed into a directory that passes on its own (EXDEV), and what a container gave its
// directories is of any project.
func leaveProject(dir *os.File) {
	var a attributes
	call := func(request uintptr) bool {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, dir.Fd(), request, uintptr(unsafe.Pointer(&a)))
		return errno == 0
	}
	if call(getAttributes) && a.flags&inheritProject != 0 {
		a.flags &^= inheritProject
		call(setAttributes) // else the renames say what is wrong
	}
}
