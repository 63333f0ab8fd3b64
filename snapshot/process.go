package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ProcessLease is the lease of a container whose first process is pid, as seen from the caller.
func ProcessLease(container string, id ID, pid int) (Lease, error) {
	start, err := processStart(pid)
	if err != nil {
		return Lease{}, fmt.Errorf("lease for process %d: %w", pid, err)
	}
	boot, err := bootID()
	if err != nil {
		return Lease{}, fmt.Errorf("lease for process %d: %w", pid, err)
	}
	return Lease{Container: container, Snapshot: id, PID: pid, PIDStart: start, BootID: boot,
		PIDNamespace: pidNamespace(), Time: time.Now().UTC().Truncate(time.Second)}, nil
}

// Dead says whether the lease's holder is gone for certain, and why. What cannot be proven is
// alive: another process namespace, a /proc that hides processes, a file that cannot be read.
func (l Lease) Dead() (dead bool, why string) {
	if l.Unreadable != nil {
		return false, ""
	}
	if l.PID == 0 {
		return l.instanceGone()
	}
	if boot, err := bootID(); err != nil || l.BootID == "" {
		return false, ""
	} else if boot != l.BootID {
		return true, "the host was started again"
	}
	if l.PIDNamespace != "" && l.PIDNamespace != pidNamespace() {
		return false, ""
	}
	start, err := processStart(l.PID)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, fmt.Sprintf("process %d is gone", l.PID)
	case err != nil:
		return false, ""
	case start != l.PIDStart:
		return true, fmt.Sprintf("process %d is another one by now", l.PID)
	}
	return false, ""
}

// instanceGone: a lease without a process lives as long as its instance directory. A parent that
// is missing too may be a disk that is not mounted, and proves nothing.
func (l Lease) instanceGone() (bool, string) {
	if !filepath.IsAbs(l.Instance) {
		return false, ""
	}
	if _, err := os.Lstat(l.Instance); !errors.Is(err, fs.ErrNotExist) {
		return false, ""
	}
	if _, err := os.Lstat(filepath.Dir(l.Instance)); err != nil {
		return false, ""
	}
	return true, "its instance directory was removed"
}

func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(b)), nil
}

func pidNamespace() string {
	ns, _ := os.Readlink("/proc/self/ns/pid")
	return ns
}

// processStart is when a process began, in clock ticks since the boot: field 22 of
// /proc/PID/stat (proc_pid_stat(5)), counted after the name, which may hold anything but is in
// the last pair of parentheses.
func processStart(pid int) (uint64, error) {
	if pid < 1 {
		return 0, fmt.Errorf("no process has number %d", pid)
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		// A process that ends while its file is read answers ESRCH.
		if strings.Contains(err.Error(), "no such process") {
			err = fs.ErrNotExist
		}
		return 0, err
	}
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < 20 {
		return 0, fmt.Errorf("read /proc/%d/stat: too short", pid)
	}
	return strconv.ParseUint(string(f[19]), 10, 64)
}
