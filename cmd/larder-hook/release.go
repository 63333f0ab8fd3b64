package main

import (
	"context"
	"os"

	"larder/cmd/internal/config"
	"larder/cmd/internal/leftover"
	"larder/overlay/oci"
	"larder/snapshot"
)

// release lets go of a container that has ended, and then removes what it wrote, as far as its share
// of time goes.
func (j *job) release(stdin *os.File) error {
	state, err := oci.ReadState(stdin, stateTimeout)
	if err != nil {
		return err
	}
	j.Name(state.ID)
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
	left, err := j.Release(store, state)
	if left.Dir != nil {
		defer left.Dir.Close()
	}
	if err != nil {
		return err
	}
	if left.Dir != nil {
		j.look(left.Dir, left.Note, state)
		j.Lap("look")
	}
	j.clear(store, left.Parked)
	return nil
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
	j.Lap("clear")
}
