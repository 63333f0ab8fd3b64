package main

import (
	"context"
	"time"

	"larder/cmd/internal/leftover"
	"larder/popularity/misses"
	"larder/popularity/usage"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// missTime is how long the reading of one instance may take; all that is parked may
// take ten times as much.
const missTime = time.Second

// collectMisses reads what containers that are gone left in the trash: for the misses, and to count
// what they used. Whatever empties the trash (build, gc) calls it first. Nothing that goes wrong with
// it stops a command: misses are a sample.
func collectMisses(ctx context.Context, s *snapshot.Store) {
	c, err := misses.Collect(ctx, s.TrashDir(), s.MissesDir(), time.Now(), misses.Limits{Time: missTime}, leftover.NoteUse(s, noteFailed))
	sayMisses(ctx, c, err)
	missed, err := usage.Fold(s, stocks(s))
	if err != nil {
		warnf("%v", err)
	}
	for _, m := range missed {
		if _, err := misses.Append(s.MissesDir(), misses.Report{Time: m.Ended, Instance: m.Instance, Misses: m.Misses}); err != nil {
			warnf("%v", err)
		}
	}
}

// noteFailed says that a use could not be noted.
func noteFailed(err error) { warnf("%v", err) }

// stocks reads the manifests of snapshots, each once.
func stocks(s *snapshot.Store) usage.Stocks {
	had := map[snapshot.ID]*usage.Stock{}
	return func(id snapshot.ID) *usage.Stock {
		stock, ok := had[id]
		if ok {
			return stock
		}
		if img, _, err := openImage(s, id.String()); err == nil {
			if m, err := img.Manifest(); err == nil {
				stock = usage.StockOf(m)
			}
			img.Close()
		}
		had[id] = stock
		return stock
	}
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
	c, err := misses.CollectInstance(ctx, r.throwAway, r.container, r.store.MissesDir(), time.Now(), misses.Limits{Time: missTime}, leftover.NoteUse(r.store, noteFailed))
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
