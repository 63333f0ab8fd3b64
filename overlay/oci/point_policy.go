package oci

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrPoint is wrapped by every refusal of a mount point.
var ErrPoint = errors.New("mount point")

// maxPoint is PATH_MAX with its NUL.
const maxPoint = 4095

// checkPoint refuses what is no mount point, whatever it resolves to.
func checkPoint(p string) error {
	switch {
	case p == "":
		return fmt.Errorf("%w is empty", ErrPoint)
	case len(p) > maxPoint:
		return fmt.Errorf("%w of %d bytes", ErrPoint, len(p))
	case strings.ContainsRune(p, 0):
		return fmt.Errorf("%w %.80q: a NUL in it", ErrPoint, p)
	case !path.IsAbs(p):
		return fmt.Errorf("%w %.80q is not an absolute path", ErrPoint, p)
	case slices.Contains(strings.Split(p, "/"), ".."):
		// What .. means depends on the links before it, and no client's
		// default has one.
		return fmt.Errorf("%w %.80q has a .. in it", ErrPoint, p)
	case path.Clean(p) == "/":
		return fmt.Errorf("%w is the root", ErrPoint)
	}
	return nil
}

// kernels are the directories that are the kernel's. At createRuntime labels
// are not yet written through /proc: covering it there takes them away
// (CVE-2019-16884 and its kin).
var kernels = []string{"/proc", "/sys", "/dev"}

// checkResolved judges where the asked path led inside the root. A link on the
// way is normal (/home to /var/home), but one that makes a cache directory of
// a system directory is not.
func checkResolved(asked, resolved string) error {
	if resolved == "/" {
		return fmt.Errorf("%w %.80q leads to the root", ErrPoint, asked)
	}
	for _, k := range kernels {
		if resolved == k || strings.HasPrefix(resolved, k+"/") {
			return fmt.Errorf("%w %.80q is in %s", ErrPoint, asked, k)
		}
	}
	if strings.Count(resolved, "/") == 1 && (resolved != path.Clean(asked) || slices.Contains(system, resolved)) {
		return fmt.Errorf("%w %.80q is the directory %s", ErrPoint, asked, resolved)
	}
	return nil
}

// system are the directories at the top of a root that are nobody's cache,
// even when asked for by that name.
var system = []string{"/bin", "/boot", "/etc", "/home", "/lib", "/lib32", "/lib64", "/libx32", "/root", "/run", "/sbin", "/tmp", "/usr", "/var"}

// forbidden are the file systems whose directories are not for storing files.
// Some are missing in x/sys; their numbers are in the kernel's
// include/uapi/linux/magic.h.
var forbidden = map[int64]string{
	unix.PROC_SUPER_MAGIC:     "proc",
	unix.SYSFS_MAGIC:          "sysfs",
	unix.CGROUP_SUPER_MAGIC:   "cgroup",
	unix.CGROUP2_SUPER_MAGIC:  "cgroup2",
	unix.DEVPTS_SUPER_MAGIC:   "devpts",
	unix.SECURITYFS_MAGIC:     "securityfs",
	unix.DEBUGFS_MAGIC:        "debugfs",
	unix.TRACEFS_MAGIC:        "tracefs",
	unix.BPF_FS_MAGIC:         "bpf",
	unix.NSFS_MAGIC:           "nsfs",
	unix.BINFMTFS_MAGIC:       "binfmt_misc",
	unix.EFIVARFS_MAGIC:       "efivarfs",
	unix.PSTOREFS_MAGIC:       "pstore",
	unix.SELINUX_MAGIC:        "selinuxfs",
	unix.SMACK_MAGIC:          "smackfs",
	unix.RDTGROUP_SUPER_MAGIC: "resctrl",
	unix.HUGETLBFS_MAGIC:      "hugetlbfs",
	unix.XENFS_SUPER_MAGIC:    "xenfs",
	unix.AUTOFS_SUPER_MAGIC:   "autofs",
	unix.BINDERFS_SUPER_MAGIC: "binder",
	0x19800202:                "mqueue",
	0x62656570:                "configfs",
}

func checkFilesystem(asked, kind string) error {
	if kind != "" {
		return fmt.Errorf("%w %.80q is on %s", ErrPoint, asked, kind)
	}
	return nil
}
