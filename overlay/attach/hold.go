package attach

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"

	"larder/overlay/instance"
	"larder/overlay/keep"
	"larder/snapshot"
	"larder/snapshot/failpoint"
)

// Holder is who holds a snapshot, and on what terms.
type Holder struct {
	Name   string       // of the lease: a container's id
	PID    int          // it ends with this process
	Alive  func() error // nil: the process is our own, so it is
	Bundle string       // of the container
	// Engine can start the container again: the instance stays until it has removed it, and is gone
	// on with. nil: it is for this process.
	Engine *snapshot.EngineRecord
	Locked bool // the instance is locked as long as it is in use

	MinFree, Limit int64 // bytes on the store's file system before, and for what is written
	// Required makes an error of a limit that cannot be had, which is otherwise said by Note.
	Required bool
	Note     func(string)
	Undo     func(func()) // is told how to undo each step that was done
}

// Held is a snapshot that is leased, and what is written over it.
type Held struct {
	ID       snapshot.ID
	Instance *instance.Instance
}

// Snapshot is what there is to mount.
func (h Held) Snapshot(store *snapshot.Store) keep.Snapshot {
	return keep.Snapshot{ID: h.ID.String(), Image: store.ImagePath(h.ID), Objects: store.ObjectsDir()}
}

// Hold takes a lease on a snapshot for a process and makes a new instance, or goes on with the one of a
// container that its engine starts again. Else, what an earlier holder of the name left is put away:
// nobody else has the name now, which the caller sees to.
func (h Holder) Hold(store *snapshot.Store, ref string) (Held, error) {
	name := snapshot.HolderName(h.Name, h.Bundle)
	dir := store.InstanceDir(name)
	if err := instance.CheckFree(dir, h.MinFree); err != nil {
		return Held{}, err
	}
	if had, err := store.Lease(name); err == nil && h.Engine != nil && had.Engine != nil && *had.Engine == *h.Engine {
		return h.resume(store, had)
	}
	// The lease first: what is in instances/ without one is rubbish to gc.
	id, err := h.lease(store, ref, dir)
	if err != nil {
		return Held{}, err
	}
	failpoint.Here("attach: lease taken")
	create := instance.Create
	if h.Engine != nil {
		create = instance.CreateKept
	}
	made, err := create(dir)
	if errors.Is(err, fs.ErrExist) {
		if _, err := store.PutInstanceAway(name, instance.Mounted, store.Trash); err != nil {
			return Held{}, err
		}
		made, err = create(dir)
	}
	if err != nil {
		return Held{}, err
	}
	failpoint.Here("attach: instance made")
	h.Undo(func() { _ = store.Trash(dir) })
	return Held{id, made}, h.limit(made)
}

// resume goes on with the instance of a container that ran before, over the snapshot that it began with:
// nothing else fits what is in it. When it fails all is as it was.
func (h Holder) resume(store *snapshot.Store, had snapshot.Lease) (Held, error) {
	ref := had.Snapshot.String()
	if _, instead, err := h.usable(store, ref); err != nil || instead != nil {
		return Held{}, fmt.Errorf("the container goes on over the snapshot it began with: %w; remove it and create it again", cmp.Or(err, instead))
	}
	opened, err := instance.Keep(had.Instance)
	if err != nil {
		return Held{}, err
	}
	l, err := h.processLease(had.Snapshot, had.Instance)
	if err == nil {
		err = store.AcquireLease(l)
	}
	if err != nil {
		opened.Close()
		return Held{}, err
	}
	h.Undo(func() { _ = store.AcquireLease(had) })
	failpoint.Here("attach: instance resumed")
	return Held{had.Snapshot, opened}, h.limit(opened)
}

// processLease is the lease of the holder's process.
func (h Holder) processLease(id snapshot.ID, dir string) (snapshot.Lease, error) {
	l, err := snapshot.ProcessLease(h.Name, id, h.PID)
	// What was read is of the process only if that still is.
	if err == nil && h.Alive != nil {
		err = h.Alive()
	}
	l.Instance, l.Locked, l.Bundle, l.Engine = dir, h.Locked, h.Bundle, h.Engine
	return l, err
}

func (h Holder) lease(store *snapshot.Store, ref, dir string) (snapshot.ID, error) {
	// A gc can take the snapshot between the look and the lease: once, since
	// it never takes the current one.
	for try := 0; ; try++ {
		id, instead, err := h.usable(store, ref)
		if err != nil {
			return id, err
		}
		failpoint.Here("attach: snapshot chosen")
		l, err := h.processLease(id, dir)
		if err != nil {
			return id, err
		}
		if err = store.AcquireLease(l); err == nil {
			h.Undo(func() { _ = store.DropLease(l.Holder()) })
			h.noteInstead(instead)
			return id, nil
		}
		if !errors.Is(err, snapshot.ErrNoSnapshot) || try == 1 {
			return id, err
		}
	}
}

// usable finds the snapshot. One that is marked bad has a good one in its place, unless that is
// not enough.
func (h Holder) usable(store *snapshot.Store, ref string) (id snapshot.ID, instead, err error) {
	id, instead, err = store.Usable(ref)
	if err == nil && h.Required {
		err = instead
	}
	return id, instead, err
}

func (h Holder) noteInstead(instead error) {
	if instead != nil {
		h.Note(instead.Error())
	}
}

// limit bounds what may be written. It closes an instance that must not be used without.
func (h Holder) limit(i *instance.Instance) error {
	if h.Limit == 0 {
		return nil
	}
	err := i.Limit(h.Limit)
	if err != nil && h.Required {
		i.Close()
		return err
	}
	if err != nil {
		h.Note("without its upper_limit: " + err.Error())
	}
	return nil
}

// Keep opens the instance at dir, which outlives its process, or makes it. Its lease is the
// directory's: the snapshot is the one it was made with, or where ref is named, that.
func (h Holder) Keep(store *snapshot.Store, dir, ref string, named bool) (Held, error) {
	name := "instance:" + dir
	had, unread := store.Lease(name)
	held := Held{ID: had.Snapshot}
	if unread == nil && !named {
		ref = had.Snapshot.String() // nothing else fits what is in it
	}
	var instead, err error
	if held.ID, instead, err = h.usable(store, ref); err != nil {
		return held, err
	}
	h.noteInstead(instead)
	if err := instance.CheckFree(dir, h.MinFree); err != nil {
		return held, err
	}
	if held.Instance, err = instance.Keep(dir); err != nil {
		return held, err
	}
	if err := h.limit(held.Instance); err != nil {
		return held, err
	}
	failpoint.Here("attach: instance kept")
	lease, err := snapshot.InstanceLease(name, held.ID, dir)
	if err != nil {
		return held, err
	}
	switch {
	case unread == nil:
		lease.Snapshot = had.Snapshot
		if had.Parent != nil && *had.Parent == *lease.Parent {
			return held, nil
		}
		// It lies elsewhere by now, or nobody noted where.
	case !errors.Is(unread, fs.ErrNotExist) && !errors.Is(unread, snapshot.ErrTorn):
		return held, nil // it holds every snapshot as it is
	}
	return held, store.AcquireLease(lease)
}
