package run

import (
	"os"
	"slices"
	"strconv"
	"time"
)

// lingering is how long processes that are about to end get for it (what a shell
// leaves of a pipe) before they count as left running.
const lingering = 100 * time.Millisecond

// leftRunning are the processes that share our mount namespace and outlive the
// command: daemons, most of all. Their number rising is their order of birth,
// but for a wrap.
func (s *session) leftRunning() []int {
	if !s.own {
		return nil
	}
	for end := time.Now().Add(lingering); ; time.Sleep(lingering / 10) {
		left := sharingNamespace()
		if len(left) == 0 || time.Now().After(end) {
			return left
		}
	}
}

// sharingNamespace looks through /proc for other processes in this thread's
// mount namespace. One that cannot be looked at is not ours.
func sharingNamespace() []int {
	own, err := os.Readlink("/proc/thread-self/ns/mnt")
	if err != nil {
		return nil
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if ns, err := os.Readlink("/proc/" + e.Name() + "/ns/mnt"); err == nil && ns == own {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}
