package container

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"larder/cmd/internal/config"
	"larder/overlay/attach"
	"larder/overlay/keep"
	"larder/overlay/oci"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/failpoint"
)

// Attach is one container, and what it is to get.
type Attach struct {
	*Record
	Name     string // of the profile
	Profile  config.Profile
	Store    *snapshot.Store
	State    oci.State // its id, process and bundle
	Spec     oci.Spec  // its user, variables, working directory and label
	Required bool      // a part that is left out is an error
	// Lock and Venv are what the container asks for itself, "" for nothing.
	Lock, Venv string
	// Commit is asked right before anything becomes visible: an error says that it is too late.
	Commit func() error

	ns      *namespace
	held    attach.Held
	session attach.Session
}

// Do attaches to a container that was entered. After an error nothing is attached, and Rollback
// undoes the rest.
func (a *Attach) Do(c *oci.Container) error {
	if !*a.Profile.Share {
		return nil
	}
	// Two attaches for one id at a time: leases and instances are named by it.
	unlock, err := lockContainer(a.holder())
	if err != nil {
		return err
	}
	defer unlock()
	if had, err := a.provisioned(c); had || err != nil {
		return err
	}
	a.ns = &namespace{c: c, spec: a.Spec, profile: a.Profile, undo: a.Undo}
	locks, err := a.locks()
	if err != nil {
		a.Skip("environment", err)
	}
	if locks == nil && len(a.Profile.Views) == 0 && a.Profile.ReadOnlyView() == "" {
		return nil
	}
	if err := a.hold(); err != nil {
		return err
	}
	a.Lap("lease")
	failpoint.Here("hook: snapshot held")
	if err := a.build(locks); err != nil {
		return err
	}
	a.Lap("build")
	failpoint.Here("hook: mounts made")
	if leftOut := a.LeftOut(); len(a.ns.mounts) == 0 || a.Required && leftOut != nil {
		if leftOut == nil {
			leftOut = errors.New("the snapshot has none of the profile's views")
		}
		return leftOut
	}
	if err := c.Alive(); err != nil {
		return err
	}
	if err := a.Commit(); err != nil {
		return err
	}
	if err := c.Attach(a.ns.mounts); err != nil {
		return err
	}
	a.Lap("attach")
	failpoint.Here("hook: attached")
	return nil
}

// hold takes a lease on the profile's snapshot for the container.
func (a *Attach) hold() (err error) {
	a.held, err = attach.Holder{
		Name: a.State.ID, PID: a.State.PID, Alive: a.ns.c.Alive, Bundle: a.State.Bundle, Engine: a.engine(),
		MinFree: int64(*a.Profile.MinFree), Limit: int64(a.Profile.UpperLimit), Required: a.Required, Note: a.Note, Undo: a.Undo,
	}.Hold(a.Store, a.Profile.Snapshot)
	return err
}

// holder is the container's name in the store.
func (a *Attach) holder() string { return snapshot.HolderName(a.State.ID, a.State.Bundle) }

// engine is what can start the container again, nil for nothing.
func (a *Attach) engine() *snapshot.EngineRecord {
	if a.Profile.Restart == config.RestartReset {
		return nil
	}
	name, dir := a.State.Engine(a.Spec)
	if dir == "" {
		return nil
	}
	record, err := snapshot.NewEngineRecord(name, dir)
	if err != nil {
		a.Note("what it writes is gone when it ends, though it can be started again: " + err.Error())
	}
	return record
}

// build makes every mount, detached: nothing of it is visible yet. A part that cannot be made is
// left out.
func (a *Attach) build(locks *attach.Locks) error {
	// The instance's lock is for as long as the uppers are being mounted; then the kernel's own holds.
	defer a.held.Instance.Close()
	a.session = attach.Session{
		Namespace: a.ns, Snapshot: a.held.Snapshot(a.Store), RunDir: keep.DefaultDir, Instance: a.held.Instance,
		Views: a.views(), MountPoints: a.Profile.MountPoints, Locks: locks, Built: *a.Profile.Built, Profile: a.Name, Label: a.Spec.MountLabel,
		Required: a.Required, Note: a.Note,
		LeftOut: func(part string, err error) error {
			if errors.Is(err, attach.ErrTargets) {
				err = fmt.Errorf("%w; name one as target of the profile", err)
			}
			a.Skip(part, err)
			return nil
		},
	}
	if a.Profile.NoExec {
		a.session.Flags = unix.MOUNT_ATTR_NOEXEC
	}
	if err := a.session.Attach(); err != nil {
		return err
	}
	for _, m := range a.session.Mounts {
		a.attached(m.Part, m.Path)
	}
	if view := a.session.ViewPath; view != "" {
		a.attached("view", view)
	}
	return nil
}

// views are those that the profile names. Of the usual ones, a snapshot may have some: not every one is stocked
// for all ecosystems.
func (a *Attach) views() []string {
	if slices.Equal(a.Profile.Views, ecosystem.AttachedViews()) {
		return nil
	}
	return a.Profile.Views
}

// Close lets go of the descriptors: what was attached stays, and what was not is gone. A process that
// ends after its attach need not call it. The kernel takes its time for it.
func (a *Attach) Close() {
	a.session.Close()
	if a.ns == nil {
		return
	}
	for _, m := range a.ns.mounts {
		m.Mount.Close()
		m.Point.Close()
	}
}
