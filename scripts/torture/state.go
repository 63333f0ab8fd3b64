//go:build linux && amd64

package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The state of the live store, read without larder's help.

// names are the entries of a directory of the store.
func (w *world) names(dir string) (names []string) {
	entries, _ := os.ReadDir(w.store(dir))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func (w *world) snapshots() []string { return w.names("snapshots") }

// current is the id that the link names, "" for none.
func (w *world) current() string {
	to, _ := os.Readlink(w.store("current"))
	return strings.TrimPrefix(to, "snapshots/")
}

// leftovers are what a killed process may leave, and the next gc must not: whatever is in staging
// or trash, instances without a lease, and anywhere files not yet renamed, which have a dot.
func (w *world) leftovers() (left []string) {
	for _, name := range append(w.names("trash"), w.names("staging")...) {
		if name != "holder.json" {
			left = append(left, name)
		}
	}
	for _, name := range w.names("instances") {
		if _, err := os.Lstat(w.store("leases", name+".json")); err != nil {
			left = append(left, "instances/"+name)
		}
	}
	_ = filepath.WalkDir(live, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err == nil && d.IsDir() && slices.Contains([]string{w.path("home"), w.path("inst"), w.store("instances"), w.store("trash"), w.path("bundle")}, path):
			return fs.SkipDir
		case strings.HasPrefix(filepath.Base(path), "."):
			left = append(left, path)
		}
		return nil
	})
	return left
}

// mounted are the mounts and loop devices that larder's commands have left on the host.
func mounted(dirs ...string) (left []string) {
	left = mounts(dirs...)
	loops, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, name := range loops {
		if b, err := os.ReadFile(name); err == nil && names(string(b), dirs) && ours(name, strings.TrimSpace(string(b))) {
			left = append(left, name+": "+strings.TrimSpace(string(b)))
		}
	}
	return left
}

// mounts are the lines of the mount table with one of the directories.
func mounts(dirs ...string) (left []string) {
	table, err := os.ReadFile(mountTable)
	if err != nil {
		return []string{fmt.Sprint("mount table: ", err)}
	}
	for line := range strings.Lines(string(table)) {
		if names(line, dirs) && !strings.Contains(line, " "+live+" ") && !there[place(line)] { // the case's own disk
			left = append(left, strings.TrimSpace(line))
		}
	}
	return left
}

// contained are the processes in other mount namespaces that see a part of the live store.
func contained() (left []string) {
	own, _ := os.Readlink("/proc/self/ns/mnt")
	where := onHost()
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		ns, err := os.Readlink(dir + "/ns/mnt")
		table, _ := os.ReadFile(dir + "/mountinfo")
		if err == nil && ns != own && where != "" && strings.Contains(string(table), where+"/") {
			command, _ := os.ReadFile(dir + "/cmdline")
			left = append(left, filepath.Base(dir)+": "+strings.ReplaceAll(string(command), "\x00", " "))
		}
	}
	return left
}

// watch looks for contained processes until it is asked whether there were any.
func watch() (seen func() bool) {
	result := make(chan bool)
	go func() {
		there := false
		for {
			select {
			case result <- there:
				return
			case <-time.After(20 * time.Millisecond):
				there = there || len(contained()) > 0
			}
		}
	}()
	return func() bool { return <-result }
}

// onHost is where the host has what is workDir here.
func onHost() string {
	table, _ := os.ReadFile(mountTable)
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); f[4] == workDir {
			return f[3]
		}
	}
	return ""
}

const mountTable = "/proc/self/mountinfo"

// there are the mounts that the program began with: a host may have snapshots of its own kept mounted.
var there = func() map[string]bool {
	table, _ := os.ReadFile(mountTable)
	places := map[string]bool{}
	for line := range strings.Lines(string(table)) {
		places[place(line)] = true
	}
	return places
}()

// place is the device, the root and the place of a mount: what a copy in another namespace has, too.
func place(line string) string {
	fields := strings.Fields(line)
	return strings.Join(fields[2:min(5, len(fields))], " ")
}

func names(line string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool { return strings.Contains(line, d) })
}

// ours says whether a loop device is over the file that has this path here. Loop devices are the
// host's, and another torture beside this one has the same paths. Of a file that is gone nobody
// can tell.
func ours(sys, path string) bool {
	device := filepath.Base(filepath.Dir(filepath.Dir(sys)))
	var st unix.Stat_t
	f, err := os.Open("/dev/" + device)
	if err != nil || unix.Stat(path, &st) != nil {
		return false
	}
	defer f.Close()
	info, err := unix.IoctlLoopGetStatus64(int(f.Fd()))
	return err == nil && info.Inode == st.Ino && info.Device == st.Dev
}
