package sandbox

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const (
	groupsDir = "/sys/fs/cgroup"
	groupName = "larder-sandbox-" // all groups begin with it
)

// groups is which control groups this host lets us have.
type groups struct {
	memory, processes, cpus bool
	swap                    bool   // can be limited
	prefix                  string // of the names of our scratch directory's
}

// openGroups tries which groups can be had, and removes those of runs that were killed.
func (r *Runner) openGroups() error {
	var err error
	if r.groups.prefix, err = groupPrefix(r.dir); err != nil {
		return err
	}
	r.sweep()
	if err := unix.Flock(int(r.dir.Fd()), unix.LOCK_SH); err != nil {
		return &os.PathError{Op: "lock", Path: r.dir.Name(), Err: err}
	}
	r.groups.try()
	return nil
}

// sweep removes the groups of runs that were killed: at once those of our directory, where nobody else
// holds it; after an hour those of others, which may be gone, with nobody to come back for them.
func (r *Runner) sweep() {
	if unix.Flock(int(r.dir.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		removeGroups(r.groups.prefix + "*")
	}
	for _, dir := range groupDirs(groupName + "*") {
		if st, err := os.Stat(dir); err == nil && time.Since(st.ModTime()) > time.Hour {
			_ = unix.Rmdir(dir) // one with processes stays
		}
	}
}

// groupPrefix is what the names of a scratch directory's groups begin with.
func groupPrefix(dir *os.File) (string, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return "", &os.PathError{Op: "stat", Path: dir.Name(), Err: err}
	}
	return fmt.Sprintf("%s%x-%x-", groupName, st.Dev, st.Ino), nil
}

// try makes a group to see what it can limit.
func (g *groups) try() {
	// Version 2 gives a group only what its parent hands down. Version 1 knows no such file.
	for _, c := range []string{"+memory", "+pids", "+cpuset"} {
		if f, err := os.OpenFile(filepath.Join(groupsDir, "cgroup.subtree_control"), os.O_WRONLY, 0); err == nil {
			_, _ = f.WriteString(c)
			f.Close()
		}
	}
	name := g.newName()
	defer removeGroups(name)
	g.memory = canLimit(name, "memory", "memory.limit_in_bytes", "memory.max")
	g.swap = canLimit(name, "memory", "memory.memsw.limit_in_bytes", "memory.swap.max")
	g.processes = canLimit(name, "pids", "pids.max", "pids.max")
	g.cpus = canLimit(name, "cpuset", "cpuset.cpus", "cpuset.cpus")
}

// canLimit makes a group where it is not there yet, and says whether it has a file for a limit: file1 in a
// controller's own hierarchy of version 1, or file2 in that of version 2.
func canLimit(name, controller, file1, file2 string) bool {
	for _, try := range [][2]string{{controller, file1}, {"", file2}} {
		parent := filepath.Join(groupsDir, try[0])
		if _, err := os.Stat(filepath.Join(parent, "cgroup.procs")); err != nil {
			continue
		}
		if err := os.Mkdir(filepath.Join(parent, name), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			continue
		}
		if f, err := os.OpenFile(filepath.Join(parent, name, try[1]), os.O_WRONLY, 0); err == nil {
			f.Close()
			return true
		}
	}
	return false
}

// none says that there is no group to limit anything.
func (g groups) none() bool { return !g.memory && !g.processes && !g.cpus }

// newName is for the group of one run.
func (g groups) newName() string { return g.prefix + strings.ToLower(rand.Text()[:10]) }

// path is what the runtime is told of a group: "" where it is to go on without.
func (g groups) path(name string) string {
	if g.none() {
		return ""
	}
	return "/" + name
}

// resources are the limits of a container's group. What is written to a tmpfs counts as memory, so
// it has room there.
func (g groups) resources(l Limits, v variant, cpus string) *specs.LinuxResources {
	res := &specs.LinuxResources{}
	if g.memory {
		limit := l.Memory
		if !v.ext4 {
			limit += l.Output
		}
		res.Memory = &specs.LinuxMemory{Limit: &limit}
		if g.swap {
			res.Memory.Swap = &limit // with memory: none
		}
	}
	if g.processes {
		most := int64(l.Processes)
		res.Pids = &specs.LinuxPids{Limit: &most}
	}
	if g.cpus {
		res.CPU = &specs.LinuxCPU{Cpus: cpus}
	}
	return res
}

// exceeded is the limit that a group has met, or "".
func exceeded(name string) string {
	for _, dir := range groupDirs(name) {
		for _, file := range []string{"memory.events", "memory.oom_control"} {
			if count(filepath.Join(dir, file), "oom_kill") > 0 {
				return LimitMemory
			}
		}
		if count(filepath.Join(dir, "pids.events"), "max") > 0 {
			return LimitProcesses
		}
	}
	return ""
}

// count is the value of a key in a file of lines of keys and values.
func count(file, key string) int {
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, key+" "); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(value))
			return n
		}
	}
	return 0
}

// groupDirs are the directories of groups by name: one, or with version 1 one for each hierarchy.
func groupDirs(pattern string) []string {
	one, _ := filepath.Glob(filepath.Join(groupsDir, pattern))
	all, _ := filepath.Glob(filepath.Join(groupsDir, "*", pattern))
	return append(one, all...)
}

// removeGroups removes groups whose processes have ended. The kernel may take a moment to see that; if it takes
// longer, they are the next sweep's.
func removeGroups(pattern string) {
	for _, dir := range groupDirs(pattern) {
		for range 200 {
			if !errors.Is(unix.Rmdir(dir), unix.EBUSY) {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}
