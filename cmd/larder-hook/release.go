package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"larder/cmd/internal/config"
	"larder/cmd/internal/leftover"
	"larder/overlay/instance"
	"larder/overlay/oci"
	"larder/snapshot"
	"larder/snapshot/failpoint"
)

// release lets go of a container that has ended, in constant time whatever it
// wrote, and then removes what that is, as far as its share of time goes. What a
// process that it left behind still uses stays until gc finds it free. Nothing to release is not an error: poststop runs after a failed attach too, and
// twice if a runtime is asked twice.
func (j *job) release(stdin *os.File) error {
	state, err := oci.ReadState(stdin, stateTimeout)
	if err != nil {
		return err
	}
	j.id = state.ID
	var cfg config.Config
	if j.store == "" { // else the file has nothing to say
		if cfg, err = config.Load(j.config); err != nil {
			return err
		}
	}
	store, err := openStore(j.store, cfg)
	if err != nil {
		return err
	}
	l, err := store.Lease(state.ID)
	if err == nil {
		err = released(l, state)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("nothing released: %w", err) // gc does it, once it can
	}
	dir := store.InstanceDir(state.ID)
	note, unread := snapshot.ReadAttached(dir)
	opened, unopened := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if unopened == nil {
		defer opened.Close()
	}
	// The instance first: a lease without an instance is dropped by gc when
	// its process is gone, an instance without a lease is nobody's.
	failpoint.Here("release: lease read")
	parked := ""
	kept, err := store.PutInstanceAway(state.ID, instance.Mounted, func(path string) (err error) {
		parked, err = store.Park(path)
		return err
	})
	if kept != "" {
		j.note(kept + ": larder gc takes it once it is free")
	}
	failpoint.Here("release: instance away")
	err = errors.Join(err, store.DropLease(state.ID))
	failpoint.Here("release: lease dropped")
	if err == nil {
		j.done = append(j.done, "released")
		j.lap("release")
		if unread == nil && unopened == nil {
			j.look(opened, note, state)
			j.lap("look")
		}
		j.clear(store, parked)
	}
	return err
}

// clear removes what the container left, "" for nothing, and a share of what nobody else does. A
// runtime waits, and the container is released: what goes wrong here is gc's to say.
func (j *job) clear(store *snapshot.Store, parked string) {
	if parked != "" {
		ctx, cancel := context.WithTimeout(context.Background(), leftover.Release)
		defer cancel()
		_ = leftover.Clear(ctx, store, parked)
	}
	leftover.Stale(context.Background(), store, leftover.Untouched)
	j.lap("clear")
}
