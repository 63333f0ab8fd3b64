//go:build linux && amd64

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The state of the live store, read without larder's help.

func sorted(s []string) []string { slices.Sort(s); return s }

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

// leftovers are what a killed process may leave, and the next gc must not.
func (w *world) leftovers() (left []string) {
	for _, dir := range []string{"staging", "trash", "leases", "pages", "misses", "instances"} {
		for _, name := range w.names(dir) {
			_, leased := os.Lstat(w.store("leases", name+".json"))
			switch {
			case dir == "staging" && name == "holder.json":
			case dir == "instances" && leased == nil:
			case dir == "staging", dir == "trash", dir == "instances", strings.HasPrefix(name, "."):
				left = append(left, dir+"/"+name)
			}
		}
	}
	beside, _ := filepath.Glob(w.path(".*"))
	return append(left, beside...)
}

// mounted are the mounts and loop devices that larder's commands have left on the host.
func mounted(dirs ...string) (left []string) {
	of := func(line string) bool {
		return slices.ContainsFunc(dirs, func(d string) bool { return strings.Contains(line, d) })
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return []string{fmt.Sprint("mount table: ", err)}
	}
	for line := range strings.Lines(string(table)) {
		if of(line) {
			left = append(left, strings.TrimSpace(line))
		}
	}
	loops, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, name := range loops {
		if b, err := os.ReadFile(name); err == nil && of(string(b)) {
			left = append(left, name+": "+strings.TrimSpace(string(b)))
		}
	}
	return left
}
