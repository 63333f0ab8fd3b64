package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"larder/overlay/instance"
	"larder/overlay/keep"
	"larder/snapshot"
)

// open finds the snapshot, takes a lease on it, and makes the instance.
func (r *running) open() error {
	store, err := openStore(r.c)
	if err != nil {
		return err
	}
	r.store = store
	kept := r.c.String("instance")
	if kept != "" {
		if kept, err = filepath.Abs(kept); err != nil {
			return err
		}
		return r.openKept(kept)
	}
	if r.id, err = store.Resolve(r.settings.Snapshot); err != nil {
		return err
	}
	// A name nobody had before: a dead run's lease is gc's, not ours.
	name := fmt.Sprintf("larder-run-%d-%s", os.Getpid(), rand.Text())
	lease, err := snapshot.ProcessLease(name, r.id, os.Getpid())
	if err != nil {
		return err
	}
	dir := store.InstanceDir(name)
	lease.Instance, lease.Locked = dir, true
	// The lease first: what is in instances/ without one is rubbish to gc.
	if err := store.AcquireLease(lease); err != nil {
		return err
	}
	r.container, r.throwAway = name, dir
	if r.Instance, err = instance.Create(dir); err != nil {
		return err
	}
	return r.attach()
}

// openKept opens an instance that outlives the command. Its lease is the
// directory's, not ours; the snapshot is the one it was made with.
func (r *running) openKept(dir string) (err error) {
	name := "instance:" + dir
	had, unread := r.store.Lease(name)
	r.id = had.Snapshot
	if unread != nil || r.c.IsSet("snapshot") {
		if r.id, err = r.store.Resolve(r.settings.Snapshot); err != nil {
			return err
		}
	}
	if r.Instance, err = instance.Keep(dir); err != nil {
		return err
	}
	lease, err := snapshot.InstanceLease(name, r.id, dir)
	if err != nil {
		return err
	}
	switch {
	case unread == nil:
		lease.Snapshot = had.Snapshot
		if had.Parent != nil && *had.Parent == *lease.Parent {
			return r.attach()
		}
		// It lies elsewhere by now, or nobody noted where.
	case !errors.Is(unread, fs.ErrNotExist) && !errors.Is(unread, snapshot.ErrTorn):
		return r.attach() // it holds every snapshot as it is
	}
	if err := r.store.AcquireLease(lease); err != nil {
		return err
	}
	return r.attach()
}

func (r *running) attach() error {
	r.Snapshot = keep.Snapshot{ID: r.id.String(), Image: r.store.ImagePath(r.id), Objects: r.store.ObjectsDir()}
	if locks := r.c.StringSlice("requirement"); len(locks) > 0 {
		r.Environment = r.environment(locks)
	}
	return nil
}

// finish throws the instance away. Whatever fails here, gc does again.
func (r *running) finish() {
	if r.Instance != nil {
		r.Instance.Close()
	}
	if r.container == "" {
		return
	}
	r.noteMisses()
	collectMisses(context.WithoutCancel(r.c.Context), r.store, missTimeRun) // of others, before the trash is emptied
	err := r.store.PutInstanceAway(r.container, instance.Mounted)
	if err == nil {
		err = r.store.DropLease(r.container)
	}
	if err == nil {
		err = r.store.EmptyTrash()
	}
	if err != nil {
		warnf("clean up: %v; larder gc does it", err)
	}
}
