package snapshot

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// tempDirs are the directories that files are written into by rename, below their own names
// too. A file in there whose name begins with a dot is being written, or its writer was killed.
var tempDirs = []string{leasesName, pagesName, rankingsName, usageName}

// newTemp makes a file that is to be renamed once it is whole. It is locked until it is closed,
// which tells a writer that lives from one that was killed.
func newTemp(dir string) (*os.File, error) {
	for {
		f, err := os.CreateTemp(dir, tempPrefix+"*")
		if err != nil {
			return nil, err
		}
		var st unix.Stat_t
		err = lockFile(f)
		if err == nil {
			err = unix.Fstat(int(f.Fd()), &st)
		}
		if err == nil && st.Nlink > 0 {
			return f, nil
		}
		f.Close()
		// A sweep that came between making and locking takes the file for a dead writer's.
		if err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
			_ = removeFile(f.Name())
			return nil, err
		}
	}
}

// lockFile takes the lock of an open file, or fails with EWOULDBLOCK.
func lockFile(f *os.File) error {
	return ignoringEINTR(func() error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) })
}

// sweepTemps removes what killed writers left: files that nobody has locked. One that cannot be
// removed now is the next sweep's.
func (s *Store) sweepTemps() {
	for _, dir := range tempDirs {
		_ = filepath.WalkDir(s.join(dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && strings.HasPrefix(d.Name(), ".") {
				sweepTemp(path)
			}
			return nil
		})
	}
}

func sweepTemp(path string) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if lockFile(f) == nil {
		_ = removeFile(path)
	}
}
