//go:build linux && amd64

package main

import (
	"golang.org/x/sys/unix"
)

// place says which arguments of a call name a file: a directory's descriptor and a path below
// it. -1: the working directory, or no path but the descriptor itself.
type place struct{ dirfd, path int }

func fd(arg int) place        { return place{arg, -1} }
func path(arg int) place      { return place{-1, arg} }
func at(dirfd, p int) place   { return place{dirfd, p} }
func (c call) pathless() bool { return len(c.places) == 0 }

// call is a system call that can be spoiled.
type call struct {
	name   string
	places []place
	number int // an argument that is part of the class, such as the command of fcntl; 0 for none
	only   uint64
}

// calls are those on files and mounts, and those that make processes. mmap is not among them: the
// Go runtime dies of a failure, rightly.
var calls = map[uint64]call{
	unix.SYS_READ:            {name: "read", places: []place{fd(0)}},
	unix.SYS_PREAD64:         {name: "pread", places: []place{fd(0)}},
	unix.SYS_WRITE:           {name: "write", places: []place{fd(0)}},
	unix.SYS_PWRITE64:        {name: "pwrite", places: []place{fd(0)}},
	unix.SYS_COPY_FILE_RANGE: {name: "copy_file_range", places: []place{fd(0), fd(2)}},
	unix.SYS_SENDFILE:        {name: "sendfile", places: []place{fd(0)}},
	unix.SYS_GETDENTS64:      {name: "getdents", places: []place{fd(0)}},
	unix.SYS_FSYNC:           {name: "fsync", places: []place{fd(0)}},
	unix.SYS_FDATASYNC:       {name: "fdatasync", places: []place{fd(0)}},
	unix.SYS_SYNCFS:          {name: "syncfs", places: []place{fd(0)}},
	unix.SYS_FTRUNCATE:       {name: "ftruncate", places: []place{fd(0)}},
	unix.SYS_FALLOCATE:       {name: "fallocate", places: []place{fd(0)}},
	unix.SYS_FLOCK:           {name: "flock", places: []place{fd(0)}},
	unix.SYS_FCNTL:           {name: "fcntl-setlease", places: []place{fd(0)}, number: 1, only: unix.F_SETLEASE},
	unix.SYS_FSTAT:           {name: "fstat", places: []place{fd(0)}},
	unix.SYS_FCHMOD:          {name: "fchmod", places: []place{fd(0)}},
	unix.SYS_FCHOWN:          {name: "fchown", places: []place{fd(0)}},
	unix.SYS_FSETXATTR:       {name: "fsetxattr", places: []place{fd(0)}},
	unix.SYS_FSTATFS:         {name: "fstatfs", places: []place{fd(0)}},
	unix.SYS_FCHDIR:          {name: "fchdir", places: []place{fd(0)}},
	unix.SYS_IOCTL:           {name: "ioctl", places: []place{fd(0)}, number: 1},

	unix.SYS_OPEN:     {name: "open", places: []place{path(0)}},
	unix.SYS_STATFS:   {name: "statfs", places: []place{path(0)}},
	unix.SYS_MKDIR:    {name: "mkdir", places: []place{path(0)}},
	unix.SYS_RMDIR:    {name: "rmdir", places: []place{path(0)}},
	unix.SYS_UNLINK:   {name: "unlink", places: []place{path(0)}},
	unix.SYS_CHMOD:    {name: "chmod", places: []place{path(0)}},
	unix.SYS_CHOWN:    {name: "chown", places: []place{path(0)}},
	unix.SYS_LCHOWN:   {name: "lchown", places: []place{path(0)}},
	unix.SYS_CHDIR:    {name: "chdir", places: []place{path(0)}},
	unix.SYS_CHROOT:   {name: "chroot", places: []place{path(0)}},
	unix.SYS_SETXATTR: {name: "setxattr", places: []place{path(0)}},
	unix.SYS_READLINK: {name: "readlink", places: []place{path(0)}},
	unix.SYS_EXECVE:   {name: "execve", places: []place{path(0)}},
	unix.SYS_RENAME:   {name: "rename", places: []place{path(0), path(1)}},
	unix.SYS_LINK:     {name: "link", places: []place{path(0), path(1)}},
	unix.SYS_SYMLINK:  {name: "symlink", places: []place{path(1)}},

	unix.SYS_OPENAT:     {name: "openat", places: []place{at(0, 1)}},
	unix.SYS_OPENAT2:    {name: "openat2", places: []place{at(0, 1)}},
	unix.SYS_NEWFSTATAT: {name: "stat", places: []place{at(0, 1)}},
	unix.SYS_STATX:      {name: "statx", places: []place{at(0, 1)}},
	unix.SYS_READLINKAT: {name: "readlinkat", places: []place{at(0, 1)}},
	unix.SYS_MKDIRAT:    {name: "mkdirat", places: []place{at(0, 1)}},
	unix.SYS_MKNODAT:    {name: "mknodat", places: []place{at(0, 1)}},
	unix.SYS_UNLINKAT:   {name: "unlinkat", places: []place{at(0, 1)}},
	unix.SYS_FCHMODAT:   {name: "fchmodat", places: []place{at(0, 1)}},
	unix.SYS_FCHMODAT2:  {name: "fchmodat2", places: []place{at(0, 1)}},
	unix.SYS_FCHOWNAT:   {name: "fchownat", places: []place{at(0, 1)}},
	unix.SYS_UTIMENSAT:  {name: "utimensat", places: []place{at(0, 1)}},
	unix.SYS_SYMLINKAT:  {name: "symlinkat", places: []place{at(1, 2)}},
	unix.SYS_RENAMEAT:   {name: "renameat", places: []place{at(0, 1), at(2, 3)}},
	unix.SYS_RENAMEAT2:  {name: "renameat2", places: []place{at(0, 1), at(2, 3)}},
	unix.SYS_LINKAT:     {name: "linkat", places: []place{at(0, 1), at(2, 3)}},

	unix.SYS_MOUNT:         {name: "mount", places: []place{path(1)}},
	unix.SYS_UMOUNT2:       {name: "umount", places: []place{path(0)}},
	unix.SYS_OPEN_TREE:     {name: "open_tree", places: []place{at(0, 1)}},
	unix.SYS_MOVE_MOUNT:    {name: "move_mount", places: []place{at(2, 3)}},
	unix.SYS_MOUNT_SETATTR: {name: "mount_setattr", places: []place{at(0, 1)}},
	unix.SYS_FSOPEN:        {name: "fsopen"},
	unix.SYS_FSCONFIG:      {name: "fsconfig", number: 1},
	unix.SYS_FSMOUNT:       {name: "fsmount"},
	unix.SYS_PIVOT_ROOT:    {name: "pivot_root", places: []place{path(0)}},
	unix.SYS_UNSHARE:       {name: "unshare"},
	unix.SYS_SETNS:         {name: "setns"},
	unix.SYS_CLONE:         {name: "clone"},
	unix.SYS_CLONE3:        {name: "clone3"},
	unix.SYS_PIPE2:         {name: "pipe2"},
}
