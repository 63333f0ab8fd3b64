package main

import (
	"context"
	"errors"
	"io/fs"

	"github.com/containerd/nri/pkg/api"

	"larder/cmd/internal/container"
	"larder/cmd/internal/leftover"
	"larder/overlay/oci"
	"larder/snapshot/failpoint"
)

// remove takes note of a container that is gone. The runtime does not wait for what that takes; where
// too much of it waits already, gc does it.
func (p *plugin) remove(c *api.Container) {
	state := oci.State{ID: c.GetId()}
	if state.Check() != nil {
		return
	}
	select {
	case p.released <- state:
	default:
	}
}

// putAway puts away the instances of containers that were removed, one after another, and then
// removes what they wrote.
func (p *plugin) putAway() {
	for state := range p.released {
		p.release(state)
	}
}

func (p *plugin) release(state oci.State) {
	_, store, err := p.host()
	if err != nil {
		return // said at each attach; gc does it
	}
	if _, err := store.Lease(state.ID); errors.Is(err, fs.ErrNotExist) {
		return // most containers have nothing of ours; an instance without a lease is gc's
	}
	failpoint.Here("nri: release")
	r := container.NewRecord()
	r.Name(state.ID)
	left, err := r.Release(store, state)
	if left.Dir != nil {
		left.Dir.Close()
	}
	if err == nil && left.Parked != "" {
		ctx, cancel := context.WithTimeout(context.Background(), leftover.Release)
		_ = leftover.Clear(ctx, store, left.Parked) // what is left of it is gc's
		cancel()
		leftover.Stale(context.Background(), store, leftover.Untouched)
		r.Lap("clear")
	}
	p.log.LogAttrs(context.Background(), r.Level(err), r.Line("release", err), r.Times()...)
}
