//go:build linux

package overlay_test

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// unmount is umount(2) that fails when busy: a test that leaks a mount or an
// open file on it must see that.
func unmount(dir string) error { return unix.Unmount(dir, unix.UMOUNT_NOFOLLOW) }

// mountLine is the mountinfo line of a mount point.
func mountLine(t testing.TB, dir string) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	for _, line := range strings.Split(string(b), "\n") {
		if f := strings.Fields(line); len(f) > 4 && f[4] == dir {
			return line
		}
	}
	t.Fatalf("%s is not in the mount table", dir)
	return ""
}
