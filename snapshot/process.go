package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ProcessLease is the lease of a container whose first process is pid, as seen from the caller.
func ProcessLease(container string, id ID, pid int) (Lease, error) {
	start, err := processStart(pid)
	if err != nil {
		return Lease{}, fmt.Errorf("lease for process %d: %w", pid, err)
	}
	boot, err := BootID()
	if err != nil {
		return Lease{}, fmt.Errorf("lease for process %d: %w", pid, err)
	}
	return Lease{Container: container, Snapshot: id, PID: pid, PIDStart: start, BootID: boot,
		PIDNamespace: pidNamespace(), Alone: firstOfNamespace(pid), Time: time.Now().UTC().Truncate(time.Second)}, nil
}

// InstanceLease is the lease of a kept instance, which is there already.
func InstanceLease(container string, id ID, dir string) (Lease, error) {
	parent, err := statDir(filepath.Dir(dir))
	if err != nil {
		return Lease{}, fmt.Errorf("lease for instance %q: %w", dir, err)
	}
	return Lease{Container: container, Snapshot: id, Instance: dir, Parent: &parent,
		Time: time.Now().UTC().Truncate(time.Second)}, nil
}

// Dead says whether the lease's holder is gone for certain, and why. What cannot be proven is
// alive: another process namespace, a /proc that hides processes, a file that cannot be read. The
// last is said in why, though dead is false. A container that its engine can start again is not dead.
func (l Lease) Dead() (dead bool, why string) {
	ended, why := l.Ended()
	if !ended || l.Engine == nil {
		return ended, why
	}
	if !l.Engine.removed() {
		return false, ""
	}
	return true, why + ", and " + l.Engine.Engine + " has removed the container"
}

// Ended says whether the lease's process has ended for certain, and why.
func (l Lease) Ended() (ended bool, why string) {
	if l.Unreadable != nil {
		return false, ""
	}
	if l.PID == 0 {
		return l.instanceGone()
	}
	if l.OtherBoot() {
		return true, "the host was started again"
	}
	if !l.OfThisNamespace() {
		if emptyNamespace(l.PIDNamespace) {
			return true, "no process is left in its process namespace"
		}
		return l.unlocked()
	}
	if boot, err := BootID(); err != nil || boot != l.BootID {
		return false, ""
	}
	start, err := processStart(l.PID)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, fmt.Sprintf("process %d is gone", l.PID)
	case err != nil:
		return false, fmt.Sprintf("whether process %d lives cannot be told (%v)", l.PID, err)
	case start != l.PIDStart:
		return true, fmt.Sprintf("process %d is another one by now", l.PID)
	}
	return false, ""
}

// OfThisNamespace says whether the lease's PID counts as the caller sees processes.
func (l Lease) OfThisNamespace() bool {
	return l.PIDNamespace == "" || l.PIDNamespace == pidNamespace()
}

// OtherBoot says that the host was started again since the lease of a process was taken: nothing
// of it can still run, and none of its mounts can still be there.
func (l Lease) OtherBoot() bool {
	boot, err := BootID()
	return err == nil && l.PID != 0 && l.BootID != "" && boot != l.BootID
}

// starting is more than a run needs from its lease to the lock of its instance.
const starting = time.Minute

// unlocked: where a process cannot be seen, the lock that it would hold can.
func (l Lease) unlocked() (bool, string) {
	if !l.Locked || time.Since(l.Time) < starting {
		return false, ""
	}
	if locked, err := InstanceLocked(l.Instance); locked || err != nil {
		return false, ""
	}
	return true, "nobody holds the lock of its instance"
}

// InstanceLocked says whether somebody holds the lock of an instance directory; of one that is
// not there nobody does. With an error nobody knows.
func InstanceLocked(dir string) (bool, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, &fs.PathError{Op: "open instance", Path: dir, Err: err}
	}
	defer unix.Close(fd)
	err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// instanceGone: a lease without a process lives as long as its instance directory.
func (l Lease) instanceGone() (bool, string) {
	if !filepath.IsAbs(l.Instance) || l.Parent == nil || !absent(l.Instance, *l.Parent) {
		return false, ""
	}
	return true, "its instance directory was removed"
}

// BootID names this boot of the host (proc(5), random/boot_id), read once. Without it no process
// of a lease can be told dead.
var BootID = sync.OnceValues(func() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("tell the host's boot: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
})

func pidNamespace() string {
	ns, _ := os.Readlink("/proc/self/ns/pid")
	return ns
}

// initialPIDNamespace is the one that has every process of a host in it (the kernel's
// include/linux/proc_ns.h, PROC_PID_INIT_INO).
var initialPIDNamespace = "pid:[4026531836]"

// emptyNamespace says whether no process is in a process namespace, for certain: its first one has
// ended then, and with it all of those below. Only the host's own namespace sees them all.
func emptyNamespace(ns string) bool {
	if pidNamespace() != initialPIDNamespace {
		return false
	}
	proc, err := os.Open("/proc")
	if err != nil {
		return false
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil || !slices.Contains(names, "1") { // a /proc that hides processes
		return false
	}
	return !slices.ContainsFunc(names, func(name string) bool {
		pid, err := strconv.Atoi(name)
		return err == nil && inNamespace(pid, ns)
	})
}

// inNamespace says whether a process may be in a process namespace.
func inNamespace(pid int, ns string) bool {
	dir := "/proc/" + strconv.Itoa(pid)
	in, err := os.Readlink(dir + "/ns/pid")
	switch {
	case err == nil && in != ns:
		return false
	case err == nil:
		_, err = processStart(pid) // a zombie has ended
		return !errors.Is(err, fs.ErrNotExist)
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH):
		return false
	}
	// Its links are for whoever may trace it. One with a single number is in the namespace of /proc.
	status, err := os.ReadFile(dir + "/status")
	_, numbers, found := strings.Cut(string(status), "\nNSpid:")
	numbers, _, _ = strings.Cut(numbers, "\n")
	return err != nil || !found || len(strings.Fields(numbers)) != 1
}

// processStart is when a process began, in clock ticks since the boot: field 22 of
// /proc/PID/stat (proc_pid_stat(5)), counted after the name, which may hold anything but is in
// the last pair of parentheses. A zombie has ended, and nobody has asked how: no process is
// fs.ErrNotExist.
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
	start, err := parseStat(b)
	if err != nil {
		return 0, fmt.Errorf("read /proc/%d/stat: %w", pid, err)
	}
	return start, nil
}

// firstOfNamespace says whether a process is number 1 in a process namespace below the caller's
// (NSpid in proc_pid_status(5)); false where that cannot be told.
func firstOfNamespace(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return false
	}
	_, rest, _ := bytes.Cut(b, []byte("\nNSpid:"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	numbers := bytes.Fields(line)
	return len(numbers) > 1 && string(numbers[len(numbers)-1]) == "1"
}

func parseStat(b []byte) (start uint64, err error) {
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < 20 {
		return 0, errors.New("too short")
	}
	// Fields 3 and 20. A first thread that has ended is a zombie, too, while others go on.
	if state, threads := string(f[0]), string(f[17]); state == "X" || state == "Z" && threads == "1" {
		return 0, fmt.Errorf("a zombie: %w", fs.ErrNotExist)
	}
	return strconv.ParseUint(string(f[19]), 10, 64)
}
