package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"larder/cmd/internal/leftover"
	"larder/overlay/attach"
	"larder/overlay/instance"
	"larder/popularity/misses"
	"larder/snapshot"
	"larder/snapshot/failpoint"
)

// open finds the snapshot, takes a lease on it, and makes the instance.
func (r *running) open() (err error) {
	if r.inside != nil {
		return r.openInside()
	}
	if r.store, err = openStore(r.c); err != nil {
		return err
	}
	// A name nobody had before: a dead run's lease is gc's, not ours.
	name := fmt.Sprintf("larder-run-%d-%s", os.Getpid(), rand.Text())
	holder := attach.Holder{
		Name: name, PID: os.Getpid(), Locked: true,
		MinFree: int64(r.settings.MinFree), Limit: int64(r.settings.UpperLimit), Required: r.Required, Note: r.Warn,
		Undo: func(func()) { r.container, r.throwAway = name, r.store.InstanceDir(name) }, // for finish
	}
	var held attach.Held
	if kept := r.c.String("instance"); kept != "" {
		if kept, err = filepath.Abs(kept); err != nil {
			return err
		}
		parent := ""
		if parent, err = snapshot.TrustedPath(filepath.Dir(kept)); err != nil {
			return err
		}
		held, err = holder.Keep(r.store, filepath.Join(parent, filepath.Base(kept)), r.settings.Snapshot, r.c.IsSet("snapshot"))
	} else {
		held, err = holder.Hold(r.store, r.settings.Snapshot)
	}
	r.id, r.Instance = held.ID, held.Instance
	if err != nil {
		return err
	}
	r.Snapshot = held.Snapshot(r.store)
	r.Locks, err = r.environment(interpreters(r.store, r.id))
	return err
}

// finish throws the instance away, unless something still runs on it. Whatever
// fails here, gc does again.
func (r *running) finish() {
	if r.Instance != nil {
		r.Instance.Close()
	}
	if len(r.left) > 0 {
		r.leave()
	}
	if r.inside != nil {
		r.finishInside()
		return
	}
	if r.container == "" {
		if r.Instance != nil && r.Instance.Kept() {
			leftover.NoteUse(r.store, noteFailed)(r.Instance.Dir(), misses.Found{}) // it stays, so nothing of it is read
		}
		return
	}
	r.noteLacked()
	defer leftover.Stale(r.c.Context, r.store, leftover.Untouched)
	if len(r.left) > 0 {
		return
	}
	r.noteMisses()
	failpoint.Here("run: misses noted")
	kept, err := r.store.PutInstanceAway(r.container, instance.Mounted, r.store.Destroy)
	if kept != "" {
		warnf("%s: larder gc takes it once it is free", kept)
	}
	failpoint.Here("run: instance away")
	if err := errors.Join(err, r.store.DropLease(r.container)); err != nil {
		warnf("clean up: %v; larder gc does it", err)
	}
}

// leave says what goes on, and has the lease live as long as the oldest of it.
// (The others hold the upper mounted, which gc looks for itself.)
func (r *running) leave() {
	first := r.left[0]
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", first))
	outlives := "outlives"
	if n := len(r.left) - 1; n > 0 {
		outlives = fmt.Sprintf("and %d more outlive", n)
	}
	warnf("process %d (%s) %s the command, with all that is mounted for it", first, strings.TrimSpace(string(name)), outlives)
	if r.container == "" {
		return
	}
	lease, err := snapshot.ProcessLease(r.container, r.id, first)
	if err == nil {
		lease.Instance = r.throwAway
		err = r.store.AcquireLease(lease)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		warnf("%v", err)
	}
}
