package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"larder/overlay/instance"
	"larder/overlay/oci"
	"larder/snapshot"
	"larder/snapshot/failpoint"
)

// Released is what a container left.
type Released struct {
	Parked string            // its instance's name in the trash, "" for none
	Dir    *os.File          // the same, open; nil for none. The caller closes it.
	Note   snapshot.Attached // of what was attached
}

// Release lets go of a container that has ended, in constant time whatever it wrote. What a process
// that it left behind still uses stays until gc finds it free, and what its engine can start again stays
// as it is. Nothing to release is not an error:
// runtimes ask after a failed attach too, and twice.
func (r *Record) Release(store *snapshot.Store, state oci.State) (Released, error) {
	holder := snapshot.HolderName(state.ID, state.Bundle)
	l, err := store.Lease(holder)
	if err == nil {
		err = released(l)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Released{}, fmt.Errorf("nothing released: %w", err) // gc does it, once it can
	}
	left := Released{}
	dir := store.InstanceDir(holder)
	note, unread := snapshot.ReadAttached(dir)
	if unread == nil {
		left.Note = note
		if f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0); err == nil {
			left.Dir = f
		}
	}
	if dead, _ := l.Dead(); l.Engine != nil && !dead {
		r.Done("stopped; what it wrote is kept until " + l.Engine.Engine + " removes the container")
		return left, nil
	}
	// The instance first: a lease without an instance is dropped by gc when
	// its process is gone, an instance without a lease is nobody's.
	failpoint.Here("release: lease read")
	kept, err := store.PutInstanceAway(holder, mounted(l), func(path string) (err error) {
		left.Parked, err = store.Park(path)
		return err
	})
	if kept != "" {
		r.Note(kept + ": larder gc takes it once it is free")
	}
	failpoint.Here("release: instance away")
	err = errors.Join(err, store.DropLease(holder))
	failpoint.Here("release: lease dropped")
	if err == nil {
		r.Done("released")
		r.Lap("release")
	}
	return left, err
}

// mounted asks whether something still uses an instance. To ask the kernel takes a millisecond and
// leaves a line in its log, so it is not asked where the answer is known: a container with a process
// namespace of its own leaves no process behind.
func mounted(l snapshot.Lease) func(dir string) (bool, error) {
	if l.Alone {
		return func(string) (bool, error) { return false, nil }
	}
	return instance.Mounted
}
