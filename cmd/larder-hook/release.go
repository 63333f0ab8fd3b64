package main

import (
	"errors"
	"os"

	"larder/cmd/internal/config"
	"larder/overlay/oci"
)

// release lets go of a container, in constant time whatever it wrote. Nothing
// to release is not an error: poststop runs after a failed attach too, and
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
	// The instance first: a lease without an instance is dropped by gc when
	// its process is gone, an instance without a lease is nobody's.
	err = trashInstance(store, state.ID)
	err = errors.Join(err, store.DropLease(state.ID))
	if err == nil {
		j.done = append(j.done, "released")
	}
	return err
}
