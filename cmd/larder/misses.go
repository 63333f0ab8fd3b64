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
	report := misses.Report{Time: time.Now(), Instance: r.container}
	for _, p := range r.lacked {
		report.Misses = append(report.Misses, ecosystem.Miss{Project: p.Name, Version: p.Version, Target: r.python, Kind: ecosystem.Missing})
	}
	if _, err := misses.Append(r.store.MissesDir(), report); err != nil {
		warnf("%v", err)
	}
}

// lack remembers what the snapshot lacks of a run's locks, for one Python minor.
func (r *running) lack(pins []snapshot.Pin, python string) { r.lacked, r.python = pins, python }
