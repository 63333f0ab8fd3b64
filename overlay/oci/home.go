package oci

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// ErrNoHome means that nothing says where the process's home is.
var ErrNoHome = errors.New("no home directory")

// maxPasswd bounds the container's passwd. A real one of 20,000 users is 1 MiB.
const maxPasswd = 1 << 20

// nobodysHome is what runc and crun set HOME to for a user without an entry in passwd, which any number
// can be (--user 4711).
const nobodysHome = "/"

// Home is the home of the container's process: HOME of its environment, which
// the runtimes replace when it is empty, else what the container's passwd says,
// else what the runtimes then say. read reads a file below the container's root.
func (s Spec) Home(read func(name string, limit int64) ([]byte, error)) (string, error) {
	if home := s.Getenv("HOME"); home != "" {
		return home, nil
	}
	passwd, err := read("/etc/passwd", maxPasswd)
	if errors.Is(err, fs.ErrNotExist) {
		return nobodysHome, nil
	}
	if err != nil {
		return "", fmt.Errorf("%w: HOME is not set, and %w", ErrNoHome, err)
	}
	if home := homeIn(passwd, s.UID); home != "" {
		return home, nil
	}
	return nobodysHome, nil
}

// homeIn finds the home of uid in the text of a passwd file, "" where it has none. Lines that are
// none are skipped, as every C library does; the first that fits counts.
func homeIn(passwd []byte, uid uint32) string {
	for line := range strings.Lines(string(passwd)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(fields) < 6 {
			continue
		}
		if n, err := strconv.ParseUint(fields[2], 10, 32); err != nil || uint32(n) != uid {
			continue
		}
		return fields[5]
	}
	return ""
}
