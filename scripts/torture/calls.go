//go:build linux && amd64

package main

import (
	"golang.org/x/sys/unix"
)

// fileArg says which arguments of a call name a file: a directory's descriptor and a path below
// it. -1: the working directory, or no path but the descriptor itself.
type fileArg struct{ dirfd, path int }

var (
	fd0    = []fileArg{{0, -1}}
	fd02   = []fileArg{{0, -1}, {2, -1}}
	path0  = []fileArg{{-1, 0}}
	path1  = []fileArg{{-1, 1}}
	path01 = []fileArg{{-1, 0}, {-1, 1}}
	at01   = []fileArg{{0, 1}}
	at12   = []fileArg{{1, 2}}
	at23   = []fileArg{{2, 3}}
	at0123 = []fileArg{{0, 1}, {2, 3}}
)

// call is a system call that can be spoiled.
type call struct {
	name  string
	files []fileArg
}

// calls are those on files and mounts, and those that make processes. mmap is not among them: the
// Go runtime dies of a failure, rightly. See classify for fcntl, ioctl and fsconfig.
var calls = map[uint64]call{
	unix.SYS_READ: {"read", fd0}, unix.SYS_PREAD64: {"pread", fd0}, unix.SYS_WRITE: {"write", fd0}, unix.SYS_PWRITE64: {"pwrite", fd0},
	unix.SYS_SENDFILE: {"sendfile", fd0}, unix.SYS_GETDENTS64: {"getdents", fd0}, unix.SYS_FSYNC: {"fsync", fd0}, unix.SYS_FDATASYNC: {"fdatasync", fd0},
	unix.SYS_SYNCFS: {"syncfs", fd0}, unix.SYS_FTRUNCATE: {"ftruncate", fd0}, unix.SYS_FALLOCATE: {"fallocate", fd0}, unix.SYS_FLOCK: {"flock", fd0},
	unix.SYS_FCNTL: {"fcntl-setlease", fd0}, unix.SYS_FSTAT: {"fstat", fd0}, unix.SYS_FCHMOD: {"fchmod", fd0}, unix.SYS_FCHOWN: {"fchown", fd0},
	unix.SYS_FSETXATTR: {"fsetxattr", fd0}, unix.SYS_FSTATFS: {"fstatfs", fd0}, unix.SYS_FCHDIR: {"fchdir", fd0}, unix.SYS_IOCTL: {"ioctl", fd0},
	unix.SYS_COPY_FILE_RANGE: {"copy_file_range", fd02},

	unix.SYS_OPEN: {"open", path0}, unix.SYS_STATFS: {"statfs", path0}, unix.SYS_MKDIR: {"mkdir", path0}, unix.SYS_RMDIR: {"rmdir", path0},
	unix.SYS_UNLINK: {"unlink", path0}, unix.SYS_CHMOD: {"chmod", path0}, unix.SYS_CHOWN: {"chown", path0}, unix.SYS_LCHOWN: {"lchown", path0},
	unix.SYS_CHDIR: {"chdir", path0}, unix.SYS_CHROOT: {"chroot", path0}, unix.SYS_SETXATTR: {"setxattr", path0}, unix.SYS_READLINK: {"readlink", path0},
	unix.SYS_EXECVE: {"execve", path0}, unix.SYS_UMOUNT2: {"umount", path0}, unix.SYS_PIVOT_ROOT: {"pivot_root", path0},
	unix.SYS_SYMLINK: {"symlink", path1}, unix.SYS_MOUNT: {"mount", path1}, unix.SYS_RENAME: {"rename", path01}, unix.SYS_LINK: {"link", path01},

	unix.SYS_OPENAT: {"openat", at01}, unix.SYS_OPENAT2: {"openat2", at01}, unix.SYS_NEWFSTATAT: {"stat", at01}, unix.SYS_STATX: {"statx", at01},
	unix.SYS_READLINKAT: {"readlinkat", at01}, unix.SYS_MKDIRAT: {"mkdirat", at01}, unix.SYS_MKNODAT: {"mknodat", at01},
	unix.SYS_UNLINKAT: {"unlinkat", at01}, unix.SYS_FCHMODAT: {"fchmodat", at01}, unix.SYS_FCHMODAT2: {"fchmodat2", at01},
	unix.SYS_FCHOWNAT: {"fchownat", at01}, unix.SYS_UTIMENSAT: {"utimensat", at01}, unix.SYS_OPEN_TREE: {"open_tree", at01},
	unix.SYS_MOUNT_SETATTR: {"mount_setattr", at01}, unix.SYS_SYMLINKAT: {"symlinkat", at12}, unix.SYS_MOVE_MOUNT: {"move_mount", at23},
	unix.SYS_RENAMEAT: {"renameat", at0123}, unix.SYS_RENAMEAT2: {"renameat2", at0123}, unix.SYS_LINKAT: {"linkat", at0123},

	unix.SYS_FSOPEN: {"fsopen", nil}, unix.SYS_FSCONFIG: {"fsconfig", nil}, unix.SYS_FSMOUNT: {"fsmount", nil}, unix.SYS_UNSHARE: {"unshare", nil},
	unix.SYS_SETNS: {"setns", nil}, unix.SYS_CLONE: {"clone", nil}, unix.SYS_CLONE3: {"clone3", nil}, unix.SYS_PIPE2: {"pipe2", nil},
}
