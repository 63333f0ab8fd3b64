package overlay

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxUsers are named; the rest is counted.
const maxUsers = 4

// Users names the processes that /proc shows with a mount of a snapshot or with its image open, one
// of each mount namespace, for people: a mount that is attached nowhere shows in no process, nor does
// what is below a directory that somebody holds open after the mount was let go of.
func Users(id string, image *os.File) []string {
	u := users{mark: []byte(" " + SourcePrefix + id[:min(12, len(id))] + ":"), seen: map[string]bool{}}
	if err := unix.Fstat(int(image.Fd()), &u.image); err != nil {
		return nil
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && pid != os.Getpid() {
			u.look(filepath.Join("/proc", e.Name()))
		}
	}
	u.loops(image.Name())
	if more := len(u.found) - maxUsers; more > 0 {
		u.found = append(u.found[:maxUsers], fmt.Sprintf("and %d more", more))
	}
	return u.found
}

type users struct {
	mark  []byte // before a view's source in mountinfo
	image unix.Stat_t
	seen  map[string]bool // mount namespaces
	found []string
}

func (u *users) look(proc string) {
	what := ""
	if u.opens(proc) {
		what = "has its image open"
	} else if ns, err := os.Readlink(proc + "/ns/mnt"); err == nil && !u.seen[ns] {
		u.seen[ns] = true
		if table, err := os.ReadFile(proc + "/mountinfo"); err == nil && bytes.Contains(table, u.mark) {
			what = "has it mounted"
		}
	}
	if what != "" {
		name, _ := os.ReadFile(proc + "/comm")
		u.found = append(u.found, fmt.Sprintf("process %s (%s) %s", filepath.Base(proc), strings.TrimSpace(string(name)), what))
	}
}

// opens says whether a process has the image open.
func (u *users) opens(proc string) bool {
	open, err := os.ReadDir(proc + "/fd")
	if err != nil {
		return false
	}
	for _, fd := range open {
		var st unix.Stat_t
		if unix.Stat(proc+"/fd/"+fd.Name(), &st) == nil && st.Dev == u.image.Dev && st.Ino == u.image.Ino {
			return true
		}
	}
	return false
}

// loops names the loop devices over the image: a mount has them, wherever it is.
func (u *users) loops(image string) {
	files, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		return
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if errors.Is(err, fs.ErrNotExist) {
			continue // let go of meanwhile
		}
		if err == nil && strings.TrimSpace(string(b)) == image {
			u.found = append(u.found, "/dev/"+filepath.Base(filepath.Dir(filepath.Dir(f)))+" reads it")
		}
	}
}
