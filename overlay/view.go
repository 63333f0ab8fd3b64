package overlay

import (
	"fmt"
	"os"
	"path"
	"strings"
)

// MaxLowers is the kernel's limit of lowers in one overlay (OVL_MAX_STACK).
const MaxLowers = 500

// maxMountinfo bounds a view's line in mountinfo. Readers with a 64 KiB line
// buffer (moby/sys/mountinfo, and so Docker) fail on the whole table when one
// line is longer; half of that leaves room for the host's own part.
const maxMountinfo = 32 << 10

// View is the plan of one overlay 2.
type View struct {
	// Tree is the snapshot's tree: from [OpenTree], or a clone of a kept one.
	Tree *os.File
	// Lowers are directories of the tree, topmost first: "views/NAME", "l/0123…".
	Lowers []string
	// Mask says that the instance's m is a lower below Lowers: whiteouts, which
	// hide files of Lowest and no others, or where that is nil, files of our own.
	Mask bool
	// Lowest, when not nil, is one more lower below all of them: what was at
	// the mount point before. It must be a [Clone] made in the mount namespace
	// it belongs to, and stay open until the view is made.
	Lowest *os.File
	// Instance is the directory that holds u and w, the upper and work, and m.
	Instance string
	// Volatile is for an instance that is thrown away: nothing is synced to
	// disk, not even at unmount, where the kernel otherwise syncs all of the
	// upper's file system (25 ms seen). The upper must be empty; the kernel
	// refuses it a second time. Directories of the lowers can be moved in it
	// without a copy; elsewhere that is EXDEV.
	Volatile bool
	// User is for a mount that is made in a user namespace, where only attributes called user.*
	// can be written: the overlay's own are (userxattr), and nothing is redirected.
	User bool
	// Flags are the mount's (MOUNT_ATTR_*) besides nosuid and nodev, which every
	// view has: what its mount point asks, see [FlagsBelow].
	Flags int
	// Source is what the mount table says: "larder:…".
	Source string
	// Label is an SELinux mount label for the view, or "".
	Label string
}

// Layers is how many lowers the view has in all.
func (v View) Layers() int {
	n := len(v.Lowers)
	if v.Mask {
		n++
	}
	if v.Lowest != nil {
		n++
	}
	return n
}

// Check refuses a plan the kernel would refuse less clearly, or accept and
// make everybody's mount table unreadable.
func (v View) Check() error {
	n := v.Layers()
	switch {
	case n == 0:
		return refuse("no lower")
	case n > MaxLowers:
		return &Problem{ErrRefused, fmt.Sprintf("plan view: %d lowers, the kernel takes %d", n, MaxLowers),
			"give the lock to larder build --lock: its layers are then merged into one"}
	case !strings.HasPrefix(v.Source, SourcePrefix) || len(v.Source) > 255 || strings.ContainsAny(v.Source, " \t\n\\"):
		return refuse("source %q: want larder:…, at most 255 bytes, no blanks", v.Source)
	}
	seen := make(map[string]bool, len(v.Lowers))
	for _, l := range v.Lowers {
		if l == "" || l == "." || path.IsAbs(l) || path.Clean(l) != l || strings.HasPrefix(l, "..") || strings.ContainsRune(l, 0) {
			return refuse("lower %q is not a plain path inside the tree", l)
		}
		if seen[l] {
			return refuse("lower %q twice", l)
		}
		seen[l] = true
	}
	if size := v.mountinfo(); size > maxMountinfo {
		return refuse("its line in mountinfo would have %d bytes, more than %d", size, maxMountinfo)
	}
	return nil
}

func refuse(format string, args ...any) error {
	return &Problem{Kind: ErrRefused, Text: fmt.Sprintf("plan view: "+format, args...)}
}

// mountinfo is how long the view's line in mountinfo can get, without the mount
// point: every lower as ",lowerdir+=/…", blanks and backslashes as four bytes.
func (v View) mountinfo() int {
	const rest = 256 // ids, flags, upper, work, other options
	size := rest + len(v.Source) + len(v.Label)
	for _, l := range v.Lowers {
		size += len(",lowerdir+=/") + len(l) + 3*strings.Count(l, " ") + 3*strings.Count(l, "\\") +
			3*strings.Count(l, ",") + 3*strings.Count(l, "\t") + 3*strings.Count(l, "\n") + 3*strings.Count(l, "#")
	}
	if v.Mask {
		size += len(",lowerdir+=/m")
	}
	if v.Lowest != nil {
		size += len(",lowerdir+=/")
	}
	return size
}
