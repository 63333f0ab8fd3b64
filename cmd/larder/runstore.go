package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

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
		parent, err := snapshot.TrustedPath(filepath.Dir(kept))
		if err != nil {
			return err
		}
		return r.openKept(filepath.Join(parent, filepath.Base(kept)))
	}
	if r.id, err = store.Resolve(r.settings.Snapshot); err != nil {
		return err
	}
	if err := instance.CheckFree(store.InstanceDir(""), int64(r.settings.MinFree)); err != nil {
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
	if err := r.limit(); err != nil {
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
	if err := instance.CheckFree(dir, int64(r.settings.MinFree)); err != nil {
		return err
	}
	if r.Instance, err = instance.Keep(dir); err != nil {
		return err
	}
	if err := r.limit(); err != nil {
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

// limit bounds what the command may write. Without --required it goes on without.
func (r *running) limit() error {
	limit := r.settings.UpperLimit
	if limit == 0 {
		return nil
	}
	err := r.Instance.Limit(int64(limit))
	if err == nil || r.Required {
		return err
	}
	warnf("without its upper_limit: %v", err)
	return nil
}

func (r *running) attach() error {
	r.Snapshot = keep.Snapshot{ID: r.id.String(), Image: r.store.ImagePath(r.id), Objects: r.store.ObjectsDir()}
	if locks := r.c.StringSlice("requirement"); len(locks) > 0 {
		r.Environment = r.environment(locks)
	}
	return nil
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
	if r.container == "" {
		return
	}
	r.noteLacked()
	if len(r.left) > 0 {
		return
	}
	r.noteMisses()
	kept, err := r.store.PutInstanceAway(r.container, instance.Mounted, r.store.Destroy)
	if kept != "" {
		warnf("%s: larder gc takes it once it is free", kept)
	}
	if err := errors.Join(err, r.store.DropLease(r.container)); err != nil {
		warnf("clean up: %v; larder gc does it", err)
	}
}

// leave says what goes on, and has the lease live as long as the oldest of it.
// (The others hold the upper mounted, which gc looks for itself.)
func (r *running) leave() {
	first := r.left[0]
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", first))
	more := ""
	if n := len(r.left) - 1; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	warnf("process %d (%s)%s outlives the command, with all that is mounted for it", first, strings.TrimSpace(string(name)), more)
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
