package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strings"

	"golang.org/x/sys/unix"

	"larder/snapshot/failpoint"
	"larder/snapshot/trash"
)

// Reap takes the lease and the instance of a container that is dead. A new container of the same
// id may arrive at any moment, and takes no lock: so both are moved aside, looked at again, and
// put back when they are somebody else's by then. done is false in that case. The caller holds
// the writer lock.
func (s *Store) Reap(l Lease) (done bool, err error) {
	done, err = s.reap(l)
	if isSpace(err) && s.emptyInstance(l.instanceName(), func() bool {
		got := readLease(s.join(leasesName, l.File))
		return got.Unreadable == nil && sameLease(got, l)
	}) == nil {
		return s.reap(l)
	}
	return done, err
}

func (s *Store) reap(l Lease) (done bool, err error) {
	var unread error
	done, err = s.takeLease(l.File, func(got Lease) bool {
		unread = got.Unreadable
		return unread == nil && sameLease(got, l)
	})
	if err == nil && HostFault(unread) != 0 {
		err = fmt.Errorf("reap lease of %q: it stays: %w", clip(l.Container), unread)
	}
	if !done || err != nil {
		return false, err
	}
	failpoint.Here("gc: lease removed")
	if _, err := s.ReapInstance(l.instanceName()); err != nil {
		return false, err
	}
	return true, nil
}

// emptyInstance removes what is in a dead container's instance where it lies. On a full btrfs
// there is no room to rename, only to unlink. A container takes its lease before it makes its
// instance: while the lease is still the one that is meant, the directory opened before is, too.
func (s *Store) emptyInstance(name string, still func() bool) error {
	dir, err := os.OpenFile(s.join(instancesName, name), os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	if !still() {
		return fs.ErrNotExist
	}
	_, _, err = trash.Empty(context.Background(), dir)
	return err
}

// takeLease removes a lease's file if it still is the one that is meant once it is out of sight.
func (s *Store) takeLease(file string, meant func(Lease) bool) (done bool, err error) {
	path, aside := s.join(leasesName, file), s.join(stagingName, leasePrefix+file)
	if err := os.Rename(path, aside); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil // released meanwhile
		}
		return false, fmt.Errorf("reap lease: %w", err)
	}
	failpoint.Here("gc: lease aside")
	if !meant(readLeaseAs(aside, file)) {
		err := unix.Renameat2(unix.AT_FDCWD, aside, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
		if errors.Is(err, unix.EEXIST) {
			err = removeFile(aside) // a still newer one
		}
		return false, err
	}
	if err := removeFile(aside); err != nil {
		return false, fmt.Errorf("reap lease: %w", err)
	}
	return true, nil
}

func sameLease(a, b Lease) bool {
	same := a.Time.Equal(b.Time) // whatever its zone
	a.Time = b.Time
	return same && reflect.DeepEqual(a, b)
}

// ReapInstance trashes the instance directory of that name (the base of InstanceDir) unless a
// lease for it exists once it is out of sight. The caller holds the writer lock.
func (s *Store) ReapInstance(name string) (done bool, err error) {
	done, err = s.reapInstance(name)
	if isSpace(err) && s.emptyInstance(name, func() bool {
		_, err := os.Lstat(s.join(leasesName, name+".json"))
		return errors.Is(err, fs.ErrNotExist)
	}) == nil {
		return s.reapInstance(name)
	}
	return done, err
}

func (s *Store) reapInstance(name string) (done bool, err error) {
	path := s.join(instancesName, name)
	aside := s.join(stagingName, instancePrefix+name)
	if err := os.Rename(path, aside); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return true, nil
		}
		return false, fmt.Errorf("reap instance: %w", err)
	}
	failpoint.Here("gc: instance aside")
	if _, lerr := os.Lstat(s.join(leasesName, name+".json")); !errors.Is(lerr, fs.ErrNotExist) {
		// A container that takes its lease before it makes its instance: this may be its own. If
		// it has made another one since, this is the old one.
		err := unix.Renameat2(unix.AT_FDCWD, aside, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
		if !errors.Is(err, unix.EEXIST) {
			return false, errors.Join(lerr, err)
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
