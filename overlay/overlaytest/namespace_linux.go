package overlaytest

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/sys/mount"
)

const (
	insideVar = "LARDER_TEST_INSIDE"
	marker    = "LARDER-TEST-RAN:"
)

// Inside runs the rest of the calling test in a private mount namespace. It
// returns true there; in the first process it runs the test again as a child,
// reports, and returns false: the caller returns.
//
// A child that skips would look like a pass, so it must print a marker at its
// end; and the mount table of the first process must show nothing of the test
// afterwards. (Others may mount and unmount on the host meanwhile. What a test
// mounts is in its temporary directories, and those carry its name.)
func Inside(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideVar) == t.Name() {
		// Nothing done here may show outside.
		must(t, mount.MakeRPrivate("/"))
		t.Cleanup(func() {
			if !t.Failed() && !t.Skipped() {
				os.Stdout.WriteString(marker + t.Name() + "\n")
			}
		})
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.Command(exe, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), insideVar+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), marker+t.Name()) {
		t.Errorf("in a private mount namespace: %v\n%s", err, out)
	} else if testing.Verbose() {
		t.Logf("%s", out)
	}
	after, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	for _, line := range strings.Split(string(after), "\n") {
		if strings.Contains(line, "/"+t.Name()) {
			t.Errorf("left in the mount table: %s", line)
		}
	}
	return false
}
