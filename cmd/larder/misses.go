package main

import (
	"context"
	"time"

	"larder/popularity/misses"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// missTime is how long the reading of one instance may take; all that is parked may
// take ten times as much.
const missTime = time.Second

// collectMisses reads what containers that are gone left in the trash. Whatever
// empties the trash (build, gc) calls it first. Nothing that goes wrong with it
// stops a command: misses are a sample.
func collectMisses(ctx context.Context, s *snapshot.Store) {
	c, err := misses.Collect(ctx, s.TrashDir(), s.MissesDir(), time.Now(), misses.Limits{Time: missTime})
	sayMisses(ctx, c, err)
}

func sayMisses(ctx context.Context, c misses.Collected, err error) {
	if err != nil && ctx.Err() == nil {
		warnf("%v", err)
	}
	for _, note := range c.Notes {
		warnf("misses: %s", note)
	}
}

// noteMisses reads what the command of a run downloaded, from the instance that
// is about to be thrown away. It runs when the command is interrupted, too, so
// the command's context is not asked.
func (r *running) noteMisses() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.c.Context), 2*missTime)
	defer cancel()
	c, err := misses.CollectInstance(ctx, r.throwAway, r.container, r.store.MissesDir(), time.Now(), misses.Limits{Time: missTime})
	sayMisses(ctx, c, err)
}

// noteLacked notes what the locks of a run named in vain.
func (r *running) noteLacked() {
	if len(r.lacked) == 0 {
		return
	}
	if _, err := misses.Append(r.store.MissesDir(), misses.Report{Time: time.Now(), Instance: r.container, Misses: r.lacked}); err != nil {
		warnf("%v", err)
	}
}

// lack remembers what the snapshot lacks of a run's locks for a target.
func (r *running) lack(pins []snapshot.Pin, target snapshot.Target) {
	for _, p := range pins {
		r.lacked = append(r.lacked, ecosystem.Miss{Ecosystem: target.Ecosystem, Project: p.Name, Version: p.Version, Target: target.Tag, Kind: ecosystem.Missing})
	}
}
