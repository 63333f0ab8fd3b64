package snapshot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Lease is the durable note "container C uses snapshot S". It holds the process by number, start
// time and boot, because a number alone comes back: a new process can be given a dead one's.
type Lease struct {
	Container string `json:"container"`
	Snapshot  ID     `json:"snapshot"`
	PID       int    `json:"pid"`       // 0: kept by an instance directory, not a process
	PIDStart  uint64 `json:"pid_start"` // field 22 of /proc/PID/stat
	BootID    string `json:"boot_id"`   // /proc/sys/kernel/random/boot_id
	// PIDNamespace is where PID counts, as /proc/self/ns/pid has it; elsewhere it proves nothing.
	PIDNamespace string `json:"pid_ns,omitempty"`
	// Alone says that PID is the first process of a process namespace of its own: the kernel ends
	// all of a container's processes before that one (pid_namespaces(7)).
	Alone bool `json:"alone,omitempty"`

	Instance string    `json:"instance"` // directory of the writable part, "" if none
	Time     time.Time `json:"time"`

	// Locked says that the holder keeps the instance locked as long as it lives, so that a free
	// lock proves its death where its process cannot be seen.
	Locked bool `json:"locked,omitempty"`
	// Parent is where a kept instance lay when the lease was taken: it is absent only where that
	// very directory is, and not a mount point that its disk has left.
	Parent *dirID `json:"parent,omitempty"`
	// Bundle is the container's, as its runtime named it: the same id in another root of a
	// runtime is another container.
	Bundle string `json:"bundle,omitempty"`
	// Engine can start the container again, with what it wrote. Without one, its end is the end of
	// its process.
	Engine *EngineRecord `json:"engine,omitempty"`

	// Unreadable is why the file could not be read. Such a lease names no snapshot, so it counts
	// as one on every snapshot. File is the lease's file name.
	Unreadable error  `json:"-"`
	File       string `json:"-"`
}

const maxLease = 1 << 20 // a real one is 1 kB

// ErrTorn is why a lease is unreadable that a power cut left without content: there was no time
// to write it, so nobody relied on it.
var ErrTorn = errors.New("empty, or nothing but zeros")

// AcquireLease writes the lease and then checks that the snapshot is still there: gc
// takes a snapshot away first and looks for leases after, so one of the two sees the other.
// ErrNoSnapshot means: gone since it was looked up; resolve again and retry.
//
// The lease of what outlives its process, a kept instance or an engine's container, is durable. That of
// a process is not synced, which would be a quarter of an attach: the power cut that tears the file ends
// the process too, and whoever locks the store next removes such a file (dropTornLeases).
func (s *Store) AcquireLease(l Lease) error {
	// JSON would change bytes that are not UTF-8, and the file's name would no longer be theirs.
	if l.Container == "" || !utf8.ValidString(l.Container) {
		return fmt.Errorf("acquire lease: %q is no container id", clip(l.Container))
	}
	if l.Time.IsZero() {
		l.Time = time.Now().UTC()
	}
	b, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("acquire lease: %w", err)
	}
	path := s.leasePath(l.Holder())
	replace := replaceFile
	if l.PID != 0 && l.Engine == nil {
		replace = WriteFile
	}
	if err := replace(path, append(b, '\n'), 0o600); err != nil {
		return s.unwritable("acquire lease", err)
	}
	err = s.haveImage(l.Snapshot)
	if errors.Is(err, ErrNoSnapshot) {
		// Only then: where the host cannot tell, this may be the one note of a kept instance.
		_ = removeFile(path)
	}
	return err
}

// Holder is the name of who holds the lease.
func (l Lease) Holder() string { return HolderName(l.Container, l.Bundle) }

// DropLease forgets a holder's lease. None is not an error: release may run twice.
func (s *Store) DropLease(holder string) error {
	err := removeFile(s.leasePath(holder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("drop lease: %w", err)
	}
	return nil
}

// Lease reads one holder's lease; fs.ErrNotExist when it has none.
func (s *Store) Lease(holder string) (Lease, error) {
	l := readLease(s.leasePath(holder))
	return l, l.Unreadable
}

// Leases reads all. Files that cannot be read are in the list too, with Unreadable set; an error
// means that the directory itself could not be listed, and then nothing may be deleted.
func (s *Store) Leases() ([]Lease, error) {
	entries, err := os.ReadDir(s.join(leasesName))
	if err != nil {
		return nil, fmt.Errorf("list leases: %w", err)
	}
	leases := make([]Lease, 0, len(entries))
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue // a write in progress, or one that was killed: it names nothing yet
		}
		l := readLease(s.join(leasesName, e.Name()))
		if errors.Is(l.Unreadable, fs.ErrNotExist) {
			continue // released while we were reading
		}
		leases = append(leases, l)
	}
	return leases, nil
}

func readLease(path string) Lease { return readLeaseAs(path, filepath.Base(path)) }

// readLeaseAs reads the lease whose file's name is, or was, name.
func readLeaseAs(path, name string) Lease {
	l := Lease{File: name}
	b, err := readSmall(path, maxLease)
	if err != nil {
		l.Unreadable = err
		return l
	}
	if len(bytes.Trim(b, "\x00")) == 0 {
		l.Unreadable = fmt.Errorf("lease %s: %w", l.File, ErrTorn)
		return l
	}
	if err := json.Unmarshal(b, &l); err != nil {
		return Lease{File: l.File, Unreadable: fmt.Errorf("lease %s: %w", l.File, err)}
	}
	if l.Snapshot.IsZero() || l.Container == "" || !l.isNamed(l.File) {
		return Lease{File: l.File, Unreadable: fmt.Errorf("lease %s: it names no snapshot, or another container's", l.File)}
	}
	return l
}

// isNamed says whether a file is the lease's. Up to 0.1 the bundle was not part of the name.
func (l Lease) isNamed(file string) bool {
	return file == holderHash(l.Holder())+".json" || file == holderHash(l.Container)+".json"
}

// instanceName is the instance directory's that belongs to a lease that was read.
func (l Lease) instanceName() string { return strings.TrimSuffix(l.File, ".json") }

// Leased says whether a lease holds the snapshot; an unreadable one holds them all.
func Leased(leases []Lease, id ID) bool {
	for _, l := range leases {
		if l.Unreadable != nil || l.Snapshot == id {
			return true
		}
	}
	return false
}

// dropTornLeases removes what a power cut left of the leases of processes: torn files that were
// last written before this boot. Whatever else cannot be read stays, and holds every snapshot
// until somebody looks: it may be a disk's error, or ours. The caller holds the writer lock, and
// has cleared staging/.
func (s *Store) dropTornLeases() error {
	leases, err := s.Leases()
	if err != nil {
		return err
	}
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		return fmt.Errorf("tell the time of the boot: %w", err)
	}
	boot := time.Now().Add(-time.Duration(up.Nano()))
	for _, l := range leases {
		if !errors.Is(l.Unreadable, ErrTorn) {
			continue
		}
		fi, err := os.Lstat(s.join(leasesName, l.File))
		if err != nil || !fi.ModTime().Before(boot) {
			continue
		}
		// A container of that id may come at any moment, and bring a lease that is whole.
		_, err = s.takeLease(l.File, func(got Lease) bool { return errors.Is(got.Unreadable, ErrTorn) })
		if err != nil {
			return fmt.Errorf("drop torn lease %s: %w", l.File, err)
		}
	}
	return nil
}

func (s *Store) leasePath(holder string) string {
	return s.join(leasesName, holderHash(holder)+".json")
}
