package container

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"larder/overlay/keep"
	"larder/overlay/oci"
	"larder/snapshot"
)

// ErrProvisioned means that the container has an attach already, or that another one is at it.
var ErrProvisioned = errors.New("already provisioned")

// lockContainer excludes another attach to the same container, without a file
// for each: the lock is one byte of a common file, chosen by the holder's name. The
// kernel drops it with the process.
func lockContainer(holder string) (unlock func(), err error) {
	if err := os.MkdirAll(keep.DefaultDir, 0o755); err != nil {
		return nil, fmt.Errorf("lock container: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(keep.DefaultDir, "attach.lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock container: %w", err)
	}
	sum := sha256.Sum256([]byte(holder))
	byteOf := unix.Flock_t{Type: unix.F_WRLCK, Len: 1, Start: int64(binary.BigEndian.Uint64(sum[:8]) >> 2)}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &byteOf); err != nil {
		f.Close()
		if err == unix.EAGAIN || err == unix.EACCES {
			return nil, fmt.Errorf("%w: another attach is at it", ErrProvisioned)
		}
		return nil, fmt.Errorf("lock container: %w", err)
	}
	return func() { f.Close() }, nil
}

// provisioned says whether this very process has what it gets: where two definitions
// run the hook (hooks.d and CDI), the second finds its work done. It refuses a container that has a
// lease whose process is another one and lives: this is a state that was replayed, or an id used
// twice. A lease that cannot be read may be such a one.
func (a *Attach) provisioned(c *oci.Container) (bool, error) {
	l, err := a.Store.Lease(a.holder())
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, snapshot.ErrTorn) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the lease of this id: %w", err)
	}
	if ended, _ := l.Ended(); ended {
		return false, nil
	}
	if l.PID == a.State.PID && l.OfThisNamespace() && c.Provisioned() {
		a.Done("attached before, by another definition of the hook")
		return true, nil
	}
	return false, fmt.Errorf("%w: process %d has a lease on snapshot %s", ErrProvisioned, l.PID, l.Snapshot.Short())
}

// released says whether a container's lease can go: nil, or why it must stay.
func released(l snapshot.Lease) error {
	if ended, _ := l.Ended(); !ended {
		return fmt.Errorf("process %d of the container, which has a lease, is not known to have ended", l.PID)
	}
	return nil
}
