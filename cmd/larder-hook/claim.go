package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"larder/overlay/keep"
	"larder/overlay/oci/container"
	"larder/snapshot"
)

var errProvisioned = errors.New("already provisioned")

// lockContainer excludes another hook for the same container, without a file
// for each: the lock is one byte of a common file, chosen by the id. The kernel
// drops it with the process.
func lockContainer(id string) (unlock func(), err error) {
	if err := os.MkdirAll(keep.DefaultDir, 0o755); err != nil {
		return nil, fmt.Errorf("lock container: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(keep.DefaultDir, "attach.lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock container: %w", err)
	}
	sum := sha256.Sum256([]byte(id))
	byteOf := unix.Flock_t{Type: unix.F_WRLCK, Len: 1, Start: int64(binary.BigEndian.Uint64(sum[:8]) >> 2)}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &byteOf); err != nil {
		f.Close()
		if err == unix.EAGAIN || err == unix.EACCES {
			return nil, fmt.Errorf("%w: another hook is at it", errProvisioned)
		}
		return nil, fmt.Errorf("lock container: %w", err)
	}
	return func() { f.Close() }, nil
}

// unprovisioned refuses a container that has a lease whose process lives: this
// is a state that was replayed, or an id used twice.
func (s *session) unprovisioned() error {
	l, err := s.store.Lease(s.state.ID)
	if err != nil {
		// None; or one that says nothing, and then the new one replaces it.
		return nil
	}
	boot, err := bootID()
	if err != nil {
		return err
	}
	if start, err := container.StartTime(l.PID); err == nil && l.PID > 0 && l.BootID == boot && start == l.PIDStart {
		return fmt.Errorf("%w: process %d has a lease on snapshot %s", errProvisioned, l.PID, l.Snapshot.Short())
	}
	return nil
}

// claim chooses the snapshot and notes that this container uses it.
func (s *session) claim() error {
	start, err := s.c.Start()
	if err != nil {
		return err
	}
	boot, err := bootID()
	if err != nil {
		return err
	}
	s.onFailure(func() { _ = s.store.DropLease(s.state.ID) })
	// A gc can take the snapshot between the look and the lease: once, since
	// it never takes the current one.
	for try := 0; ; try++ {
		if s.id, err = s.store.Resolve(s.profile.Snapshot); err != nil {
			return err
		}
		err = s.store.AcquireLease(snapshot.Lease{
			Container: s.state.ID, Snapshot: s.id, PID: s.state.PID, PIDStart: start, BootID: boot,
			Instance: s.store.InstanceDir(s.state.ID),
		})
		if err == nil || !errors.Is(err, snapshot.ErrNoSnapshot) || try == 1 {
			return err
		}
	}
}

// bootID names this boot of the host.
func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return string(bytes.TrimSpace(b)), nil
}

// trashInstance parks the instance in constant time. What is in it stays
// readable for the job that looks for misses.
func trashInstance(store *snapshot.Store, id string) error {
	err := store.Trash(store.InstanceDir(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
