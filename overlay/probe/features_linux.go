package probe

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/containerd/continuity/fs"
	"golang.org/x/sys/unix"

	"larder/overlay/instance"
)

// fsNames are the file systems a store may meet, by magic number.
var fsNames = map[int64]string{
	unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs",
	unix.TMPFS_MAGIC: "tmpfs", unix.OVERLAYFS_SUPER_MAGIC: "overlay", unix.NFS_SUPER_MAGIC: "nfs",
	unix.F2FS_SUPER_MAGIC: "f2fs", unix.FUSE_SUPER_MAGIC: "fuse", 0x2fc12fc1: "zfs",
}

// fileSystem tries what the store's file system has to offer an upper, the pool
// and gc.
func (h *host) fileSystem() {
	var st unix.Statfs_t
	err := unix.Statfs(h.dir, &st)
	name := fsNames[int64(st.Type)]
	if name == "" {
		name = fmt.Sprintf("type %#x", st.Type)
	}
	if err == nil && name != "ext4" && name != "xfs" && name != "btrfs" {
		err = fmt.Errorf("%s is none of ext4, xfs, btrfs", name)
	}
	h.try("store's file system", false, name, err, "put the store on ext4, xfs or btrfs: a disk, a volume, a file on loop")

	dtype, err := fs.SupportsDType(h.dir)
	if err == nil && !dtype {
		err = errors.New("directories carry no file types")
	}
	h.try("file types in directories", true, "", err, "an xfs made with ftype=1 (mkfs.xfs -n ftype=1)")

	file := filepath.Join(h.dir, "feature")
	f, err := os.Create(file)
	if err != nil {
		h.try("writable", true, "", err, "mount it read-write")
		return
	}
	defer f.Close()
	err = unix.Fsetxattr(int(f.Fd()), "trusted.overlay.larder", []byte("1"), 0)
	h.try("trusted extended attributes", true, "", err, "a file system with extended attributes, and root")

	// gc proves that nothing uses an image by taking a write lease on it.
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK)
	if err == nil {
		_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
	}
	h.try("write leases", true, "gc asks with one whether a snapshot is in use", err, "a local file system, and fs.leases-enable=1 (sysctl)")

	err = unix.Renameat2(unix.AT_FDCWD, file, unix.AT_FDCWD, file+"-2", unix.RENAME_NOREPLACE)
	h.try("rename without replacing", true, "", err, "a local file system of a current kernel")

	h.immutable(f)
	h.try("limits of uppers", false, "upper_limit of a profile works", instance.CanLimit(h.on), instance.QuotaFix)
}

const immutableFlag = 0x10 // FS_IMMUTABLE_FL of linux/fs.h

// immutable tries the attribute that protects objects even from a container
// that may open files by handle.
func (h *host) immutable(f *os.File) {
	flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil {
		if err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags|immutableFlag); err == nil {
			err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags)
		}
	}
	h.try("immutable attribute", false, "can protect objects from CAP_DAC_READ_SEARCH", err, "only needed for containers with CAP_DAC_READ_SEARCH")
}

// settings reads what changes how safe a mount is.
func (h *host) settings() {
	param := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(b))
	}
	if v := param("/sys/module/overlay/parameters/redirect_always_follow"); v != "" {
		h.add(Check{Name: "redirect_always_follow", OK: true, Detail: v + ": views say themselves what they follow, so it does not matter to them"})
	}
	if v := param("/proc/sys/kernel/panic_on_warn"); v != "" && v != "0" {
		h.add(Check{Name: "panic_on_warn", OK: true, Detail: "set: images are mounted through loop devices only, because file-backed ones raise a warning on some kernels"})
	}
	if v, err := strconv.Atoi(param("/proc/sys/fs/mount-max")); err == nil {
		c := Check{Name: "mounts in one namespace", OK: v >= 10000, Detail: fmt.Sprintf("at most %d", v)}
		if !c.OK {
			c.Fix = "sysctl fs.mount-max=100000"
		}
		h.add(c)
	}
	if v := param("/sys/fs/selinux/enforce"); v == "1" {
		h.labels()
	}
}
