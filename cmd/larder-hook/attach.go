package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"larder/cmd/internal/config"
	"larder/overlay/attach"
	"larder/overlay/keep"
	"larder/overlay/oci"
	"larder/snapshot"
	"larder/snapshot/failpoint"
)

// stateTimeout is how long a runtime may take to write the state.
const stateTimeout = 5 * time.Second

// The annotations a container may have.
const (
	profileAnnotation = "dev.larder.profile"
	lockAnnotation    = "dev.larder.lock"
	venvAnnotation    = "dev.larder.venv"
)

// session is an attach under way.
type session struct {
	*job
	state   oci.State
	spec    oci.Spec
	name    string // of the profile
	profile config.Profile
	store   *snapshot.Store
	ns      *namespace
	held    attach.Held
}

func (j *job) attach(stdin *os.File) error {
	s := &session{job: j}
	if err := s.read(stdin); err != nil {
		return err
	}
	j.lap("state")
	failpoint.Here("hook: state read")
	rootfs, err := s.state.RootFS(s.spec)
	if err != nil {
		return err
	}
	c, err := oci.Enter(s.state.PID, rootfs)
	if err != nil {
		return err
	}
	j.lap("container")
	failpoint.Here("hook: container entered")
	// Two hooks for one id at a time: leases and instances are named by it.
	unlock, err := lockContainer(s.state.ID)
	if err != nil {
		return err
	}
	defer unlock()
	if err := s.unprovisioned(); err != nil {
		return err
	}
	s.ns = &namespace{c: c, spec: s.spec, profile: s.profile, undo: j.onFailure}
	locks, err := s.locks()
	if err != nil {
		s.skip("environment", err)
	}
	if locks == nil && len(s.profile.Views) == 0 && s.profile.ReadOnlyView() == "" {
		return nil
	}
	if err := s.hold(); err != nil {
		return err
	}
	j.lap("lease")
	failpoint.Here("hook: snapshot held")
	if err := s.build(locks); err != nil {
		return err
	}
	j.lap("build")
	failpoint.Here("hook: mounts made")
	if len(s.ns.mounts) == 0 || s.required && len(s.skipped) > 0 {
		return errors.New(strings.Join(s.skipped, "; "))
	}
	if err := c.Alive(); err != nil {
		return err
	}
	j.commit()
	if err := c.Attach(s.ns.mounts); err != nil {
		return err
	}
	j.lap("attach")
	failpoint.Here("hook: attached")
	return nil
}

// hold takes a lease on the profile's snapshot for the container.
func (s *session) hold() (err error) {
	s.held, err = attach.Holder{
		Name: s.state.ID, PID: s.state.PID, Alive: s.ns.c.Alive, Bundle: s.state.Bundle,
		MinFree: int64(*s.profile.MinFree), Limit: int64(s.profile.UpperLimit), Required: s.required, Note: s.note, Undo: s.onFailure,
	}.Hold(s.store, s.profile.Snapshot)
	return err
}

// build makes every mount, detached: nothing of it is visible yet. A part that cannot be made is
// left out.
func (s *session) build(locks *attach.Locks) error {
	// The instance's lock is for as long as the uppers are being mounted; then the kernel's own holds.
	defer s.held.Instance.Close()
	a := attach.Session{
		Namespace: s.ns, Snapshot: s.held.Snapshot(s.store), RunDir: keep.DefaultDir, Instance: s.held.Instance,
		Views: s.profile.Views, MountPoints: s.profile.MountPoints, Locks: locks, Profile: s.name, Label: s.spec.MountLabel,
		Required: s.required, Note: s.note,
		LeftOut: func(part string, err error) error {
			if errors.Is(err, attach.ErrTargets) {
				err = fmt.Errorf("%w; name one as target of the profile", err)
			}
			s.skip(part, err)
			return nil
		},
	}
	if s.profile.NoExec {
		a.Flags = unix.MOUNT_ATTR_NOEXEC
	}
	if err := a.Attach(); err != nil {
		return err
	}
	for _, m := range a.Mounts {
		s.attached(m.Part, m.Path)
	}
	if a.ViewPath != "" {
		s.attached("view", a.ViewPath)
	}
	return nil
}

// read takes in the state, the bundle and the configuration, and opens the
// store: all that is known before the container is looked at.
func (s *session) read(stdin *os.File) (err error) {
	if s.state, err = oci.ReadState(stdin, stateTimeout); err != nil {
		return err
	}
	s.job.id = s.state.ID
	if err := s.state.Live(); err != nil {
		return err
	}
	if s.spec, err = oci.ReadSpec(s.state.Bundle); err != nil {
		return err
	}
	cfg, err := config.Load(s.options.config)
	if err != nil {
		return err
	}
	if s.name, s.profile, err = chooseProfile(cfg, s.options.profile, s.annotation(profileAnnotation)); err != nil {
		return err
	}
	s.store, err = openStore(s.options.store, cfg)
	return err
}

// annotation looks in the state first: not every runtime passes annotations
// there.
func (s *session) annotation(key string) string {
	if v, ok := s.state.Annotations[key]; ok {
		return v
	}
	return s.spec.Annotations[key]
}

// chooseProfile is the operator's list against the container's word. Asking for
// what one gets anyway is not asking.
func chooseProfile(cfg config.Config, flag, annotation string) (string, config.Profile, error) {
	if flag == "" {
		flag = config.DefaultProfile
	}
	if annotation != "" && annotation != flag {
		p, err := cfg.Requested(annotation)
		return annotation, p, err
	}
	p, err := cfg.For(flag)
	return flag, p, err
}

// openStore opens the store that the flag, LARDER_STORE or the file names.
func openStore(named string, cfg config.Config) (*snapshot.Store, error) {
	if named == "" {
		named = cfg.Store
	}
	return snapshot.Open(named)
}
