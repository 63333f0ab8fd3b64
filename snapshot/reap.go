package snapshot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"golang.org/x/sys/unix"
)

// Reap takes the lease and the instance of a container that is dead. A new container of the same
// id may arrive at any moment, and takes no lock: so both are moved aside, looked at again, and
// put back when they are somebody else's by then. done is false in that case. The caller holds
// the writer lock.
func (s *Store) Reap(l Lease) (done bool, err error) {
	path := s.leasePath(l.Container)
	aside := s.join(stagingName, leasePrefix+filepath.Base(path))
	if err := os.Rename(path, aside); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil // released meanwhile
		}
		return false, fmt.Errorf("reap lease: %w", err)
	}
	got := readLeaseAs(aside, filepath.Base(path))
	if got.Unreadable != nil || !sameLease(got, l) {
		err := unix.Renameat2(unix.AT_FDCWD, aside, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
		if errors.Is(err, unix.EEXIST) {
			err = removeFile(aside) // a still newer one
		}
		return false, err
	}
	if err := removeFile(aside); err != nil {
		return false, fmt.Errorf("reap lease: %w", err)
	}
	if _, err := s.ReapInstance(containerHash(l.Container)); err != nil {
		return false, err
	}
	return true, nil
}

func sameLease(a, b Lease) bool {
	return a.Time.Equal(b.Time) && a.PID == b.PID && a.PIDStart == b.PIDStart && a.BootID == b.BootID &&
		a.Snapshot == b.Snapshot && a.Instance == b.Instance && reflect.DeepEqual(a.Lowers, b.Lowers)
}

// ReapInstance trashes the instance directory of that name (the base of InstanceDir) unless a
// lease for it exists once it is out of sight. The caller holds the writer lock.
func (s *Store) ReapInstance(name string) (done bool, err error) {
	path := s.join(instancesName, name)
	aside := s.join(stagingName, instancePrefix+name)
	if err := os.Rename(path, aside); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return true, nil
		}
		return false, fmt.Errorf("reap instance: %w", err)
	}
	if _, err := os.Lstat(s.join(leasesName, name+".json")); err == nil {
		// A container that takes its lease before it makes its instance: this may be its own. If
		// it has made another one since, this is the old one.
		err := unix.Renameat2(unix.AT_FDCWD, aside, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
		if !errors.Is(err, unix.EEXIST) {
			return false, err
		}
	}
	return true, s.Trash(aside)
}

// reaped is where an entry of staging/ belongs that Reap or ReapInstance had moved aside, or "".
func (s *Store) reaped(name string) string {
	if rest, ok := strings.CutPrefix(name, leasePrefix); ok {
		return s.join(leasesName, rest)
	}
	if rest, ok := strings.CutPrefix(name, instancePrefix); ok {
		return s.join(instancesName, rest)
	}
	return ""
}
