package container

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"

	"larder/overlay/keep"
	"larder/overlay/oci"
	"larder/snapshot"
)

// ErrProvisioned means that the container has an attach already, or that another one is at it.
var ErrProvisioned = errors.New("already provisioned")

// lockContainer excludes another attach to the same container, without a file
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
			return nil, fmt.Errorf("%w: another attach is at it", ErrProvisioned)
		}
		return nil, fmt.Errorf("lock container: %w", err)
	}
	return func() { f.Close() }, nil
}

// unprovisioned refuses a container that has a lease whose process lives: this
// is a state that was replayed, or an id used twice. A lease that cannot be
// read may be such a one.
func (a *Attach) unprovisioned() error {
	l, err := a.Store.Lease(a.State.ID)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, snapshot.ErrTorn) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the lease of this id: %w", err)
	}
	if dead, _ := l.Dead(); dead {
		return nil
	}
	return fmt.Errorf("%w: process %d has a lease on snapshot %s", ErrProvisioned, l.PID, l.Snapshot.Short())
}

// released says whether a container's lease can go: nil, or why it must stay.
// The id alone names nobody, because each root of a runtime has its own ids.
func released(l snapshot.Lease, state oci.State) error {
	if known := path.Clean(state.Bundle); l.Bundle != "" && known != "." && known != "/" && path.Clean(l.Bundle) != known {
		return fmt.Errorf("another container of that id has a lease, with bundle %.200q", l.Bundle)
	}
	if dead, _ := l.Dead(); !dead {
		return fmt.Errorf("process %d of the container, which has a lease, is not known to have ended", l.PID)
	}
	return nil
}
